"""The generalized Pareto distribution."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from . import constraints
from .constraints import dependent_property
from .distribution import Distribution

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """P(x > t) = (1 + concentration z)^(-1 / concentration), z = (t - loc) / scale

    exp(-z) for a concentration of 0; bounded above for a negative one.
    """

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True
    loc: Tensor
    scale: Tensor
    concentration: Tensor

    def __init__(
        self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None
    ) -> None:
        shape = self._broadcast(loc=loc, scale=scale, concentration=concentration)
        super().__init__(shape, validate_args=validate_args)

    @dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        upper = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, _core.where(self.concentration < 0, upper, inf))

    mode = property(lambda self: self.loc)

    @property
    def mean(self) -> Tensor:
        found = self.loc + self.scale / (1 - self.concentration)
        return found.masked_fill(self.concentration >= 1, nan)

    @property
    def variance(self) -> Tensor:
        c = self.concentration
        found: Tensor = self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c))
        return found.masked_fill(c >= 0.5, nan)

    def _exponential(self) -> tuple[Tensor, Tensor]:
        """(where the concentration is 0, the concentration with 1 there)."""
        zero = _core.isclose(self.concentration, _core.zeros_like(self.concentration))
        return zero, self.concentration.masked_fill(zero, 1)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.icdf(_core.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        zero, c = self._exponential()
        z, power = (value - self.loc) / self.scale, 1 / c + 1
        falls = _core.where(power == 0, power, power * (c * z).log1p())
        return -self.scale.log() - _core.where(zero, z, falls)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """log P(x > value)"""
        if self._validate_args:
            self._validate_sample(value)
        zero, c = self._exponential()
        z = (value - self.loc) / self.scale
        return _core.where(zero, -z, -(c * z).log1p() / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        """log P(x <= value)"""
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        return self.log_cdf(value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        zero, c = self._exponential()
        log_u = (-value).log1p()
        z = _core.where(zero, -log_u, (-c * log_u).expm1() / c)
        return self.loc + self.scale * z

    def entropy(self) -> Tensor:
        return self.scale.log() + self.concentration + 1
