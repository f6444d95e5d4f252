"""Categorical distributions made continuous by a temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from . import constraints
from ._elementwise import ExpTransform
from ._relaxed import Relaxed
from .categorical import Categorical
from .distribution import Distribution
from .utils import broadcast_all, clamp_probs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ExpRelaxedCategorical", "RelaxedOneHotCategorical"]

_PARAMETERS = {"probs": constraints.simplex, "logits": constraints.real_vector}


class ExpRelaxedCategorical(Distribution):
    """log_softmax((logits - log(-log u)) / temperature), u uniform

    Its exp is a RelaxedOneHotCategorical. Raises ValueError as Categorical does.
    Source: Maddison, Mnih and Teh, The Concrete Distribution, ICLR 2017.
    """

    arg_constraints = _PARAMETERS
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        temperature: Tensor,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        self.temperature = temperature
        self._categorical = Categorical(probs, logits, validate_args)
        batch, event = self._categorical.batch_shape, self._categorical.param_shape[-1:]
        super().__init__(batch, event, validate_args)

    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)
    param_shape = property(lambda self: self._categorical.param_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        u = clamp_probs(_core.rand(self._extended_shape(sample_shape), dtype=self.logits.dtype))
        scores: Tensor = (self.logits - (-u.log()).log()) / self.temperature
        return scores - scores.logsumexp(-1, keepdim=True)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        k = float(self.event_shape[0])
        logits, value = broadcast_all(self.logits, value)
        score = logits - value * self.temperature
        score = (score - score.logsumexp(-1, keepdim=True)).sum(-1)
        factorial = _core.full_like(self.temperature, k).lgamma()
        return score + (factorial + (k - 1) * self.temperature.log())


class RelaxedOneHotCategorical(Relaxed):
    """Shares that become OneHotCategorical(probs) as temperature goes to 0."""

    arg_constraints = _PARAMETERS
    support = constraints.simplex
    _base = ExpRelaxedCategorical
    _transform = ExpTransform
