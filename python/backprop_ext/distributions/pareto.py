"""The Pareto distribution."""

from __future__ import annotations

from typing import Any

from .._core import Tensor
from . import constraints
from ._elementwise import AffineTransform, ExpTransform
from .constraints import dependent_property
from .exponential import Exponential
from .transformed_distribution import TransformedDistribution

__all__ = ["Pareto"]


class Pareto(TransformedDistribution):
    """P(x > t) = (scale / t)^alpha for t >= scale"""

    arg_constraints = {
        "alpha": constraints.positive,
        "scale": constraints.positive,
    }
    scale: Tensor
    alpha: Tensor
    _expands_first = "scale"

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self._broadcast(scale=scale, alpha=alpha)
        steps = [ExpTransform(), AffineTransform(0, self.scale)]
        super().__init__(Exponential(self.alpha, validate_args), steps, validate_args)

    @dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return constraints.greater_than_eq(self.scale)

    mode = property(lambda self: self.scale)

    @property
    def mean(self) -> Tensor:
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)

    @property
    def variance(self) -> Tensor:
        a = self.alpha.clamp(min=2)
        return self.scale.pow(2) * a / ((a - 1).pow(2) * (a - 2))

    def entropy(self) -> Tensor:
        return (self.scale / self.alpha).log() + (1 + self.alpha.reciprocal())
