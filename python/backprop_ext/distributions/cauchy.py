"""The Cauchy distribution."""

from __future__ import annotations

from math import inf, log, nan, pi
from typing import TYPE_CHECKING

from .. import _core
from .._core import Tensor
from ._location_scale import LocationScale
from .utils import constant

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Cauchy"]


class Cauchy(LocationScale):
    """p(x) = 1 / (pi scale (1 + ((x - loc) / scale)^2)); it has no mean."""

    mean = property(lambda self: constant(nan, self._extended_shape(), self.loc))
    variance = property(lambda self: constant(inf, self._extended_shape(), self.loc))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        drawn = _core.empty(shape, dtype=self.loc.dtype).cauchy_()
        return self.loc + drawn * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        square: Tensor = ((value - self.loc) / self.scale) ** 2
        return -log(pi) - self.scale.log() - square.log1p()

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return ((value - self.loc) / self.scale).atan() / pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        return (pi * (value - 0.5)).tan() * self.scale + self.loc

    def entropy(self) -> Tensor:
        return log(4 * pi) + self.scale.log()
