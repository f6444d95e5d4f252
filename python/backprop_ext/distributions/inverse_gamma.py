"""The inverse gamma distribution."""

from __future__ import annotations

from math import inf
from typing import Any

from .. import _core
from .._core import Tensor
from . import constraints
from ._elementwise import PowerTransform
from .gamma import Gamma
from .transformed_distribution import TransformedDistribution

__all__ = ["InverseGamma"]


class InverseGamma(TransformedDistribution):
    """1 / x for x ~ Gamma(concentration, rate)"""

    arg_constraints = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.positive

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args)
        super().__init__(base, PowerTransform(-base.rate.new_ones(())), validate_args)

    concentration = property(lambda self: self.base_dist.concentration)
    rate = property(lambda self: self.base_dist.rate)
    mode = property(lambda self: self.rate / (self.concentration + 1))

    @property
    def mean(self) -> Tensor:
        a = self.concentration
        return _core.where(a > 1, self.rate / (a - 1), inf)

    @property
    def variance(self) -> Tensor:
        a = self.concentration
        return _core.where(a > 2, self.rate.square() / ((a - 1).square() * (a - 2)), inf)

    def entropy(self) -> Tensor:
        a = self.concentration
        found: Tensor = a + self.rate.log() + a.lgamma() - (1 + a) * a.digamma()
        return found
