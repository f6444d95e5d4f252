"""The reduction that the arguments of old scripts mean."""

from __future__ import annotations

import warnings

__all__ = ["reduction_of"]


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """`reduction`, unless size_average or reduce are given: they had its place before PyTorch 1.0.

    Raises ValueError when the result is none of "none", "mean" and "sum".
    """
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(
            f"[loss] size_average={size_average} and reduce={reduce} are out of date; "
            f"write reduction={reduction!r}",
            stacklevel=3,
        )
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            f"[loss] reduction={reduction!r} is not one of 'none', 'mean', 'sum'; take one"
        )
    return reduction
