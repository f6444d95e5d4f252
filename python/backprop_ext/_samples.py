"""Functions of samples: derivatives from differences, and counts in bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _core
from ._checks import is_number, the_dims, the_tensor, whole
from ._core import Tensor
from ._return_types import named

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["gradient", "histogram", "histogramdd"]


def gradient(
    input: Tensor,
    *,
    spacing: Any = 1,
    dim: int | Sequence[int] | None = None,
    edge_order: int = 1,
) -> tuple[Tensor, ...]:
    """The slope along each dimension, from central differences: one tensor for each of `dim`.

    spacing is the distance of the samples, a list of distances, or a list of their coordinates;
    at the ends the differences are one-sided, of order edge_order. Raises RuntimeError for
    spacings that do not fit, or too few samples. Source: PyTorch's torch.gradient.
    """
    ndim = the_tensor("gradient", input).ndim
    if input.dtype is _core.uint8:
        raise RuntimeError("[gradient] input is uint8, whose differences wrap around; use .int()")
    dims = the_dims("gradient", dim, ndim)
    several = isinstance(spacing, (list, tuple))
    each = list(spacing) if several else [1 if spacing is None else spacing] * len(dims)
    points = [isinstance(s, Tensor) and (several or s.ndim > 0) for s in each]
    if (
        (spacing is None and isinstance(dim, (list, tuple)))
        or (not several and any(points))
        or (any(points) and not all(points))
        or not all(is_number(s) for s in each)
    ):
        raise TypeError(
            f"[gradient] {spacing=} with {dim=}; pass a number, or a list of numbers or tensors"
        )
    if len(each) != len(dims):
        raise RuntimeError(f"[gradient] {len(each)} spacings for dimensions {dims}; one each")
    if len({d % ndim for d in dims}) < len(dims):
        raise RuntimeError(f"[gradient] dimensions {dims} name one of them twice; once each")
    if whole(edge_order) is None:
        raise TypeError(f"[gradient] edge_order={edge_order!r}; pass 1 or 2")
    if edge_order not in (1, 2):
        raise RuntimeError(f"[gradient] edge_order is {edge_order}; expected 1 or 2")
    return tuple(_slope(input, s, d, edge_order) for s, d in zip(each, dims, strict=True))


def _slope(f: Tensor, spacing: Any, dim: int, order: int) -> Tensor:
    n = f.shape[dim]
    if n <= order:
        raise RuntimeError(
            f"[gradient] dimension {dim} of shape {tuple(f.shape)} has {n} elements; "
            f"edge_order={order} needs {order + 1}"
        )
    if not isinstance(spacing, Tensor):
        inexact = f.is_floating_point() or f.is_complex()
        h = _core.full((n - 1,), spacing, dtype=f.dtype.to_real() if inexact else None)
    elif spacing.shape == (n,):
        h = spacing[1:] - spacing[:-1]
    else:
        raise RuntimeError(
            f"[gradient] coordinates of shape {tuple(spacing.shape)} for {n} elements; one each"
        )
    h = h.view([n - 1 if d == dim % f.ndim else 1 for d in range(f.ndim)])

    def cut(t: Tensor, before: int, after: int) -> Tensor:
        return t.narrow(dim, before, t.shape[dim] - before - after)

    left, right = cut(h, 0, 1), cut(h, 1, 0)
    steps = (cut(f, 1, 0) - cut(f, 0, 1)) / h
    inner = (cut(steps, 0, 1) * right + cut(steps, 1, 0) * left) / (left + right)
    first, last = cut(steps, 0, n - 2), cut(steps, n - 2, 0)
    if order == 2:  # the slopes of parabolas through three samples
        bend = (cut(steps, 1, 0) - cut(steps, 0, 1)) / (left + right)
        first = first - cut(bend, 0, n - 3) * cut(h, 0, n - 2)
        last = last + cut(bend, n - 3, 0) * cut(h, n - 2, 0)
    return _core.cat([first, inner, last], dim)


def histogram(
    input: Tensor,
    bins: int | Tensor = 100,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """(hist, bin_edges): how many elements, or how much weight, lie between neighbouring edges.

    bins is a number of equal bins over `range` (by default from the least to the greatest element),
    or the edges themselves. The last bin holds its upper edge too. Source: torch.histogram.
    """
    flat = the_tensor("histogram", input).detach().reshape(-1, 1)
    if not isinstance(bins, Tensor) and whole(bins) is None:
        raise TypeError(f"[histogram] bins is a {type(bins).__name__}; pass a number or the edges")
    each = [bins] if isinstance(bins, Tensor) else whole(bins)
    heights, edges = histogramdd(flat, each, range=range, weight=weight, density=density)
    return named("histogram", ("hist", "bin_edges"), (heights, edges[0]))


def histogramdd(
    input: Tensor,
    bins: Any,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """(hist, bin_edges) of points, the rows of input: as histogram, with bins in every dimension.

    bins is a number, a list of numbers or a list of edges. NotImplementedError for other than
    floats, RuntimeError for edges of another type. Source: torch.histogramdd.
    """
    if the_tensor("histogramdd", input).dtype not in (_core.float32, _core.float64):
        raise NotImplementedError(f"[histogram] {input.dtype} is not counted; use .float()")
    if input.ndim < 2:
        raise RuntimeError(
            f"[histogram] points of shape {tuple(input.shape)}; expected 2 dimensions or more"
        )
    if not isinstance(density, bool):
        raise TypeError(f"[histogram] density={density!r}; pass True or False")
    if not isinstance(range, (tuple, list, type(None))):
        raise TypeError(f"[histogram] range={range!r}; pass two numbers for each dimension")
    width = input.shape[-1]
    points = input.detach().reshape(-1, width)
    counts = bins if isinstance(bins, (tuple, list)) else [bins]
    if not isinstance(bins, (int, tuple, list)) or any(
        not isinstance(n, Tensor) and whole(n) is None for n in counts
    ):
        raise TypeError(f"[histogram] bins is a {type(bins).__name__}; pass a number, or a list")
    each = [bins] * width if isinstance(bins, int) else list(bins)
    if any(isinstance(count, Tensor) is not isinstance(each[0], Tensor) for count in each):
        raise TypeError(f"[histogram] bins are {bins}; pass numbers alone, or edges alone")
    if len(each) != width or (range is not None and len(range) != 2 * width):
        raise RuntimeError(
            f"[histogram] {len(each)} bins and range {range} for {width} dimensions; one each"
        )
    for count in each:
        if isinstance(count, Tensor) and count.dtype != input.dtype:
            raise RuntimeError(
                f"[histogram] edges are {count.dtype}, the input {input.dtype}; convert one"
            )
        if isinstance(count, Tensor) and (count.ndim != 1 or count.numel() < 2):
            raise RuntimeError(
                f"[histogram] edges have shape {tuple(count.shape)}; pass two or more of them"
            )
    edges = [
        count if isinstance(count, Tensor) else _edges(points[:, d], count, range, d)
        for d, count in enumerate(each)
    ]
    shape = [len(e) - 1 for e in edges]
    inside = _core.ones(len(points), dtype=_core.bool)
    place = _core.zeros(len(points), dtype=_core.int64)
    for d, e in enumerate(edges):
        column = points[:, d].contiguous()
        inside &= (column >= e[0]) & (column <= e[-1])
        found = _core.searchsorted(e.contiguous(), column, right=True) - 1
        place = place * shape[d] + found.clamp(0, shape[d] - 1)
    amount = _core.ones_like(points[:, 0])
    if weight is not None:
        amount = the_tensor("histogram", weight, "weight").detach().reshape(-1)
        if len(amount) != len(points):
            raise RuntimeError(
                f"[histogram] weight has shape {tuple(weight.shape)} for {len(points)} points; "
                "one each"
            )
    total = _core.zeros(shape, dtype=points.dtype).reshape(-1)
    heights = total.index_add(0, place[inside], amount[inside]).reshape(shape)
    if density:
        heights = heights / heights.sum()
        for d, e in enumerate(edges):
            sizes = (e[1:] - e[:-1]).reshape([-1 if k == d else 1 for k, _ in enumerate(shape)])
            heights = heights / sizes
    return named("histogramdd", ("hist", "bin_edges"), (heights, tuple(edges)))  # type: ignore[arg-type]


def _edges(column: Tensor, count: int, bounds: Sequence[float] | None, dim: int) -> Tensor:
    if count < 1:
        raise RuntimeError(f"[histogram] {count} bins; pass 1 or more")
    low, high = 0.0, 1.0
    if bounds is not None:
        low, high = bounds[2 * dim], bounds[2 * dim + 1]
    elif column.numel():
        low, high = column.min().item(), column.max().item()
    if not low <= high or high - low == float("inf"):
        raise RuntimeError(f"[histogram] range [{low}, {high}] is not finite and rising; pass one")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return _core.linspace(low, high, count + 1, dtype=column.dtype)
