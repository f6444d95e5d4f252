"""Tensors from sizes and numbers, conversions, and random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numeric import rounded_to_bfloat16

import backprop_ext as bx

from .row import Real, Row, case, row

X = Real((3, 4), whole=(-9, 9))


def _full(fill: float) -> Any:
    def reference(*size: Any, dtype: Any = None) -> Any:
        shape = tuple(size[0]) if isinstance(size[0], (tuple, list)) else size
        return np.full(shape, fill, _numpy(dtype))

    return reference


def _numpy(dtype: Any, default: Any = np.float32) -> Any:
    return default if dtype is None else np.dtype(str(dtype).removeprefix("torch."))


def _arange(*args: Any, dtype: Any = None) -> Any:
    whole = all(isinstance(a, int) for a in args)
    return np.arange(*args).astype(_numpy(dtype, np.int64 if whole else np.float32))


def _like(fill: Any) -> Any:
    def reference(a: Any, *value: Any, dtype: Any = None) -> Any:
        return np.full(a.shape, value[0] if value else fill, _numpy(dtype, a.dtype))

    return reference


def _uniform(t: Any, args: Any, kwargs: Any) -> None:
    low, high = args[1:3] if len(args) > 1 and not isinstance(args[1], tuple) else (0.0, 1.0)
    assert (t >= low).all()
    assert (t <= high).all()
    assert len(np.unique(t)) == t.size


def _normal(t: Any, args: Any, kwargs: Any) -> None:
    assert np.isfinite(t).all()
    assert len(np.unique(t)) == t.size


def _integers(t: Any, args: Any, kwargs: Any) -> None:
    low, high = (0, args[0]) if len(args) == 2 else args[:2]
    assert (t >= low).all()
    assert (t < high).all()


def _permutation(t: Any, args: Any, kwargs: Any) -> None:
    np.testing.assert_array_equal(np.sort(t), np.arange(args[0]))


def _binary(t: Any, args: Any, kwargs: Any) -> None:
    assert set(np.unique(t)) <= {0.0, 1.0}


def _dropped(t: Any, args: Any, kwargs: Any) -> None:
    x, p = args[0], args[1] if len(args) > 1 else kwargs.get("p", 0.5)
    active = args[2] if len(args) > 2 else kwargs.get("training", True)
    if not active or p == 0:
        np.testing.assert_array_equal(t, x)
    else:
        kept = np.zeros_like(x) if p == 1 else x / x.dtype.type(1 - p)
        assert np.all((t == 0) | np.isclose(t, kept, rtol=1e-6))


def _random(name: str, check: Any, *cases: Any, **options: Any) -> Row:
    return row(name, None, *cases, order=0, checks=check, **options)


CREATION = [
    Row("empty", (case((2, 3)), case(2, 0), case((), dtype=bx.int64)), None, order=0),
    row("zeros", _full(0), case((2, 3)), case(2, 3, dtype=bx.int32), case(()), case(0), order=0),
    row("ones", _full(1), case((2, 3)), case(2, 3, dtype=bx.bool), case([2]), order=0),
    row(
        "full",
        lambda size, v, dtype=None: np.full(
            size, v, _numpy(dtype, np.float32 if isinstance(v, float) else np.dtype(type(v)))
        ),
        case((2, 3), 1.5),
        case((2,), 7),
        case((2,), True),
        case((), 7, dtype=bx.float64),
        order=0,
    ),
    row("empty_like", None, case(X), case(Real((0, 2))), order=0),
    row("zeros_like", _like(0), case(X), case(X, dtype=bx.int64), order=0),
    row("ones_like", _like(1), case(X), case(Real(()), dtype=bx.bool), order=0),
    row("full_like", _like(None), case(X, 2.5), case(X, 3, dtype=bx.int64), order=0),
    row(
        "arange",
        _arange,
        case(5),
        case(2, 9, 3),
        case(9, 2, -2),
        case(0),
        case(1.0, 4.0),
        case(0, 1, 0.3),
        case(3, dtype=bx.float64),
        order=0,
    ),
    row(
        "linspace",
        lambda a, b, n, dtype=None: np.linspace(a, b, n).astype(_numpy(dtype)),
        case(0, 1, 5),
        case(-1.5, 2.5, 8),
        case(3, 3, 1),
        case(0, 1, 0),
        case(0.0, 1.0, 11, dtype=bx.float64),
        order=0,
    ),
    row(
        "eye",
        lambda n, m=None, dtype=None: np.eye(n, m, dtype=_numpy(dtype)),
        case(3),
        case(2, 4),
        case(3, 2, dtype=bx.int64),
        case(0),
        order=0,
    ),
]

CONVERSIONS = [
    row(
        name,
        lambda a, dtype=dtype: a.astype(dtype),
        case(Real((3, 4), low=-4, high=4, whole=(-9, 9))),
        case(Real((), low=1, high=4, whole=(1, 9))),
        order=1 if dtype == "float64" else 0,
        result=dtype,
        whole_result=dtype,
    )
    for name, dtype in (
        ("float", "float32"),
        ("double", "float64"),
        ("long", "int64"),
        ("int", "int32"),
        ("byte", "uint8"),
        ("half", "float16"),
        ("short", "int16"),
        ("char", "int8"),
        ("bool", "bool"),
    )
] + [
    row(
        "bfloat16",
        rounded_to_bfloat16,
        case(Real((3, 4), low=-4, high=4, whole=(-999, 999))),
        case(Real((), low=1, high=4, whole=(1, 9))),
        order=0,
        result="float32",
        whole_result="float32",
        torch=False,
    ),
    row(
        "_to_dtype",
        lambda a, dtype: a.astype(_numpy(dtype)),
        case(X, bx.float64),
        order=1,
        result="float64",
        whole_result="float64",
        torch=False,
    ),
]

RANDOM = [
    _random("rand", _uniform, case((3, 4)), case(30, dtype=bx.float64), case((0,))),
    _random("randn", _normal, case((3, 4)), case(30, dtype=bx.float64), case(())),
    _random("randint", _integers, case(9, (3, 4)), case(-5, 5, (40,)), case(2, (0,))),
    _random("randperm", _permutation, case(7), case(0)),
    _random("rand_like", _uniform, case(X)),
    _random("randn_like", _normal, case(X)),
    _random("uniform_", _uniform, case(X), case(X, -2.0, 3.0)),
    _random("normal_", _normal, case(X), case(X, 5.0, 0.1)),
    _random("bernoulli_", _binary, case(X), case(X, 0.0), case(X, 1.0)),
    _random("dropout", _dropped, case(X, 0.5, True), case(X, 0.5, False), case(X, 1.0, True)),
]

ROWS = [*CREATION, *CONVERSIONS, *RANDOM]
