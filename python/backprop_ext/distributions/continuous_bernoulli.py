"""The continuous Bernoulli distribution."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from ..nn import functional as F
from . import constraints
from .distribution import WithLogits
from .exp_family import ExponentialFamily
from .utils import broadcast_all, clamp_probs, lazy_property, logits_to_probs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(WithLogits, ExponentialFamily):
    """p(x) ~ probs^x (1 - probs)^(1 - x) for 0 <= x <= 1

    Within `lims` about one half, where the closed forms lose their digits, series stand for them.
    Raises ValueError unless one of probs and logits is given.
    Source: Loaiza-Ganem and Cunningham, The continuous Bernoulli, NeurIPS 2019.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        shape = self._broadcast(**self._one_of(probs, logits))
        self._lims = lims
        if probs is not None:
            if validate_args:  # else what lies outside is clamped, as in PyTorch
                self._check("parameter probs", constraints.unit_interval, self.probs)
            self.probs = clamp_probs(self.probs)
        super().__init__(shape, validate_args=validate_args)

    @lazy_property
    def probs(self) -> Tensor:
        """The parameter, which is not the mean."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """(where the closed forms hold, probs there and lims[0] elsewhere, probs - 1/2)."""
        p = self.probs
        stable = (p <= self._lims[0]) | (p > self._lims[1])
        return stable, _core.where(stable, p, self._lims[0]), p - 0.5

    def _log_norm(self) -> Tensor:
        stable, p, x = self._parts()
        closed = ((-p).log1p() - p.log()).abs().log() - (1 - 2 * p).abs().log()
        square = x.pow(2)
        series = log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * square) * square
        return _core.where(stable, closed, series)

    @property
    def mean(self) -> Tensor:
        stable, p, x = self._parts()
        closed = p / (2 * p - 1) + 1 / ((-p).log1p() - p.log())
        series = 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.pow(2)) * x
        return _core.where(stable, closed, series)

    @property
    def variance(self) -> Tensor:
        stable, p, x = self._parts()
        closed = p * (p - 1) / (1 - 2 * p).pow(2) + 1 / ((-p).log1p() - p.log()).pow(2)
        square = x.pow(2)
        series = 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * square) * square
        return _core.where(stable, closed, series)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.icdf(_core.rand(self._extended_shape(sample_shape), dtype=self._param.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        each = F.binary_cross_entropy_with_logits(logits, value, reduction="none")
        return self._log_norm() - each

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        stable, p, _ = self._parts()
        closed = (p.pow(value) * (1 - p).pow(1 - value) + p - 1) / (2 * p - 1)
        inside = _core.where(stable, closed, value)
        return _core.where(value <= 0, 0.0, _core.where(value >= 1, 1.0, inside))

    def icdf(self, value: Tensor) -> Tensor:
        stable, p, _ = self._parts()
        zero = (-p).log1p()
        closed = ((-p + value * (2 * p - 1)).log1p() - zero) / (p.log() - zero)
        return _core.where(stable, closed, value)

    def entropy(self) -> Tensor:
        zero, one = (-self.probs).log1p(), self.probs.log()
        return self.mean * (zero - one) - self._log_norm() - zero
