"""Arithmetic, comparisons and bit logic."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Case, Flags, Real, Row, case, pointwise, row

ANY = Real(low=-2, high=2, whole=(-9, 9))
POSITIVE = Real(low=0.3, high=3, whole=(1, 9))
OFF_ZERO = Real(low=-2, high=2, avoid=(0,), whole=(1, 9))
STEPPED = Real(low=-2, high=2, step=1.0, whole=(-2, 2))  # meets itself and zero
WITH_BOOL = ("int64", "int32", "uint8", "bool")


def _add(a: Any, b: Any, alpha: float = 1) -> Any:
    return np.add(a, b if alpha == 1 else alpha * b)


def _sub(a: Any, b: Any, alpha: float = 1) -> Any:
    return np.subtract(a, b if alpha == 1 else alpha * b)


def _clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    return np.clip(x, min, max)


def _where(c: Any, a: Any, b: Any) -> Any:
    return np.where(c, a, b)


def _pow_grid() -> tuple[Case, ...]:
    base = Real((3, 4), 0.3, 2.5)
    powers = (2, 3, 0, 1, 0.5, -0.5, -1, -2, 1.7)
    return tuple(case(base, p) for p in powers)


def _prelu(x: Any, weight: Any) -> Any:
    w = weight if weight.size == 1 or x.ndim < 2 else weight.reshape(-1, *[1] * (x.ndim - 2))
    return np.where(x > 0, x, w * x)


def _compare(name: str, function: Any, *aliases: str) -> Row:
    return pointwise(
        name,
        function,
        STEPPED,
        STEPPED,
        aliases=aliases,
        order=0,
        whole_dtypes=WITH_BOOL,
        result="bool",
        whole_result="bool",
    )


def _test(name: str, function: Any) -> Row:
    return pointwise(
        name,
        function,
        STEPPED,
        order=0,
        whole_dtypes=WITH_BOOL,
        result="bool",
        whole_result="bool",
    )


def _bits(name: str, function: Any) -> Row:
    makers = [Real(step=1, whole=(-9, 9))] * (1 if name == "bitwise_not" else 2)
    return pointwise(
        name, function, *makers, order=0, whole_dtypes=WITH_BOOL, inplace=True, result="error"
    )


ROWS = [
    pointwise("add", _add, ANY, ANY, kwargs=({}, {"alpha": 3}), inplace=True),
    pointwise(
        "sub", _sub, ANY, ANY, kwargs=({}, {"alpha": 3}), inplace=True, aliases=("subtract",)
    ),
    pointwise(
        "mul", np.multiply, ANY, ANY, inplace=True, whole_dtypes=WITH_BOOL, aliases=("multiply",)
    ),
    pointwise(
        "div",
        np.divide,
        ANY,
        OFF_ZERO,
        inplace=True,
        whole_result="float32",
        aliases=("divide", "true_divide"),
    ),
    pointwise("floor_divide", np.floor_divide, ANY, OFF_ZERO, inplace=True, order=0),
    pointwise("remainder", np.remainder, ANY, OFF_ZERO, inplace=True, rtol=1e-5),
    pointwise("fmod", np.fmod, ANY, OFF_ZERO, inplace=True, rtol=1e-5),
    pointwise("maximum", np.maximum, ANY, ANY, inplace=True, whole_dtypes=WITH_BOOL),
    pointwise("minimum", np.minimum, ANY, ANY, inplace=True, whole_dtypes=WITH_BOOL),
    pointwise(
        "atan2",
        np.arctan2,
        OFF_ZERO,
        OFF_ZERO,
        inplace=True,
        whole_result="float32",
        aliases=("arctan2",),
    ),
    pointwise("neg", np.negative, ANY, inplace=True, aliases=("negative",)),
    pointwise("abs", np.abs, OFF_ZERO, inplace=True, aliases=("absolute",)),
    pointwise("sign", np.sign, OFF_ZERO, inplace=True, order=1),
    pointwise("square", np.square, ANY, inplace=True),
    pointwise("sqrt", np.sqrt, POSITIVE, inplace=True, whole_result="float32"),
    pointwise("rsqrt", lambda x: 1 / np.sqrt(x), POSITIVE, inplace=True, whole_result="float32"),
    pointwise("reciprocal", lambda x: 1 / x, OFF_ZERO, inplace=True, whole_result="float32"),
    pointwise("where", _where, Flags(), ANY, ANY, whole_dtypes=WITH_BOOL),
    pointwise(
        "lerp", lambda a, b, w: a + w * (b - a), Real(), Real(), Real(low=0, high=1), inplace=True
    ),
    Row(
        "pow",
        pointwise("pow", None, POSITIVE, Real(whole=(0, 4))).cases + _pow_grid(),
        np.power,
        pointwise=True,
        inplace=True,
        rtol=3e-6,
    ),
    Row(
        "clamp",
        (
            *pointwise("clamp", None, Real(low=-2, high=2, avoid=(-0.5, 1.2))).cases,
            case(Real((3, 4), avoid=(-0.5,)), min=-0.5),
            case(Real((3, 4), avoid=(-0.5, 1.2)), -0.5, 1.2),
            case(Real((3, 4), avoid=(1.2,)), max=1.2),
            case(Real((3, 4), -2, 2), Real((4,), -1, 0), Real((3, 1), 0.5, 1)),
            case(Real((4,), -2, 2), max=Real((3, 1), 0.5, 1)),
        )[4:],
        _clamp,
        aliases=("clip",),
        inplace=True,
    ),
    row(
        "prelu",
        _prelu,
        case(Real((3, 4), avoid=(0,)), Real((1,), 0.1, 0.5)),
        case(Real((2, 3, 2), avoid=(0,)), Real((3,), 0.1, 0.5)),
        case(Real((5,), avoid=(0,)), Real((1,), 0.1, 0.5)),
        case(Real((0, 3)), Real((3,), 0.1, 0.5)),
    ),
    _compare("eq", np.equal),
    _compare("ne", np.not_equal, "not_equal"),
    _compare("lt", np.less, "less"),
    _compare("le", np.less_equal, "less_equal"),
    _compare("gt", np.greater, "greater"),
    _compare("ge", np.greater_equal, "greater_equal"),
    _compare("logical_and", np.logical_and),
    _compare("logical_or", np.logical_or),
    _compare("logical_xor", np.logical_xor),
    _test("logical_not", np.logical_not),
    _test("isnan", np.isnan),
    _test("isinf", np.isinf),
    _test("isfinite", np.isfinite),
    _bits("bitwise_and", np.bitwise_and),
    _bits("bitwise_or", np.bitwise_or),
    _bits("bitwise_xor", np.bitwise_xor),
    _bits("bitwise_not", np.invert),
]
