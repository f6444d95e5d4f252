"""Student's t distribution."""
# ruff: noqa: N999 (PyTorch's name of the module)

from __future__ import annotations

from math import inf, lgamma, log, nan, pi
from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from . import constraints
from .chi2 import Chi2
from .distribution import Distribution
from .utils import _standard_normal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["StudentT"]


class StudentT(Distribution):
    """p(x) ~ (1 + y^2 / df)^(-(df + 1) / 2), y = (x - loc) / scale"""

    arg_constraints = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True
    df: Tensor
    loc: Tensor
    scale: Tensor

    def __init__(
        self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        shape = self._broadcast(df=df, loc=loc, scale=scale)
        self._chi2 = Chi2(self.df, validate_args=False)
        super().__init__(shape, validate_args=validate_args)

    mode = property(lambda self: self.loc)

    @property
    def mean(self) -> Tensor:
        return self.loc.masked_fill(self.df <= 1, nan)

    @property
    def variance(self) -> Tensor:
        heavy = self.df <= 2
        df = self.df.masked_fill(heavy, 3.0)
        finite = self.scale.pow(2) * df / (df - 2)
        return finite.masked_fill(heavy, inf).masked_fill(self.df <= 1, nan)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        x = _standard_normal(self._extended_shape(sample_shape), self.df.dtype, self.df.device)
        z = self._chi2.rsample(sample_shape)
        return self.loc + self.scale * (x * (z / self.df).rsqrt())

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        y = (value - self.loc) / self.scale
        half = 0.5 * self.df
        norm = self.scale.log() + 0.5 * self.df.log() + 0.5 * log(pi)
        norm = norm + half.lgamma() - (half + 0.5).lgamma()
        found: Tensor = -(half + 0.5) * (y**2.0 / self.df).log1p() - norm
        return found

    def entropy(self) -> Tensor:
        half = 0.5 * self.df
        log_beta = half.lgamma() + lgamma(0.5) - (half + 0.5).lgamma()
        slope = (half + 0.5) * (_core.digamma(half + 0.5) - half.digamma())
        return self.scale.log() + slope + 0.5 * self.df.log() + log_beta
