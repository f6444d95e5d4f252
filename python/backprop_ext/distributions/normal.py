"""The normal distribution."""

from __future__ import annotations

from math import log, pi, sqrt
from typing import TYPE_CHECKING

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import no_grad
from ._location_scale import LocationScale
from .exp_family import ExponentialFamily
from .utils import _standard_normal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Normal"]


class Normal(LocationScale, ExponentialFamily):
    """p(x) = exp(-((x - loc) / scale)^2 / 2) / (scale sqrt(2 pi))"""

    mean = property(lambda self: self.loc)
    stddev = property(lambda self: self.scale)
    variance = property(lambda self: self.scale.pow(2))

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return _core.normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        drawn = _standard_normal(
            self._extended_shape(sample_shape), self.loc.dtype, self.loc.device
        )
        return self.loc + drawn * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        square: Tensor = (value - self.loc) ** 2 / (2 * self.scale**2)
        return -square - self.scale.log() - log(sqrt(2 * pi))

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return 0.5 * (1 + ((value - self.loc) / self.scale / sqrt(2)).erf())

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * (2 * value - 1).erfinv() * sqrt(2)

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * log(2 * pi) + self.scale.log()
