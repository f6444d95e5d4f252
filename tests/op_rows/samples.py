"""Differences, trapezoids, covariances and counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Real, Whole, case, row


def _diff(a: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    ends = {k: v for k, v in (("prepend", prepend), ("append", append)) if v is not None}
    return np.diff(a, n, dim, **ends)


def _trapezoid(y: Any, x: Any = None, dx: float = 1.0, dim: int = -1) -> Any:
    height = (np.roll(y, -1, dim) + y) / 2
    width = dx if x is None else np.diff(x, axis=dim if x.ndim > 1 else 0)
    if x is not None and x.ndim == 1:
        width = width.reshape([-1 if d == dim % y.ndim else 1 for d in range(y.ndim)])
    return np.take(height, np.arange(y.shape[dim] - 1), dim) * width


def _cov(a: Any, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    return np.cov(a, ddof=correction, fweights=fweights, aweights=aweights)


def _histc(a: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    counts, _ = np.histogram(a, bins, (min, max) if min != max else None)
    return counts.astype(a.dtype)


TRAPEZOIDS = (
    case(Real((5,))),
    case(Real((3, 4)), dx=0.5, dim=0),
    case(Real((3, 4)), Real((4,))),
    case(Real((3, 4)), Real((3, 4)), dim=0),
)

ROWS = [
    row(
        "diff",
        _diff,
        case(Real((5,), whole=(-9, 9))),
        case(Real((3, 4), whole=(-9, 9)), 2, 0),
        case(Real((3, 4), whole=(-9, 9)), prepend=Real((3, 2), whole=(-9, 9))),
        case(Real((3, 4), whole=(-9, 9)), append=Real((3, 1), whole=(-9, 9))),
        case(Real((3, 4), whole=(-9, 9)), 5),
    ),
    row(
        "trapezoid",
        lambda y, x=None, dx=1.0, dim=-1: _trapezoid(y, x, dx, dim).sum(dim),
        *TRAPEZOIDS,
        aliases=("trapz",),
        rtol=1e-5,
    ),
    row(
        "cumulative_trapezoid",
        lambda y, x=None, dx=1.0, dim=-1: _trapezoid(y, x, dx, dim).cumsum(dim),
        *TRAPEZOIDS,
        rtol=1e-5,
    ),
    row(
        "cov",
        _cov,
        case(Real((3, 5))),
        case(Real((5,)), correction=0),
        case(Real((3, 5)), fweights=Whole((5,), 1, 4), aweights=Real((5,), 0.2, 1)),
        rtol=1e-5,
        constants=("aweights",),
    ),
    row("corrcoef", np.corrcoef, case(Real((3, 5))), case(Real((5,))), rtol=1e-5, order=1),
    row(
        "histc",
        _histc,
        case(Real((30,)), 4),
        case(Real((3, 4)), 5, -1.0, 1.5),
        order=0,
    ),
    row(
        "bincount",
        lambda a, weights=None, minlength=0: np.bincount(a, weights, minlength),
        case(Whole((8,))),
        case(Whole((8,)), minlength=12),
        case(Whole((8,)), Real((8,))),
        order=0,
        rtol=1e-5,
    ),
]
