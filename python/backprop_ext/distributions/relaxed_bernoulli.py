"""Bernoulli distributions made continuous by a temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from . import constraints
from ._elementwise import SigmoidTransform
from ._relaxed import Relaxed
from .distribution import WithLogits
from .utils import broadcast_all, clamp_probs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LogitRelaxedBernoulli", "RelaxedBernoulli"]

_PARAMETERS = {"probs": constraints.unit_interval, "logits": constraints.real}


class LogitRelaxedBernoulli(WithLogits):
    """(logits + log(u / (1 - u))) / temperature, u uniform; its sigmoid is a RelaxedBernoulli.

    Raises ValueError unless one of probs and logits is given.
    Source: Maddison, Mnih and Teh, The Concrete Distribution, ICLR 2017.
    """

    arg_constraints = _PARAMETERS
    support = constraints.real
    has_rsample = True

    def __init__(
        self,
        temperature: Tensor,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        self.temperature = temperature
        shape = self._broadcast(**self._one_of(probs, logits))
        super().__init__(shape, validate_args=validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        probs = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(_core.rand(shape, dtype=probs.dtype))
        return (u.log() - (-u).log1p() + probs.log() - (-probs).log1p()) / self.temperature

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        apart = logits - value * self.temperature
        return self.temperature.log() + apart - 2 * apart.exp().log1p()


class RelaxedBernoulli(Relaxed):
    """A number in (0, 1) that becomes Bernoulli(probs) as temperature goes to 0."""

    arg_constraints = _PARAMETERS
    support = constraints.unit_interval
    _base = LogitRelaxedBernoulli
    _transform = SigmoidTransform
