"""The geometric distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from .._switches import finfo
from ..autograd.grad_mode import no_grad
from ..nn import functional as F
from . import constraints
from .distribution import WithLogits
from .utils import broadcast_all

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Geometric"]


class Geometric(WithLogits):
    """P(k) = (1 - probs)^k probs: k failures before the first success

    Raises ValueError unless one of probs and logits is given, and for probs of 0.
    """

    arg_constraints = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        shape = self._broadcast(**self._one_of(probs, logits))
        super().__init__(shape, validate_args=validate_args)
        if self._validate_args and probs is not None:
            self._check("parameter probs", constraints.positive, self.probs)

    mean = property(lambda self: 1.0 / self.probs - 1.0)
    mode = property(lambda self: _core.zeros_like(self.probs))
    variance = property(lambda self: (1.0 / self.probs - 1.0) / self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape, tiny = self._extended_shape(sample_shape), finfo(self.probs.dtype).tiny
        with no_grad():
            u = _core.empty(shape, dtype=self.probs.dtype).uniform_(tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        probs = probs.masked_fill((probs == 1) & (value == 0), 0)
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        each = F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")
        return each / self.probs
