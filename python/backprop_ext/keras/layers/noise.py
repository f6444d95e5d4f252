"""Layers that are noise in training, and nothing otherwise."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from ... import _core
from ...nn import functional as F
from .._shapes import Shape, fits
from ..base import Layer
from ._common import channels_first, probability

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = [
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "GaussianSampler",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
]


class Dropout(Layer):
    """y = m x / (1 - p), m = 0 with probability p, else 1; y = x outside of training.

    Source: Srivastava et al., JMLR 15 (2014) 1929.
    """

    def __init__(self, p: float, **options: Any) -> None:
        super().__init__(**options)
        self.p = probability(type(self).__name__, p)

    def compute(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.is_training())


class GaussianNoise(Layer):
    """y = x + n, n ~ N(0, sigma^2)."""

    def __init__(self, sigma: float, **options: Any) -> None:
        super().__init__(**options)
        if sigma < 0:
            raise ValueError(f"[GaussianNoise] sigma={sigma} is below 0; pass a deviation")
        self.sigma = sigma

    def compute(self, x: Tensor) -> Tensor:
        return x + self.sigma * _core.randn_like(x) if self.is_training() else x


class GaussianDropout(Dropout):
    """y = x n, n ~ N(1, p / (1 - p))."""

    def compute(self, x: Tensor) -> Tensor:
        if not self.is_training():
            return x
        return x * (1.0 + sqrt(self.p / (1.0 - self.p)) * _core.randn_like(x))


class GaussianSampler(Layer):
    """y = m + exp(s / 2) n, n ~ N(0, 1), of the inputs [m, s]: a draw from N(m, exp(s)).

    It draws outside of training too. Source: Kingma and Welling, arXiv:1312.6114.
    """

    inputs = 2

    def infer(self, shape: list[Shape]) -> Shape:
        if not fits(*shape):
            raise ValueError(f"[GaussianSampler] takes two inputs of one shape, is given {shape}")
        return shape[0]

    def compute(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        return mean + (0.5 * log_variance).exp() * _core.randn_like(mean)


class SpatialDropout1D(Dropout):
    """Dropout of whole features, over all steps; x (batch, steps, features)."""

    ranks = (3,)

    def __init__(self, p: float = 0.5, **options: Any) -> None:
        super().__init__(p, **options)

    def compute(self, x: Tensor) -> Tensor:
        return x * F.dropout(_core.ones_like(x[:, :1]), self.p, self.is_training())


class SpatialDropout2D(Dropout):
    """Dropout of whole channels; x (batch, channels, rows, columns), channels last with "tf".

    Source: Tompson et al., arXiv:1411.4280.
    """

    ranks = (4,)

    def __init__(self, p: float = 0.5, dim_ordering: str = "th", **options: Any) -> None:
        super().__init__(p, **options)
        self.first = channels_first(type(self).__name__, dim_ordering)

    def compute(self, x: Tensor) -> Tensor:
        inner = tuple(range(2, x.ndim)) if self.first else tuple(range(1, x.ndim - 1))
        ones = _core.ones([1 if d in inner else n for d, n in enumerate(x.shape)], dtype=x.dtype)
        return x * F.dropout(ones, self.p, self.is_training())


class SpatialDropout3D(SpatialDropout2D):
    """Dropout of whole channels; x (batch, channels, d1, d2, d3), channels last with "tf"."""

    ranks = (5,)
