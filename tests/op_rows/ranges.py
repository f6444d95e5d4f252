"""Signs, ranges, tests and whole numbers, and elementwise operations with options."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arithmetic import ANY, OFF_ZERO, POSITIVE, STEPPED, WITH_BOOL
from .row import Real, Row, Whole, case, pointwise, row

WIDE = Real(low=-3, high=3, whole=(-3, 3))


def _float(name: str, reference: Any, *makers: Real, **options: Any) -> Row:
    options = {"inplace": True, "whole_result": "float32", "rtol": 2e-6, **options}
    return pointwise(name, reference, *makers, **options)


def _test(name: str, function: Any) -> Row:
    return pointwise(
        name, function, STEPPED, order=0, whole_dtypes=WITH_BOOL, result="bool", whole_result="bool"
    )


def _compare_inplace(name: str, function: Any, *aliases: str) -> Row:
    return row(
        name,
        lambda *x: function(*x).astype(x[0].dtype),
        case(*[Real((3, 4), step=1.0)] * function.nin),
        aliases=aliases,
        order=0,
    )


def _whole(name: str, function: Any) -> Row:
    numbers = Whole((3, 4), -9, 9)
    return row(name, function, case(numbers, Whole((4,), 0, 7)), order=0, inplace=True)


def _clip(x: Any, min: Any = None, max: Any = None) -> Any:
    return np.clip(x, min, max)


def _bound(name: str, function: Any) -> Row:
    return row(
        name,
        function,
        case(Real((3, 4), avoid=(0.5,)), 0.5),
        case(Real((3, 4)), Real((4,), -1, 1)),
        case(Real((3, 1)), Real((4,), -1, 1)),
        case(Real(()), Real((2,), -1, 1)),
        inplace=True,
    )


def _div(a: Any, b: Any, rounding_mode: Any = None) -> Any:
    return {None: np.divide, "floor": np.floor_divide}.get(
        rounding_mode, lambda x, y: np.trunc(x / y)
    )(a, b)


def _logit(x: Any, eps: float = 0.0) -> Any:
    x = np.clip(x, eps, 1 - eps)
    return np.log(x / (1 - x))


def _identity(name: str, *aliases: str, **options: Any) -> Row:
    return row(name, lambda x: x, case(ANY), case(Real((2, 3))), aliases=aliases, **options)


ROWS = [
    pointwise("sgn", np.sign, OFF_ZERO, inplace=True, order=1),
    _float("angle", lambda x: np.where(x < 0, np.pi, 0.0), OFF_ZERO, order=1),
    _float("deg2rad", np.deg2rad, WIDE),
    _float("rad2deg", np.rad2deg, WIDE),
    _float("copysign", np.copysign, OFF_ZERO, OFF_ZERO),
    _float("nextafter", np.nextafter, ANY, ANY, order=1, whole_dtypes=()),
    _float("hypot", np.hypot, OFF_ZERO, OFF_ZERO, whole_dtypes=()),
    _float("logaddexp", np.logaddexp, WIDE, WIDE, whole_dtypes=(), inplace=False),
    _float("logaddexp2", np.logaddexp2, WIDE, WIDE, whole_dtypes=()),
    pointwise("fmax", np.fmax, ANY, ANY, inplace=True, whole_dtypes=WITH_BOOL),
    pointwise("fmin", np.fmin, ANY, ANY, inplace=True, whole_dtypes=WITH_BOOL),
    pointwise("heaviside", np.heaviside, STEPPED, ANY, inplace=True, order=0),
    pointwise(
        "addcmul",
        lambda x, a, b, value=1: x + value * a * b,
        ANY,
        ANY,
        ANY,
        kwargs=({}, {"value": 3}),
        inplace=True,
    ),
    _float(
        "addcdiv",
        lambda x, a, b, value=1: x + value * a / b,
        Real(),
        Real(),
        OFF_ZERO,
        kwargs=({}, {"value": 0.5}),
    ),
    _test("signbit", np.signbit),
    _test("isposinf", lambda x: np.isposinf(x.astype(float))),
    _test("isneginf", lambda x: np.isneginf(x.astype(float))),
    _test("isreal", np.isreal),
    _whole("gcd", np.gcd),
    _whole("lcm", np.lcm),
    _whole("bitwise_left_shift", np.left_shift),
    _whole("bitwise_right_shift", np.right_shift),
    row(
        "isclose",
        np.isclose,
        case(Real((3, 4)), Real((3, 4))),
        case(Real((3, 4), step=1.0), Real((4,), step=1.0), rtol=0.1, atol=0.3, equal_nan=True),
        order=0,
        result="bool",
    ),
    row(
        "nan_to_num",
        lambda x, **_: x,
        case(Real((3, 4), whole=(-9, 9))),
        case(Real((3, 4), whole=(-9, 9)), nan=1.0, posinf=2.0, neginf=-2.0),
        inplace=True,
    ),
    row(
        "logit",
        _logit,
        case(Real((3, 4), 0.1, 0.9)),
        case(Real((3, 4), 0.05, 0.95, avoid=(0.2, 0.8)), 0.2),
        inplace=True,
        rtol=1e-5,
    ),
    row("frexp", np.frexp, case(Real((3, 4), avoid=(0, 0.5, 1, 2, -0.5, -1, -2)))),
    row(
        "ldexp",
        lambda x, e: x * 2.0**e,
        case(Real((3, 4)), Whole((3, 4), 0, 3)),  # PyTorch's slope is 0 for negative integers
        case(Real((3, 4)), Real((4,))),
        inplace=True,
    ),
    row(
        "float_power",
        lambda a, b: np.float_power(a, b),
        case(POSITIVE, 2),
        case(Real((3, 4), 0.3, 2.5), Real((4,))),
        case(Real((3, 4), 0.3, 2.5), -0.5),
        result="float64",
    ),
    Row("float_power_", (), None, order=0),
    _bound("clamp_min", np.maximum),
    _bound("clamp_max", np.minimum),
    row(
        "rsub",
        lambda a, b, alpha=1: b - alpha * a,
        case(Real((3, 4)), Real((4,))),
        case(Real((3, 4)), 2.0, alpha=3),
    ),
    _compare_inplace("eq_", np.equal),
    _compare_inplace("ne_", np.not_equal, "not_equal_"),
    _compare_inplace("lt_", np.less, "less_"),
    _compare_inplace("le_", np.less_equal, "less_equal_"),
    _compare_inplace("gt_", np.greater, "greater_"),
    _compare_inplace("ge_", np.greater_equal, "greater_equal_"),
    _compare_inplace("logical_and_", np.logical_and),
    _compare_inplace("logical_or_", np.logical_or),
    _compare_inplace("logical_xor_", np.logical_xor),
    _compare_inplace("logical_not_", np.logical_not),
    _identity("conj", "conj_physical", "conj_physical_", "resolve_conj", "resolve_neg"),
    _identity("real"),
    _identity("positive"),
    Row("equal", (), None, order=0),
    Row("allclose", (), None, order=0),
]
