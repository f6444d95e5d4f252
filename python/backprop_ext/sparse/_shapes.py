"""Sparse tensors rearranged, joined and indexed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from ._layouts import turned
from ._tensor import (
    SparseTensor,
    axis,
    coalesced,
    coordinates,
    is_sparse,
    operation,
    refuse,
    sparse,
    values,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


@operation("permute")
def _permute(input: SparseTensor, *dims: Any) -> Any:
    wanted = dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims
    order = [axis("permute", input, d) for d in wanted]
    indices, size, *_ = coordinates(input)
    count = len(indices)
    if sorted(order) != [*range(input.ndim)] or max(order[:count], default=0) >= count:
        raise RuntimeError(
            f"[permute] dims={tuple(order)} of {count} sparse of {input.ndim} dimensions; each "
            "once, the sparse ones in front"
        )
    moved = values(input).permute(0, *[d - count + 1 for d in order[count:]])
    same = order == [*range(input.ndim)]
    first = indices[_core.tensor(order[:count], dtype=_core.int64)]
    return sparse(moved, first, [size[d] for d in order], same and coordinates(input)[2])


def swapped(input: SparseTensor) -> Any:
    """The first two dimensions swapped, as a matrix that is not compressed."""
    return _permute(input, [1, 0, *range(2, input.ndim)])


@operation("transpose", "swapaxes", "swapdims")
def _transpose(input: SparseTensor, dim0: int, dim1: int) -> Any:
    order = [*range(input.ndim)]
    a, b = axis("transpose", input, dim0), axis("transpose", input, dim1)
    if coordinates(input)[3] and {a, b} == {0, 1}:
        return turned(input)
    order[a], order[b] = b, a
    return _permute(input, order)


@operation("movedim", "moveaxis")
def _movedim(input: SparseTensor, source: int, destination: int) -> Any:
    order = [*range(input.ndim)]
    moved = order.pop(axis("movedim", input, source))
    order.insert(axis("movedim", input, destination), moved)
    return _permute(input, order)


@operation("t")
def _t(input: SparseTensor) -> Any:
    if input.ndim > 2:
        raise RuntimeError(f"[t] expected a matrix, got {input.ndim} dimensions; use transpose")
    return _transpose(input, 0, 1) if input.ndim == 2 else input


@operation("unsqueeze")
def _unsqueeze(input: SparseTensor, dim: int) -> Any:
    indices, size, whole, _ = coordinates(input)
    at = dim + input.ndim + 1 if dim < 0 else dim
    shape = [*size[:at], 1, *size[at:]]
    if at > len(indices):
        return sparse(values(input).unsqueeze(at - len(indices) + 1), indices, shape, whole)
    zeros = indices.new_zeros(1, indices.shape[1])
    return sparse(values(input), _core.cat([indices[:at], zeros, indices[at:]]), shape, whole)


def _all_sparse(op: str, tensors: Sequence[Tensor]) -> None:
    if isinstance(tensors, Tensor):
        raise TypeError(f"[{op}] a tensor; pass a list or tuple of tensors")
    if not all(is_sparse(t) for t in tensors):
        raise RuntimeError(f"[{op}] sparse and dense tensors; convert them to one layout")


@operation("cat", "concat", "concatenate")
def _cat(tensors: Sequence[Tensor], dim: int = 0) -> Any:
    _all_sparse("cat", tensors)
    first = tensors[0]
    at = axis("cat", first, dim)
    count = len(coordinates(first)[0])
    if at >= count:
        refuse("cat along a dense dimension", first)
    parts, shift = [], 0
    for t in tensors:
        indices, size, *_ = coordinates(t)
        if [*size[:at], *size[at + 1 :]] != [*first.shape[:at], *first.shape[at + 1 :]]:
            raise RuntimeError(
                f"[cat] shapes {tuple(first.shape)} and {tuple(size)} along dimension {at}; the "
                "others must be equal"
            )
        moved = indices.clone()
        moved[at] += shift
        shift += size[at]
        parts.append(moved)
    shape = [*first.shape[:at], shift, *first.shape[at + 1 :]]
    return sparse(_core.cat([values(t) for t in tensors]), _core.cat(parts, 1), shape)


@operation("vstack", "row_stack")
def _vstack(tensors: Sequence[Tensor]) -> Any:
    return _cat(tensors, 0)


@operation("hstack", "column_stack")
def _hstack(tensors: Sequence[Tensor]) -> Any:
    return _cat(tensors, 1)


@operation("stack")
def _stack(tensors: Sequence[Tensor], dim: int = 0) -> Any:
    _all_sparse("stack", tensors)
    return _cat([_unsqueeze(t, dim) for t in tensors], dim)


@operation("select")
def _select(input: SparseTensor, dim: int, index: int) -> Any:
    indices, size, whole, _ = coordinates(input)
    at, count = axis("select", input, dim), len(indices)
    if not -size[at] <= index < size[at]:
        raise IndexError(f"[select] index {index} of dimension {at} of size {size[at]}")
    index %= size[at]
    shape = [*size[:at], *size[at + 1 :]]
    if at >= count:
        return sparse(values(input).select(at - count + 1, index), indices, shape, whole)
    here = (indices[at] == index).nonzero().flatten()
    found = values(input)[here]
    if count == 1:
        return found.sum(0)
    return sparse(found, without(indices, [at])[:, here], shape, whole)


@operation("unbind")
def _unbind(input: SparseTensor, dim: int = 0) -> Any:
    return tuple(_select(input, dim, i) for i in range(input.shape[axis("unbind", input, dim)]))


@operation("index_select")
def _index_select(input: SparseTensor, dim: int, index: Tensor) -> Any:
    whole = coalesced(input)
    indices, size, *_ = coordinates(whole)
    at, count = axis("index_select", input, dim), len(indices)
    if len(index) and not 0 <= int(index.min()) <= int(index.max()) < size[at]:
        raise IndexError(
            f"[index_select] an index from {int(index.min())} to {int(index.max())} of dimension "
            f"{at} of size {size[at]}"
        )
    shape = [*size[:at], len(index), *size[at + 1 :]]
    if at >= count:
        picked = values(whole).index_select(at - count + 1, index)
        return sparse(picked, indices, shape, True)
    order = indices[at].argsort(stable=True)
    which, entry = join(index, indices[at][order], size[at])
    entry = order[entry]
    moved = indices[:, entry]
    moved[at] = which
    return sparse(values(whole)[entry], moved, shape)


@operation("__getitem__")
def _getitem(input: SparseTensor, key: Any) -> Any:
    result: Tensor = input
    dim = 0
    for one in key if isinstance(key, tuple) else (key,):
        if isinstance(one, slice) and one == slice(None):
            dim += 1
        elif isinstance(one, int):
            result = result.select(dim, one)
        elif isinstance(one, slice):
            within = range(result.shape[dim])[one]
            result = result.index_select(dim, _core.tensor([*within], dtype=_core.int64))
            dim += 1
        elif isinstance(one, Tensor) and one.ndim == 1 and one.dtype is _core.int64:
            result = result.index_select(dim, one)
            dim += 1
        else:
            refuse("__getitem__", input)
    return result


def join(wanted: Tensor, ordered: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """For each of `wanted` all of its places in `ordered`: numbers in the first, in the second."""
    begin = _core.searchsorted(ordered.contiguous(), _core.arange(size + 1))
    counts = (begin[1:] - begin[:-1])[wanted]
    which = _core.repeat_interleave(_core.arange(len(wanted)), counts)
    inside = _core.arange(len(which)) - (counts.cumsum(0) - counts)[which]
    return which, begin[wanted][which] + inside
