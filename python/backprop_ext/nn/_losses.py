"""Losses that take a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._checks import the_tensor
from . import _reduction

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core import Tensor

__all__ = ["triplet_margin_with_distance_loss"]


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b + 1e-6).norm(2.0, -1)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(a, p) - d(a, n) + margin), d the Euclidean distance unless it is given.

    With `swap`, d(a, n) is at most d(p, n). Raises ValueError for a margin that is not positive,
    RuntimeError for other numbers of dimensions. Source: Balntas et al., BMVC 2016.
    """
    _reduction.reduction_of(None, None, reduction)
    if margin <= 0:
        raise ValueError(
            f"[triplet_margin_with_distance_loss] margin={margin} must be greater than 0"
        )
    op = "triplet_margin_with_distance_loss"
    dims = {the_tensor(op, t).ndim for t in (anchor, positive, negative)}
    if len(dims) > 1:
        raise RuntimeError(
            f"[{op}] the shapes are "
            f"{[tuple(t.shape) for t in (anchor, positive, negative)]}; they must have the same "
            "number of dimensions"
        )
    d: Any = distance_function or _distance
    far = d(anchor, negative)
    if swap:
        far = _core.minimum(far, d(positive, negative))
    each: Tensor = (margin + d(anchor, positive) - far).clamp(min=0)
    return each if reduction == "none" else each.sum() if reduction == "sum" else each.mean()
