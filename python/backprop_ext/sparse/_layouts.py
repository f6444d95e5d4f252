"""Parts, and the way to other layouts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._checks import the_tensor
from .._core import Tensor
from .._layout import sparse_coo, sparse_csc, sparse_csr, strided
from ._tensor import (
    SparseTensor,
    coalesced,
    coordinates,
    is_sparse,
    operation,
    places,
    sparse,
    values,
    with_values,
)

if TYPE_CHECKING:
    pass


@operation("coalesce")
def _coalesce(input: SparseTensor) -> Tensor:
    return coalesced(input)


@operation("_coalesced_")
def _said_coalesced(self: SparseTensor, coalesced: bool) -> Tensor:
    """Says that it is coalesced, which is believed where the indices are in order."""
    indices, size, _, _ = coordinates(self)
    numbers = places(indices, size)
    in_order = bool(coalesced) and not bool((numbers[1:] <= numbers[:-1]).any())
    _core._set_sparse(self, _core._values(self), indices, in_order)
    return self


def _checked(op: str, t: SparseTensor) -> SparseTensor:
    if not any(coordinates(t)[2:]):
        raise RuntimeError(f"[{op}] the tensor is not coalesced; call .coalesce() first")
    return t


for _name, _function in {
    "_indices": lambda input: coordinates(input)[0],
    "_values": lambda input: values(input.detach()),
    "_nnz": lambda input: len(_core._values(input)),
    "is_coalesced": lambda input: coordinates(input)[2],
    "indices": lambda input: coordinates(_checked("indices", input))[0],
    "values": lambda input: values(_checked("values", input)),
    "sparse_dim": lambda input: len(coordinates(input)[0]),
    "dense_dim": lambda input: input.ndim - len(coordinates(input)[0]),
}.items():
    operation(_name)(_function)


def _compressed(op: str, t: SparseTensor, by: Any) -> Tensor:
    if t.layout is not by:
        way = str(by).removeprefix("torch.")
        raise RuntimeError(f"[{op}] the layout is {t.layout}; call .to_{way}() first")
    return coordinates(t)[0]


@operation("crow_indices")
def _crow_indices(input: SparseTensor) -> Tensor:
    _compressed("crow_indices", input, sparse_csr)
    return _core.cat([starts(input), _core.tensor([input._nnz()])])


@operation("col_indices")
def _col_indices(input: SparseTensor) -> Tensor:
    return _compressed("col_indices", input, sparse_csr)[1]


@operation("ccol_indices")
def _ccol_indices(input: SparseTensor) -> Tensor:
    _compressed("ccol_indices", input, sparse_csc)
    found: Tensor = _crow_indices(turned(input))
    return found


@operation("row_indices")
def _row_indices(input: SparseTensor) -> Tensor:
    return _compressed("row_indices", input, sparse_csc)[0]


def turned(t: SparseTensor) -> SparseTensor:
    """A compressed matrix transposed: what was told by rows is told by columns."""
    indices, size, in_order, _ = coordinates(t)
    shape = [size[1], size[0], *size[2:]]
    return sparse(values(t), indices.flip(0), shape, not in_order, True)


def starts(t: SparseTensor) -> Tensor:
    """Where the values of each row of a coalesced matrix begin."""
    indices, size, *_ = coordinates(t)
    return _core.searchsorted(indices[0].contiguous(), _core.arange(size[0]))


@operation("to_dense")
def _to_dense(input: SparseTensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    dense: Tensor = _core._to_dense(input)
    return dense if dtype is None else dense.to(dtype)


def to_csr(t: SparseTensor) -> SparseTensor:
    """A matrix told by rows, of numbers or of tensors. RuntimeError for other shapes."""
    if len(coordinates(t)[0]) != 2:
        raise RuntimeError(
            f"[to_sparse_csr] a matrix is needed, the tensor has shape {tuple(t.shape)}"
        )
    whole = coalesced(t)
    return sparse(values(whole), *coordinates(whole)[:3], True)


def to_csc(t: SparseTensor) -> SparseTensor:
    """A matrix told by columns."""
    from ._shapes import swapped

    return t if t.layout is sparse_csc else turned(to_csr(swapped(t)))


@operation("to_sparse_csr")
def to_sparse_csr(input: Tensor, dense_dim: int | None = None) -> Tensor:
    """A matrix as one told by rows."""
    return to_csr(_as_sparse(input, dense_dim))


@operation("to_sparse_csc")
def to_sparse_csc(input: Tensor, dense_dim: int | None = None) -> Tensor:
    """A matrix as one told by columns."""
    return to_csc(_as_sparse(input, dense_dim))


def _as_sparse(input: Tensor, dense_dim: int | None) -> SparseTensor:
    if isinstance(input, SparseTensor):
        return input
    made: SparseTensor = to_sparse(input, input.ndim - (dense_dim or 0))
    return made


@operation("to_sparse", "to_sparse_coo")
def to_sparse(
    input: Tensor,
    sparse_dim: int | None = None,
    *,
    layout: Any = None,
    blocksize: Any = None,
    dense_dim: int | None = None,
) -> Tensor:
    """The elements that are not zero, as a sparse tensor: of rows, where sparse_dim is smaller."""
    the_tensor("to_sparse", input)
    if layout is strided or layout not in (None, sparse_coo, sparse_csr, sparse_csc):
        raise RuntimeError(f"[to_sparse] layout={layout}; pass torch.sparse_coo, _csr or _csc")
    if layout in (sparse_csr, sparse_csc):
        return (to_csr if layout is sparse_csr else to_csc)(_as_sparse(input, dense_dim))
    if is_sparse(input):
        return sparse(values(input), *coordinates(input)[:3])
    dims = input.ndim if sparse_dim is None else sparse_dim
    if not (0 < dims <= input.ndim or dims == input.ndim == 0):
        raise RuntimeError(
            f"[to_sparse] sparse_dim={dims} for a tensor of {input.ndim} dimensions; pass 1 to that"
        )
    there = input.detach() != 0
    indices = (there if dims == input.ndim else there.flatten(dims).any(-1)).nonzero().t()
    picked = input[tuple(indices)] if dims else input.reshape(1)[: indices.shape[1]]
    return sparse(picked, indices.contiguous(), input.shape, True)


to_sparse_coo = to_sparse


@operation("sparse_mask")
def sparse_mask(self: Tensor, mask: SparseTensor) -> Tensor:
    """The elements of self at the indices of a sparse mask of its shape."""
    if not is_sparse(mask) or tuple(self.shape) != tuple(mask.shape):
        raise RuntimeError(
            f"[sparse_mask] a tensor of shape {tuple(self.shape)} with a mask of shape "
            f"{tuple(mask.shape)}; pass a sparse mask of the same shape"
        )
    dense = _core._to_dense(self)
    return with_values(mask, dense[tuple(coordinates(mask)[0])])
