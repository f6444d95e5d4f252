"""Scans along one dimension, and summaries made of reductions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Real, Row, case, row

INTS = ("int64", "int32", "uint8")


def _wide(a: Any) -> Any:
    return a.dtype if a.dtype.kind == "f" else np.int64


def _sums(function: Any) -> Any:
    def reference(a: Any, dim: int, dtype: Any = None) -> Any:
        return a if a.ndim == 0 else function(a, axis=dim, dtype=_wide(a))

    return reference


def _extreme(function: Any) -> Any:
    def reference(a: Any, dim: int) -> Any:
        values = function.accumulate(a, axis=dim)
        places = np.arange(a.shape[dim]).reshape(
            [-1 if d == dim % a.ndim else 1 for d in range(a.ndim)]
        )
        return values, np.maximum.accumulate(np.where(a == values, places, 0), axis=dim)

    return reference


def _logcumsumexp(a: Any, dim: int) -> Any:
    return a if a.ndim == 0 else np.logaddexp.accumulate(a, axis=dim)


def _over(function: Any) -> Any:
    def reference(a: Any, dim: Any = None, keepdim: bool = False) -> Any:
        return function(a, axis=dim, keepdims=keepdim)

    return reference


def _count(a: Any, dim: Any = None) -> Any:
    return np.asarray(np.count_nonzero(a, axis=dim), np.int64)


def _both_ends(a: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return np.min(a, axis=dim, keepdims=keepdim), np.max(a, axis=dim, keepdims=keepdim)


def _moments(function: Any) -> Any:
    def reference(a: Any, dim: Any = None, unbiased: Any = None, **kwargs: Any) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        ddof = kwargs.get("correction", 1 if unbiased in (None, True) else 0)
        keep = kwargs.get("keepdim", False)
        return function(a, axis=dim, ddof=ddof, keepdims=keep), np.mean(a, axis=dim, keepdims=keep)

    return reference


def _quantile(
    a: Any, q: float, dim: Any = None, keepdim: bool = False, interpolation: str = "linear"
) -> Any:
    return np.quantile(a, q, axis=dim, keepdims=keepdim, method=interpolation)


def _renorm(a: Any, p: float, dim: int, maxnorm: float) -> Any:
    axes = tuple(d for d in range(a.ndim) if d != dim)
    size = np.sum(np.abs(a) ** p, axis=axes, keepdims=True) ** (1 / p)
    return a * np.where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)


def _dist(a: Any, b: Any, p: float = 2) -> Any:
    d = np.abs(a - b)
    return np.max(d) if np.isinf(p) else np.sum(d**p) ** (1 / p)


def _cdist(a: Any, b: Any, p: float = 2.0) -> Any:
    d = np.abs(a[..., :, None, :] - b[..., None, :, :])
    if p == 0:
        return np.sum(d != 0, -1).astype(a.dtype)
    return np.max(d, -1) if np.isinf(p) else np.sum(d**p, -1) ** (1 / p)


def _scan_row(name: str, reference: Any, **options: Any) -> Row:
    return row(
        name,
        reference,
        case(Real((5,), whole=(-3, 3)), 0),
        case(Real((3, 4), whole=(-3, 3)), 1),
        case(Real((2, 3, 70), whole=(-3, 3)), 1),
        case(Real((2, 3, 4), whole=(-3, 3)), -3),
        case(Real((), whole=(-3, 3)), 0),
        case(Real((0, 3), whole=(-3, 3)), 1),
        **options,
    )


ROWS = [
    *[
        _scan_row(
            name, _sums(function), inplace=True, whole_dtypes=INTS, whole_result="int64", rtol=1e-5
        )
        for name, function in (("cumsum", np.cumsum), ("cumprod", np.cumprod))
    ],
    row(
        "logcumsumexp", _logcumsumexp, case(Real((5,)), 0), case(Real((3, 4)), 1), case(Real(()), 0)
    ),
    *[
        row(name, _extreme(function), case(Real((5,)), 0), case(Real((2, 3, 4)), 1))
        for name, function in (("cummax", np.maximum), ("cummin", np.minimum))
    ],
    *[
        row(
            name,
            _over(function),
            case(Real((3, 4))),
            case(Real((2, 3, 4)), 1),
            case(Real((2, 3, 4)), (0, -1), True),
            rtol=1e-5,
        )
        for name, function in (("nansum", np.nansum), ("nanmean", np.nanmean))
    ],
    row(
        "count_nonzero",
        _count,
        case(Real((3, 4), step=1.0, whole=(0, 1))),
        case(Real((3, 4), step=1.0, whole=(0, 1)), 1),
        case(Real((2, 3, 4), step=1.0, whole=(0, 1)), (0, 2)),
        order=0,
        result="int64",
        whole_result="int64",
    ),
    row(
        "aminmax",
        _both_ends,
        case(Real((3, 4), whole=(-9, 9))),
        case(Real((2, 3, 4), whole=(-9, 9)), dim=1, keepdim=True),
    ),
    *[
        row(
            name,
            _moments(function),
            case(Real((3, 4))),
            case(Real((3, 4)), 1),
            case(Real((3, 4)), False),
            case(Real((2, 3, 4)), (0, 2), keepdim=True, correction=0),
            rtol=1e-5,
        )
        for name, function in (("var_mean", np.var), ("std_mean", np.std))
    ],
    *[
        row(
            name,
            _quantile,
            case(Real((7,)), 0.3),
            case(Real((3, 4)), 0.5, 1),
            case(Real((2, 3, 5)), 0.25, 1, True),
            *[
                case(Real((3, 4)), 0.4, interpolation=way)
                for way in ("linear", "lower", "higher", "nearest", "midpoint")
            ],
        )
        for name in ("quantile", "nanquantile")
    ],
    row(
        "renorm",
        _renorm,
        case(Real((3, 4), avoid=(0,)), 2, 0, 1.5),
        case(Real((2, 3, 4), avoid=(0,)), 1, 1, 5.0),
        inplace=True,
        rtol=1e-5,
    ),
    row(
        "dist",
        _dist,
        *[case(Real((3, 4)), Real((4,)), p) for p in (1, 2, 3, np.inf)],
        case(Real((3,)), Real((3,))),
        rtol=1e-5,
    ),
    row(
        "cdist",
        _cdist,
        *[case(Real((3, 5)), Real((4, 5)), p) for p in (0, 1, 2, 3.5, np.inf)],
        case(Real((2, 1, 3, 2)), Real((4, 5, 2))),
        case(Real((3, 37)), Real((2, 37))),
        rtol=1e-5,
    ),
]
