"""Reductions, matrix products and softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Real, Row, case, row

INTS = ("int64", "int32", "uint8", "bool")


def x(*shape: int) -> Real:
    """A tensor of plain numbers, no two alike."""
    return Real(shape, whole=(-9, 9))


def _over(function: Any) -> Any:
    def reference(a: Any, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Any:
        axis = None if dim == () else tuple(dim) if isinstance(dim, (tuple, list)) else dim
        return function(a, axis=axis, keepdims=keepdim, **kwargs)

    return reference


def _int_sum(a: Any, axis: Any, keepdims: bool, dtype: Any = None) -> Any:
    return np.sum(a, axis=axis, keepdims=keepdims, dtype=_wide(a))


def _int_prod(a: Any, axis: Any, keepdims: bool) -> Any:
    return np.prod(a, axis=axis, keepdims=keepdims, dtype=_wide(a))


def _wide(a: Any) -> Any:
    return a.dtype if a.dtype.kind == "f" else np.int64


def _place(function: Any) -> Any:
    def reference(a: Any, dim: Any = None, keepdim: bool = False) -> Any:
        return np.asarray(function(a, axis=dim, keepdims=keepdim))

    return reference


def _extreme(over: Any, place: Any, pair: Any) -> Any:
    def reference(a: Any, other: Any = None, keepdim: bool = False, dim: Any = None) -> Any:
        if isinstance(other, np.ndarray):
            return pair(a, other)
        dim = other if dim is None else dim
        if dim is None:
            return over(a)
        return over(a, axis=dim, keepdims=keepdim), place(a, axis=dim, keepdims=keepdim)

    return reference


def _spread(power: float) -> Any:
    def reference(a: Any, dim: Any = None, unbiased: Any = None, **kwargs: Any) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        ddof = kwargs.get("correction", 1 if unbiased in (None, True) else 0)
        keep = kwargs.get("keepdim", False)
        return np.var(a, axis=dim, ddof=ddof, keepdims=keep) ** power

    return reference


def _logsumexp(a: Any, dim: Any, keepdim: bool = False) -> Any:
    return np.log(np.sum(np.exp(a), axis=dim, keepdims=keepdim))


def _norm(a: Any, p: float = 2.0, dim: Any = None, keepdim: bool = False) -> Any:
    size, dim = np.abs(a), tuple(range(a.ndim)) if dim is None else dim
    if p in (np.inf, -np.inf):
        return (np.max if p > 0 else np.min)(size, axis=dim, keepdims=keepdim)
    if p == 0:
        return np.sum(size != 0, axis=dim, keepdims=keepdim).astype(a.dtype)
    return np.sum(size**p, axis=dim, keepdims=keepdim) ** (1 / p)


def _sum_to_size(a: Any, *size: Any) -> Any:
    shape = tuple(size[0]) if isinstance(size[0], tuple) else size
    lead = a.ndim - len(shape)
    axes = [d for d in range(a.ndim) if d < lead or shape[d - lead] == 1]
    return np.sum(a, axis=tuple(axes), keepdims=True).reshape(shape)


def _addmm(i: Any, a: Any, b: Any, beta: float = 1, alpha: float = 1) -> Any:
    return beta * i + alpha * (a @ b)


def _linear(a: Any, w: Any, b: Any = None) -> Any:
    return a @ w.T + (0 if b is None else b)


def _softmax(a: Any, dim: int, **_: Any) -> Any:
    return np.exp(a) / np.sum(np.exp(a), axis=dim, keepdims=True)


def _extreme_row(name: str, *functions: Any) -> Row:
    return row(
        name,
        _extreme(*functions),
        case(x(3, 4)),
        case(x(3, 4), 1),
        case(x(3, 4), 0, True),
        case(x(2, 3, 4), dim=1),
        case(x(3, 4), x(4)),
        case(x()),
    )


REDUCTIONS = [
    row(
        "sum",
        _over(_int_sum),
        case(x(3, 4)),
        case(x(2, 3, 4), 1),
        case(x(2, 3, 4), (0, -1), True),
        case(x()),
        case(x(0, 3)),
        case(x(0, 3), 0),
        case(x(3, 4), ()),
        case(x(3, 4), dim=[1], keepdim=True),
        whole_dtypes=INTS,
        whole_result="int64",
    ),
    row(
        "mean",
        _over(np.mean),
        case(Real((3, 4))),
        case(Real((2, 3, 4)), 1),
        case(Real((2, 3, 4)), (0, -1), True),
        case(Real(())),
        case(Real((0, 3)), 1),
    ),
    row(
        "prod",
        _over(_int_prod),
        case(Real((3, 2), whole=(-3, 3))),
        case(Real((2, 3, 4), whole=(-3, 3)), 1),
        case(Real((2, 3), whole=(-3, 3)), 0, True),
        case(Real((0, 3), whole=(0, 1)), 0),
        case(Real((), whole=(-3, 3))),
        whole_dtypes=INTS,
        whole_result="int64",
        rtol=1e-5,
    ),
    *[
        row(
            name,
            _over(function),
            case(x(3, 4)),
            case(x(2, 3, 4), 1),
            case(x(2, 3, 4), (0, -1), True),
            case(x()),
            case(x(0, 3), 1),
            whole_dtypes=INTS,
        )
        for name, function in (("amax", np.max), ("amin", np.min))
    ],
    _extreme_row("max", np.max, np.argmax, np.maximum),
    _extreme_row("min", np.min, np.argmin, np.minimum),
    *[
        row(
            name,
            _place(function),
            case(x(3, 4)),
            case(x(2, 3, 4), 1),
            case(x(3, 4), -1, True),
            case(x()),
            order=0,
            result="int64",
            whole_result="int64",
        )
        for name, function in (("argmax", np.argmax), ("argmin", np.argmin))
    ],
    *[
        row(
            name,
            _over(function),
            case(Real((3, 4), step=1.0, whole=(0, 1))),
            case(Real((2, 3, 4), step=1.0, whole=(0, 1)), 1),
            case(Real((3, 4), step=1.0, whole=(0, 1)), (0, 1), True),
            case(Real((0, 3), whole=(0, 1))),
            case(Real((0, 3), whole=(0, 1)), 0),
            whole_dtypes=("int64", "int32", "bool"),  # uint8's are uint8
            order=0,
            result="bool",
            whole_result="bool",
        )
        for name, function in (("any", np.any), ("all", np.all))
    ],
    *[
        row(
            name,
            _spread(power),
            case(Real((3, 4))),
            case(Real((3, 4)), 1),
            case(Real((2, 3, 4)), (0, 2), keepdim=True),
            case(Real((3, 4)), 0, False),
            case(Real((3, 4)), False),
            case(Real((3, 4)), dim=1, correction=0),
            case(Real((3, 4)), 1, correction=2, keepdim=True),
            rtol=1e-5,
        )
        for name, power in (("var", 1), ("std", 0.5))
    ],
    row(
        "logsumexp",
        _logsumexp,
        case(Real((3, 4)), 1),
        case(Real((2, 3, 4)), (0, 2), True),
        case(Real(()), 0),
    ),
    row(
        "norm",
        _norm,
        case(Real((3, 4), avoid=(0,))),
        *[case(Real((3, 4), avoid=(0,)), p) for p in (1, 2, 3, 2.5, 0, np.inf, -np.inf)],
        case(Real((2, 3, 4), avoid=(0,)), 2, (0, 2), True),
        case(Real((3, 4), avoid=(0,)), dim=1),
        rtol=1e-5,
    ),
    row(
        "sum_to_size",
        _sum_to_size,
        case(x(2, 3, 4), (3, 1)),
        case(x(2, 3), 2, 3),
        case(x(2, 3), (1, 1)),
        whole_dtypes=("int64",),
    ),
]

PRODUCTS = [
    row(
        "matmul",
        np.matmul,
        case(x(3), x(3)),
        case(x(2, 3), x(3)),
        case(x(3), x(3, 2)),
        case(x(2, 3), x(3, 4)),
        case(x(5, 2, 3), x(3, 4)),
        case(x(5, 2, 3), x(5, 3, 4)),
        case(x(2, 1, 2, 3), x(4, 3, 2)),
        case(x(4, 2, 3), x(3)),
        case(x(3), x(4, 3, 2)),
        case(x(0, 3), x(3, 2)),
        case(x(2, 0), x(0, 3)),
        rtol=1e-5,
    ),
    row("mm", np.matmul, case(x(2, 3), x(3, 4)), case(x(1, 1), x(1, 5)), rtol=1e-5),
    row("bmm", np.matmul, case(x(5, 2, 3), x(5, 3, 4)), case(x(0, 2, 3), x(0, 3, 1)), rtol=1e-5),
    row("mv", np.matmul, case(x(2, 3), x(3)), case(x(2, 0), x(0)), rtol=1e-5),
    row("dot", np.dot, case(x(3), x(3)), case(x(0), x(0)), rtol=1e-5),
    row("outer", np.outer, case(x(2), x(3)), case(x(0), x(3)), aliases=("ger",)),
    row(
        "addmm",
        _addmm,
        case(x(2, 4), x(2, 3), x(3, 4)),
        case(x(4), x(2, 3), x(3, 4), beta=2, alpha=3),
        inplace=True,
        rtol=1e-5,
    ),
    row(
        "nn.linear",
        _linear,
        case(x(5, 3), x(2, 3), x(2)),
        case(x(5, 3), x(2, 3)),
        case(x(3), x(2, 3), x(2)),
        case(x(2, 5, 3), x(4, 3), x(4)),
        case(x(0, 3), x(2, 3), x(2)),
        rtol=1e-5,
    ),
    *[
        row(
            name,
            function,
            case(Real((3, 4)), 1),
            case(Real((3, 4)), 0),
            case(Real((2, 3, 4)), -2),
            case(Real(()), 0),
            case(Real((0, 3)), 1),
            case(Real((2, 3)), dim=1, dtype=None),
            rtol=2e-6,
        )
        for name, function in (
            ("softmax", _softmax),
            ("log_softmax", lambda a, dim, **_: np.log(_softmax(a, dim))),
        )
    ],
]

ROWS = [*REDUCTIONS, *PRODUCTS]
