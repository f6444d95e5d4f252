"""Mixtures of distributions of one kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from .._size import Size
from ..autograd.grad_mode import no_grad
from .categorical import Categorical
from .constraints import MixtureSameFamilyConstraint, dependent_property
from .distribution import Distribution

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """p(x) = sum_k pi_k p_k(x): a Categorical over the last batch dimension of the components.

    Raises ValueError for other kinds, for different numbers of components, or for batches that do
    not broadcast.
    """

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        parts = {
            "mixture_distribution": (mixture_distribution, Categorical),
            "component_distribution": (component_distribution, Distribution),
        }
        for name, (part, kind) in parts.items():
            if not isinstance(part, kind):
                raise ValueError(
                    f"[MixtureSameFamily] {name} is a {type(part).__name__}; pass a {kind.__name__}"
                )
        mixed = mixture_distribution.logits.shape  # PyTorch prints them from then on
        components = component_distribution.batch_shape
        batch = zip(mixed[-2::-1], components[-2::-1], strict=False)
        if mixed[-1:] != components[-1:] or any(1 != i != j != 1 for i, j in batch):
            raise ValueError(
                f"[MixtureSameFamily] probs have shape {tuple(mixed)}, the components batch_shape "
                f"{tuple(components)}; let them broadcast, and end in the same number"
            )
        self.mixture_distribution = mixture_distribution
        self.component_distribution = component_distribution
        self._event_ndims = len(component_distribution.event_shape)
        event = component_distribution.event_shape
        super().__init__(components[:-1], event, validate_args)

    def _expanded_part(self, part: Distribution, batch_shape: Size) -> Any:
        more = () if part is self.mixture_distribution else part.batch_shape[-1:]
        return part.expand((*batch_shape, *more))

    @dependent_property
    def support(self) -> Any:
        return MixtureSameFamilyConstraint(self.component_distribution.support)

    def _weighted(self, value: Tensor) -> Tensor:
        """sum_k pi_k value_k, the components before the event."""
        probs = self.mixture_distribution.probs
        probs = probs.reshape((*probs.shape, *(1,) * self._event_ndims))
        return (probs * value).sum(-1 - self._event_ndims)

    def _pad(self, value: Tensor) -> Tensor:
        return value.unsqueeze(-1 - self._event_ndims)

    @property
    def mean(self) -> Tensor:
        return self._weighted(self.component_distribution.mean)

    @property
    def variance(self) -> Tensor:
        """The mean of the variances, and the variance of the means."""
        apart = self.component_distribution.mean - self._pad(self.mean)
        return self._weighted(self.component_distribution.variance) + self._weighted(apart.pow(2))

    def cdf(self, x: Tensor) -> Tensor:
        return self._weighted(self.component_distribution.cdf(self._pad(x)))

    def log_prob(self, x: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(x)
        each = self.component_distribution.log_prob(self._pad(x))
        weights = self.mixture_distribution.logits.log_softmax(-1)
        return (each + weights).logsumexp(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            which = self.mixture_distribution.sample(sample_shape)
            drawn = self.component_distribution.sample(sample_shape)
            shape = self._extended_shape(sample_shape)
            cut = len(shape) - self._event_ndims
            which = which.reshape((*which.shape, *(1,) * (1 + self._event_ndims)))
            index = which.expand((*shape[:cut], 1, *shape[cut:]))
            return _core.gather(drawn, cut, index).squeeze(cut)

    def __repr__(self) -> str:
        parts = f"\n  {self.mixture_distribution},\n  {self.component_distribution}"
        return f"MixtureSameFamily({parts})"
