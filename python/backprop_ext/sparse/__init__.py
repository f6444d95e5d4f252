"""Sparse tensors: values at given indices, all else zero (`torch.sparse`).

A matrix of 10^5 x 10^5 with a million values takes 24 MB, and its product with a dense one of m
columns a million times m products. Both operands of a product have gradients; that of a sparse one
is sparse, at the same indices. What has no sparse form raises NotImplementedError.
Source: https://docs.pytorch.org/docs/stable/sparse.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from .._names import missing_from
from . import _arithmetic
from ._create import (
    check_sparse_tensor_invariants,
    spdiags,
    tensor_class,
)
from ._products import mm, sampled_addmm
from ._tensor import is_sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "addmm",
    "check_sparse_tensor_invariants",
    "log_softmax",
    "mm",
    "sampled_addmm",
    "softmax",
    "spdiags",
    "sum",
]

DoubleTensor = tensor_class("DoubleTensor", _core.float64)
FloatTensor = tensor_class("FloatTensor", _core.float32)
IntTensor = tensor_class("IntTensor", _core.int32)
LongTensor = tensor_class("LongTensor", _core.int64)


def addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta mat + alpha (mat1 @ mat2)."""
    return _core.addmm(mat, mat1, mat2, beta=beta, alpha=alpha)


def sum(input: Tensor, dim: int | Sequence[int] | None = None, dtype: Any = None) -> Tensor:
    """The sum over all dimensions, or over some: sparse while a sparse dimension is left."""
    total: Tensor = _arithmetic.sum_over(_the_sparse("sparse.sum", input), dim, False, dtype)
    return total


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """exp(x_i) / sum_j exp(x_j) over the values that are there: an absent one counts as -inf."""
    t = _the_sparse("sparse.softmax", input)
    return _arithmetic.softmax(t if dtype is None else t.to(dtype), dim, False)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """x_i - log sum_j exp(x_j) over the values that are there."""
    t = _the_sparse("sparse.log_softmax", input)
    return _arithmetic.softmax(t if dtype is None else t.to(dtype), dim, True)


def _the_sparse(op: str, t: Any) -> Any:
    if not is_sparse(t):
        raise NotImplementedError(
            f"[{op}] a sparse tensor is needed, not a dense one; use .to_sparse()"
        )
    return t


__getattr__ = missing_from("torch.sparse", globals())
