"""The binomial distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import no_grad
from . import _draws, constraints
from .constraints import dependent_property
from .distribution import WithLogits

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Binomial"]


class Binomial(WithLogits):
    """P(k) = n! / (k! (n - k)!) probs^k (1 - probs)^(n - k), n being total_count

    Raises ValueError unless one of probs and logits is given, NotImplementedError for the entropy
    or the support of different total counts.
    """

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True
    total_count: Tensor

    def __init__(
        self,
        total_count: Any = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        shape = self._broadcast(total_count=total_count, **self._one_of(probs, logits))
        self.total_count = self.total_count.type_as(self._param)
        super().__init__(shape, validate_args=validate_args)

    @dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    mean = property(lambda self: self.total_count * self.probs)
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))

    @property
    def mode(self) -> Tensor:
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return _draws.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        n, logits = self.total_count, self.logits
        # n log(1 + e^logits), with a slope of one half where its two branches meet
        positive = (logits.clamp(min=0) + logits - logits.clamp(max=0)) / 2
        norm = n * positive + n * (-logits.abs()).exp().log1p() - (n + 1).lgamma()
        found: Tensor = value * logits - (value + 1).lgamma() - (n - value + 1).lgamma() - norm
        return found

    def entropy(self) -> Tensor:
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(log_prob.exp() * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        low, high = int(self.total_count.min()), int(self.total_count.max())
        if low != high:
            raise NotImplementedError(
                f"[Binomial] the total counts go from {low} to {high}, and the support needs one; "
                "pass one total_count"
            )
        return self._enumerated(_core.arange(1 + high, dtype=self._param.dtype), expand)
