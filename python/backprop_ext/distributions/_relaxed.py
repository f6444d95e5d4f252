"""What the relaxed distributions share: an image of one over numbers without bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .transformed_distribution import TransformedDistribution

if TYPE_CHECKING:
    from .._core import Tensor

__all__ = ["Relaxed"]


class Relaxed(TransformedDistribution):
    """f(x), x of a distribution with a temperature and probs or logits, whose attributes it has."""

    _base: ClassVar[type[Any]]
    _transform: ClassVar[type[Any]]

    def __init__(
        self,
        temperature: Tensor,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        base = self._base(temperature, probs, logits, validate_args)
        super().__init__(base, self._transform(), validate_args)

    temperature = property(lambda self: self.base_dist.temperature)
    probs = property(lambda self: self.base_dist.probs)
    logits = property(lambda self: self.base_dist.logits)
