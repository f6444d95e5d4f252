"""Sums, means and extrema of pieces of a tensor that lie one behind the other."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING, Final

from . import _core

if TYPE_CHECKING:
    from ._core import Tensor

__all__ = ["segment_reduce"]

# What an empty segment gives, and how a segment is gathered into it.
_REDUCTIONS: Final = {
    "sum": (0.0, ""),
    "mean": (nan, ""),
    "max": (-inf, "amax"),
    "min": (inf, "amin"),
    "amax": (-inf, "amax"),
    "amin": (inf, "amin"),
    "prod": (1.0, "prod"),
}


def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Tensor:
    """y_i = the sum, mean, max, min or prod of segment i of data's rows, of length lengths[i].

    Or from offsets[i] to offsets[i + 1]. `initial` takes part, and is what an empty segment gives;
    without it that is 0, nan, -inf, inf or 1. RuntimeError where the lengths do not fill data.
    Source: PyTorch's torch.segment_reduce.
    """
    if lengths is None and offsets is None:
        raise RuntimeError("[segment_reduce] neither lengths nor offsets; pass one of them")
    if reduce not in _REDUCTIONS:
        raise RuntimeError(f"[segment_reduce] reduce={reduce!r}; one of {sorted(_REDUCTIONS)}")
    sizes = offsets.diff() if lengths is None else lengths  # type: ignore[union-attr]
    if sizes.ndim != 1 or axis != 0:
        raise NotImplementedError(
            f"[segment_reduce] axis={axis} and lengths of shape {tuple(sizes.shape)}; only axis 0 "
            "with one length for each segment is here"
        )
    if not unsafe and int(sizes.sum()) != len(data):
        raise RuntimeError(
            f"[segment_reduce] the lengths add up to {int(sizes.sum())}, data has {len(data)} "
            "rows; make them equal"
        )
    empty, gather = _REDUCTIONS[reduce]
    places = _core.arange(len(sizes)).repeat_interleave(sizes)
    adds = not gather
    first = initial if initial is not None else 0.0 if adds else empty
    start = _core.full((len(sizes), *data.shape[1:]), first, dtype=data.dtype)
    if not adds:
        return start.index_reduce(0, places, data, gather)
    total = start.index_add(0, places, data)
    if reduce == "sum":
        return total
    counts = sizes.reshape(-1, *[1] * (data.ndim - 1))
    return _core.where(counts > 0, total / counts.clamp(min=1), empty if initial is None else first)


_segment_reduce = segment_reduce  # the name that libraries call
