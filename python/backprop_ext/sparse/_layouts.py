"""Parts, and the way to other layouts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._checks import the_tensor
from .._core import Tensor
from .._layout import sparse_coo, sparse_csr, strided
from ._tensor import (
    SparseTensor,
    coalesced,
    coordinates,
    is_sparse,
    operation,
    sparse,
    values,
    with_values,
)

if TYPE_CHECKING:
    pass


@operation("coalesce")
def _coalesce(input: SparseTensor) -> Tensor:
    return coalesced(input)


def _checked(op: str, t: SparseTensor) -> SparseTensor:
    if not coordinates(t)[2]:
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


@operation("crow_indices")
def _crow_indices(input: SparseTensor) -> Tensor:
    if not coordinates(input)[3]:
        raise RuntimeError("[crow_indices] the layout is sparse_coo; call .to_sparse_csr() first")
    return _core.cat([starts(input), _core.tensor([input._nnz()])])


@operation("col_indices")
def _col_indices(input: SparseTensor) -> Tensor:
    if not coordinates(input)[3]:
        raise RuntimeError("[col_indices] the layout is sparse_coo; call .to_sparse_csr() first")
    return coordinates(input)[0][1]


def starts(t: SparseTensor) -> Tensor:
    """Where the values of each row of a coalesced matrix begin."""
    indices, size, *_ = coordinates(t)
    return _core.searchsorted(indices[0].contiguous(), _core.arange(size[0]))


@operation("to_dense")
def _to_dense(input: SparseTensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    dense: Tensor = _core._to_dense(input)
    return dense if dtype is None else dense.to(dtype)


def to_csr(t: SparseTensor) -> SparseTensor:
    """A matrix told by rows. RuntimeError for other shapes."""
    if t.ndim != 2 or len(coordinates(t)[0]) != 2:
        raise RuntimeError(
            f"[to_sparse_csr] a matrix is needed, the tensor has shape {tuple(t.shape)}"
        )
    whole = coalesced(t)
    return sparse(values(whole), *coordinates(whole)[:3], True)


@operation("to_sparse_csr")
def to_sparse_csr(input: Tensor, dense_dim: int | None = None) -> Tensor:
    """A matrix as one told by rows."""
    return to_csr(input if isinstance(input, SparseTensor) else to_sparse(input))


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
    if layout is strided or layout not in (None, sparse_coo, sparse_csr):
        raise RuntimeError(f"[to_sparse] layout={layout}; pass torch.sparse_coo or sparse_csr")
    if layout is sparse_csr:
        return to_csr(to_sparse(input))
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
