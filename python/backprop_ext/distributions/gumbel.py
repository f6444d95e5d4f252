"""The Gumbel distribution."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from .. import _core
from .._core import Tensor
from .._switches import finfo
from . import constraints
from ._elementwise import AffineTransform, ExpTransform
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import euler_constant

__all__ = ["Gumbel"]


class Gumbel(TransformedDistribution):
    """p(x) = exp(-(y + exp(-y))) / scale, y = (x - loc) / scale: loc - scale log(-log u)"""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    loc: Tensor
    scale: Tensor
    _expands_first = "loc"

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._broadcast(loc=loc, scale=scale)
        limits = finfo(self.loc.dtype)
        low, high = (_core.full_like(self.loc, end) for end in (limits.tiny, 1 - limits.eps))
        steps = [
            ExpTransform().inv,
            AffineTransform(0, -_core.ones_like(self.scale)),
            ExpTransform().inv,
            AffineTransform(loc, -self.scale),
        ]
        super().__init__(Uniform(low, high, validate_args), steps, validate_args)

    mean = property(lambda self: self.loc + self.scale * euler_constant)
    mode = property(lambda self: self.loc)
    stddev = property(lambda self: pi / sqrt(6) * self.scale)
    variance = property(lambda self: self.stddev.pow(2))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()

    def entropy(self) -> Tensor:
        return self.scale.log() + (1 + euler_constant)
