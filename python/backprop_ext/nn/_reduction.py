"""The reduction that the arguments of old scripts mean."""

from __future__ import annotations

import warnings

from .._core import Tensor

__all__ = ["reduction_of", "the_reduction", "weighted_loss"]


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """`reduction`, unless size_average or reduce are given: they had its place before PyTorch 1.0.

    Raises RuntimeError for tensors of several elements (a loss called while it is made).
    """
    if any(isinstance(t, Tensor) and t.numel() != 1 for t in (size_average, reduce)):
        raise RuntimeError(
            "[loss] a tensor stands where options of the loss do; make the loss first, then call "
            "it: loss_fn = nn.MSELoss(); loss_fn(input, target)"
        )
    if size_average is not None or reduce is not None:
        whole, mean = (given is None or given for given in (reduce, size_average))
        reduction = "none" if not whole else "mean" if mean else "sum"
        warnings.warn(
            f"[loss] size_average={size_average} and reduce={reduce} are out of date; "
            f"write reduction={reduction!r}",
            stacklevel=3,
        )
    return reduction


def the_reduction(reduction: str) -> str:
    """reduction; ValueError where it is none of "none", "mean" and "sum"."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            f"[loss] reduction={reduction!r} is not one of 'none', 'mean', 'sum'; take one"
        )
    return reduction


def weighted_loss(
    op: str, each: Tensor, input: Tensor, weight: Tensor, reduction: str, total: int | None = None
) -> Tensor:
    """each * weight, as it is, as its sum, or as its sum divided by `total`, the sum of weights."""
    reduction = the_reduction(reduction)
    if weight.shape != input.shape:
        raise ValueError(
            f"[{op}] the weight has shape {tuple(weight.shape)}, the input {tuple(input.shape)}; "
            "expand it to that of the input"
        )
    each = each * weight
    found: Tensor = each if reduction == "none" else each.sum()
    if reduction != "mean":
        return found
    return found / (weight.sum() if total is None else total)
