"""Transforms of vectors and matrices."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

from .. import _core, linalg
from .._core import Tensor
from .._size import Size
from .._switches import finfo
from ..nn import functional as F
from . import constraints
from ._elementwise import clipped_sigmoid
from ._transform import Transform
from .constraints import dependent_property
from .utils import tril_matrix_to_vec, vec_to_tril_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CorrCholeskyTransform",
    "LowerCholeskyTransform",
    "PositiveDefiniteTransform",
    "ReshapeTransform",
    "SoftmaxTransform",
    "StickBreakingTransform",
]


class _OfVectors(Transform):
    domain = constraints.real_vector

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def forward_shape(self, shape: Any) -> Any:
        return self._longer(shape, 0)

    def inverse_shape(self, shape: Any) -> Any:
        return self._longer(shape, 0)

    def _longer(self, shape: Any, more: int) -> Any:
        if not shape:
            raise ValueError(f"[{type(self).__name__}] the input is 0-d; pass a vector")
        return Size((*shape[:-1], shape[-1] + more))


class SoftmaxTransform(_OfVectors):
    """y = softmax(x), with x = log y for its inverse; not bijective."""

    codomain = constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        return F.softmax(x, dim=-1)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()


class StickBreakingTransform(_OfVectors):
    """y_k = z_k prod_{j<k} (1 - z_j), z_k = sigmoid(x_k - log(n - k)): n - 1 numbers to n."""

    codomain = constraints.simplex
    bijective = True

    @staticmethod
    def _offset(x: Tensor) -> Tensor:
        return _core.arange(x.shape[-1], 0, -1, dtype=x.dtype).log()

    def _call(self, x: Tensor) -> Tensor:
        z = clipped_sigmoid(x - self._offset(x))
        return F.pad(z, [0, 1], value=1) * F.pad((1 - z).cumprod(-1), [1, 0], value=1)

    def _inverse(self, y: Tensor) -> Tensor:
        taken = y[..., :-1]
        left = (1 - taken.cumsum(-1)).clamp(min=finfo(y.dtype).tiny)
        return taken.log() - left.log() + self._offset(taken)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        x = x - self._offset(x)
        return (-x + F.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        return self._longer(shape, 1)

    def inverse_shape(self, shape: Any) -> Any:
        return self._longer(shape, -1)


class CorrCholeskyTransform(_OfVectors):
    """n (n - 1) / 2 numbers to the Cholesky factor of an n x n matrix of correlations.

    Row by row, tanh(x) are the partial correlations: y_ij = t_ij prod_{k<j} sqrt(1 - t_ik^2).
    Source: Lewandowski, Kurowicka and Joe, J. Multivariate Anal. 100 (2009).
    """

    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x: Tensor) -> Tensor:
        eps = finfo(x.dtype).eps
        t = vec_to_tril_matrix(x.tanh().clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - t**2).sqrt().cumprod(-1)
        unit = t + _core.eye(t.shape[-1], dtype=t.dtype)
        return unit * F.pad(left[..., :-1], [1, 0], value=1)

    def _inverse(self, y: Tensor) -> Tensor:
        left = F.pad((1 - (y * y).cumsum(-1))[..., :-1], [1, 0], value=1)
        t = tril_matrix_to_vec(y, -1) / tril_matrix_to_vec(left, -1).sqrt()
        return (t.log1p() - (-t).log1p()) / 2

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        left = tril_matrix_to_vec(1 - (y * y).cumsum(-1), diag=-2)
        of_tanh = -2 * (x + F.softplus(-2 * x) - log(2.0)).sum(-1)
        return 0.5 * left.log().sum(-1) + of_tanh

    def forward_shape(self, shape: Any) -> Any:
        k = self._longer(shape, 0)[-1]
        n = round((0.25 + 2 * k) ** 0.5 + 0.5)
        if n * (n - 1) // 2 != k:
            raise ValueError(
                f"[CorrCholeskyTransform] the vector has {k} elements; expected n (n - 1) / 2"
            )
        return Size((*shape[:-1], n, n))

    def inverse_shape(self, shape: Any) -> Any:
        if len(shape) < 2 or shape[-2] != shape[-1]:
            raise ValueError(
                f"[CorrCholeskyTransform] the input has shape {tuple(shape)}; pass square matrices"
            )
        return Size((*shape[:-2], shape[-1] * (shape[-1] - 1) // 2))


class LowerCholeskyTransform(_OfVectors):
    """y = x below the diagonal, exp(x) on it, 0 above."""

    domain = constraints.independent(constraints.real, 2)
    codomain: Any = constraints.lower_cholesky
    forward_shape = inverse_shape = Transform.forward_shape

    def _call(self, x: Tensor) -> Tensor:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(LowerCholeskyTransform):
    """y = L L^T, L by LowerCholeskyTransform."""

    codomain = constraints.positive_definite

    def _call(self, x: Tensor) -> Tensor:
        lower = super()._call(x)
        return lower @ lower.mT

    def _inverse(self, y: Tensor) -> Tensor:
        return super()._inverse(linalg.cholesky(y))


class ReshapeTransform(Transform):
    """y = x with the dimensions of an event, in_shape, made out_shape.

    Raises ValueError for shapes of different size.
    """

    bijective = True

    def __init__(
        self, in_shape: Sequence[int], out_shape: Sequence[int], cache_size: int = 0
    ) -> None:
        super().__init__(cache_size)
        self.in_shape, self.out_shape = Size(in_shape), Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError(
                f"[ReshapeTransform] in_shape {tuple(in_shape)} and out_shape {tuple(out_shape)} "
                "have different numbers of elements; pass shapes of one size"
            )

    @dependent_property
    def domain(self) -> Any:
        return constraints.independent(constraints.real, len(self.in_shape))

    @dependent_property
    def codomain(self) -> Any:
        return constraints.independent(constraints.real, len(self.out_shape))

    def _call(self, x: Tensor) -> Tensor:
        return x.reshape(self.forward_shape(x.shape))

    def _inverse(self, y: Tensor) -> Tensor:
        return y.reshape(self.inverse_shape(y.shape))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x.new_zeros(x.shape[: x.ndim - len(self.in_shape)])

    def forward_shape(self, shape: Any) -> Any:
        return self._exchanged(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self._exchanged(shape, self.out_shape, self.in_shape)

    @staticmethod
    def _exchanged(shape: Any, old: Size, new: Size) -> Size:
        cut = len(shape) - len(old)
        if cut < 0 or tuple(shape[cut:]) != old:
            raise ValueError(
                f"[ReshapeTransform] the input has shape {tuple(shape)}; let it end in {tuple(old)}"
            )
        return Size((*shape[:cut], *new))
