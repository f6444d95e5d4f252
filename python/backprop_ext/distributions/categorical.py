"""The categorical distribution."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from .._size import Size
from .._switches import finfo
from . import constraints
from .constraints import dependent_property
from .distribution import WithLogits
from .utils import constant

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Categorical"]


class Categorical(WithLogits):
    """P(k) = probs_k / sum probs, or softmax(logits)_k; probs, logits: (..., classes)

    Raises ValueError unless one of probs and logits is given, and has dimensions.
    """

    _is_binary = False
    arg_constraints = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    has_enumerate_support = True

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        ((name, given),) = self._one_of(probs, logits).items()
        if given.dim() < 1:
            raise ValueError(f"[Categorical] {name} is 0-d; pass one number for each class")
        if probs is not None:
            self.probs = given / given.sum(-1, keepdim=True)
        else:
            self.logits = given - given.logsumexp(-1, keepdim=True)
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @property
    def _num_events(self) -> int:
        return self._param.shape[-1]

    @dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    mean = property(lambda self: constant(nan, self._extended_shape(), self.probs))
    mode = property(lambda self: self.probs.argmax(-1))
    variance = property(lambda self: constant(nan, self._extended_shape(), self.probs))

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        flat = self.probs.detach().reshape(-1, self._num_events)
        drawn = _core.multinomial(flat, Size(sample_shape).numel(), True)
        return drawn.T.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        index, logits = _core.broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, index[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        logits = self.logits.clamp(min=finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        return self._enumerated(_core.arange(self._num_events), expand)
