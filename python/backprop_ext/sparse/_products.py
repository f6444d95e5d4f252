"""Products of matrices: the rows of the dense one, looked up and added up in bags."""

from __future__ import annotations

from typing import Any

from .. import _core
from .._checks import the_tensor
from .._core import Tensor, _nn
from ._layouts import starts, to_csr, to_sparse
from ._shapes import join
from ._tensor import (
    SparseTensor,
    coalesced,
    coordinates,
    is_sparse,
    operation,
    refuse,
    sparse,
    values,
    with_values,
)


def _shapes(op: str, a: Tensor, b: Tensor, fit: bool) -> None:
    if not fit:
        raise RuntimeError(
            f"[{op}] shapes {tuple(a.shape)} and {tuple(b.shape)} cannot be multiplied; (n, k) and "
            "(k, m) are needed"
        )
    if a.dtype != b.dtype:
        raise RuntimeError(f"[{op}] {a.dtype} and {b.dtype}; convert one of them")


@operation("mv")
def _mv(input: Any, vec: Any) -> Any:
    _shapes("mv", input, vec, (input.ndim, vec.ndim) == (2, 1) and input.shape[1] == vec.shape[0])
    return matmul(input, vec)


@operation("bmm")
def _bmm(input: Any, mat2: Any) -> Any:
    _shapes("bmm", input, mat2, input.ndim == mat2.ndim == 3)
    return matmul(input, mat2)


@operation("__matmul__", "matmul")
def matmul(input: Any, mat2: Any) -> Any:
    """A @ B, of which one is sparse: dense where the other is not."""
    a, b = input, mat2
    if a.ndim == 3 and b.ndim == 3:
        return _batched(a, b)
    fit = a.ndim in (1, 2) and b.ndim in (1, 2) and a.shape[-1] == b.shape[0]
    _shapes("matmul", a, b, fit)
    if a.ndim == 1 and is_sparse(a):
        a = a.to_dense()
    if b.ndim == 1 and is_sparse(b):
        b = b.to_dense()
    if b.ndim == 1:
        return matmul(a, b.unsqueeze(1)).squeeze(1) if is_sparse(a) else a @ b
    if a.ndim == 1:
        return matmul(a.unsqueeze(0), b).squeeze(0) if is_sparse(b) else a @ b
    if not is_sparse(a):
        return _rows_times(b.t(), a.t()).t()
    return _sparse_product(a, b) if is_sparse(b) else _rows_times(a, b)


def _rows_times(a: SparseTensor, b: Tensor) -> Any:
    """Each row of a is a bag of rows of b, weighted by its values."""
    whole = coalesced(a)
    columns = coordinates(whole)[0][1]
    rest = (columns, b, starts(whole), "sum", values(whole))
    return _nn.embedding_bag(*rest)


def _sparse_product(a: SparseTensor, b: SparseTensor) -> Any:
    first, second = coalesced(a), coalesced(b)
    (rows, inner), (other, columns) = coordinates(first)[0], coordinates(second)[0]
    left, right = join(inner, other, b.shape[0])
    product = values(first)[left] * values(second)[right]
    indices = _core.stack([rows[left], columns[right]])
    found = coalesced(sparse(product, indices, (a.shape[0], b.shape[1])))
    return to_csr(found) if coordinates(a)[3] else found


def _batched(a: Tensor, b: Tensor) -> Any:
    """A batch of products, as one with the matrices along a diagonal."""
    fit = a.shape[0] == b.shape[0] and a.shape[2] == b.shape[1]
    _shapes("bmm", a, b, fit)
    if not is_sparse(a) or is_sparse(b):
        refuse("bmm of these layouts", b)
    batch, n, k = a.shape
    which, rows, columns = coordinates(a)[0]
    indices = _core.stack([which * n + rows, which * k + columns])
    whole = sparse(values(a), indices, (batch * n, batch * k), coordinates(a)[2])
    return _rows_times(whole, b.reshape(batch * k, -1)).reshape(batch, n, -1)


@operation("addmm", "sspaddmm")
def _addmm(input: Tensor, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    product = matmul(mat1, mat2)
    if is_sparse(input) and not is_sparse(product):
        product = to_sparse(product)
    return _core.add(input * beta, product * alpha)


@operation("mm", "spmm")
def mm(input: Tensor, mat2: Tensor, reduce: str = "sum") -> Any:
    """input @ mat2 for matrices of which one is sparse; sparse where both are.

    `reduce` for a sparse input: "mean", "amax" (or "max") or "amin" (or "min") of the products,
    instead of their sum.
    Raises RuntimeError for shapes and types that do not fit.
    """
    for t in (input, mat2):
        the_tensor("mm", t)
    if reduce == "sum" and not is_sparse(input) and not is_sparse(mat2):
        return _core.mm(input, mat2)
    fit = input.ndim == mat2.ndim == 2 and input.shape[1] == mat2.shape[0]
    _shapes("mm", input, mat2, fit)
    if reduce == "sum":
        return matmul(input, mat2)
    if not is_sparse(input) or is_sparse(mat2):
        raise RuntimeError(f"[mm] {reduce=} needs a sparse and a dense matrix; leave it out")
    whole = coalesced(input)  # type: ignore[arg-type]
    row, column = coordinates(whole)[0]
    products = values(whole).unsqueeze(1) * mat2[column]
    zeros = _core.zeros(input.shape[0], mat2.shape[1], dtype=products.dtype)
    at = row.unsqueeze(1).expand(products.shape)
    reduce = {"max": "amax", "min": "amin"}.get(reduce, reduce)
    return zeros.scatter_reduce(0, at, products, reduce, include_self=False)


spmm = mm


@operation("sampled_addmm")
def sampled_addmm(
    input: SparseTensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Any:
    """beta input + alpha (mat1 @ mat2), at the indices of a sparse input alone."""
    if not is_sparse(input):
        refuse("sampled_addmm of a dense input", input)
    fit = (mat1.shape[-2], mat2.shape[-1]) == tuple(input.shape)
    _shapes("sampled_addmm", mat1, mat2, fit and mat1.shape[-1] == mat2.shape[-2])
    row, column = coordinates(input)[0]
    products = (mat1[row] * mat2.t()[column]).sum(1)
    return with_values(input, beta * values(input) + alpha * products)


@operation("smm")
def smm(input: SparseTensor, mat: Tensor) -> Any:
    """input @ mat, as a sparse tensor."""
    return to_sparse(matmul(input, mat))


@operation("hspmm")
def hspmm(mat1: SparseTensor, mat2: Tensor) -> Any:
    """mat1 @ mat2, its rows as the values of a sparse tensor."""
    return to_sparse(matmul(mat1, mat2), 1)


@operation("linear")
def _linear(input: Any, weight: Any, bias: Tensor | None = None) -> Any:
    product = matmul(input, weight.t())
    return product if bias is None else product + bias
