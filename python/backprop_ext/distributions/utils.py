"""What distributions share: parameters of one shape, probabilities and logits, values kept.

Source: https://docs.pytorch.org/docs/stable/distributions.html
"""

from __future__ import annotations

from functools import update_wrapper
from math import sqrt
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from .. import _core
from .._core import Tensor
from .._switches import finfo
from ..autograd.grad_mode import enable_grad
from ..nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

R = TypeVar("R")

euler_constant = 0.57721566490153286060  # of Euler and Mascheroni


class lazy_property(Generic[R]):  # noqa: N801 (PyTorch's name)
    """A property that is computed when it is first asked for, with a graph, and kept."""

    def __init__(self, compute: Callable[[Any], R]) -> None:
        self._compute = compute
        update_wrapper(self, compute)  # type: ignore[arg-type]

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> lazy_property[R]: ...
    @overload
    def __get__(self, instance: Any, owner: type | None = None) -> R: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        with enable_grad():
            value = self._compute(instance)
        setattr(instance, self._compute.__name__, value)
        return value


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """The values as tensors of one shape; a number takes the dtype of the first tensor.

    Raises ValueError for what is neither a number nor a tensor.
    """
    for value in values:
        if not isinstance(value, (Tensor, float, int)):
            raise ValueError(
                f"[broadcast_all] a parameter is a {type(value).__name__}; pass numbers or tensors"
            )
    kinds = (value.dtype for value in values if isinstance(value, Tensor))
    dtype = next(kinds, _core.get_default_dtype())
    made = [v if isinstance(v, Tensor) else _core.tensor(v, dtype=dtype) for v in values]
    return tuple(_core.broadcast_tensors(*made))


# Libraries take the two from here, under these names.
def _standard_normal(shape: Any, dtype: Any, device: Any) -> Tensor:
    """Draws from N(0, 1) of the given shape."""
    return _core.empty(shape, dtype=dtype, device=device).normal_()


def _sum_rightmost(value: Tensor, dim: int) -> Tensor:
    """The sum over the last `dim` dimensions."""
    return value.reshape((*value.shape[: value.ndim - dim], -1)).sum(-1) if dim else value


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """sigmoid(logits), or softmax over the last dimension."""
    return _core.sigmoid(logits) if is_binary else F.softmax(logits, dim=-1)


def clamp_probs(probs: Tensor) -> Tensor:
    """probs in [eps, 1 - eps] of their dtype."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """log(p / (1 - p)), or log p, of clamped probabilities."""
    p = clamp_probs(probs)
    return p.log() - (-p).log1p() if is_binary else p.log()


def constant(value: float, shape: Any, like: Tensor) -> Tensor:
    """A tensor of one value, in the dtype of `like`."""
    return _core.full(shape, value, dtype=like.dtype)


def _triangle(n: int, diag: int) -> Tensor:
    return _core.ones((n, n), dtype=_core.bool).tril(diag)


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The elements on and below diagonal `diag`, row by row: (..., n, n) -> (..., k).

    Raises ValueError for a diagonal that the matrix has not.
    """
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(
            f"[tril_matrix_to_vec] diag is {diag}, the matrix has {n} rows; "
            f"expected one of {-n} to {n - 1}"
        )
    return mat[..., _triangle(n, diag)]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """The inverse of tril_matrix_to_vec: (..., k) -> (..., n, n), zeros above.

    Raises ValueError where no triangle has k elements.
    """
    k = vec.shape[-1]
    side = (-(1 + 2 * diag) + sqrt((1 + 2 * diag) ** 2 + 8 * k + 4 * abs(diag) * (diag + 1))) / 2
    n = round(side)
    if abs(n - side) > 1e-9:
        raise ValueError(
            f"[vec_to_tril_matrix] the last dimension is {k}, and no triangle of diag {diag} has "
            "so many elements; pass n (n + 1) / 2 for diag 0, n (n - 1) / 2 for diag -1"
        )
    mat = vec.new_zeros((*vec.shape[:-1], n, n))
    mat[..., _triangle(n, diag)] = vec
    return mat
