"""Dimensions of the batch taken as dimensions of the event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core import Tensor
from . import constraints
from .constraints import dependent_property
from .distribution import Distribution
from .utils import _sum_rightmost

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Independent"]


class Independent(Distribution):
    """p(x) = prod_i p_i(x_i) over the last batch dimensions of a distribution.

    Raises ValueError when it has fewer of them.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#independent
    """

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        batch = base_distribution.batch_shape
        if reinterpreted_batch_ndims > len(batch):
            raise ValueError(
                f"[Independent] reinterpreted_batch_ndims is {reinterpreted_batch_ndims}, "
                f"batch_shape {tuple(batch)}; pass {len(batch)} or fewer"
            )
        cut = len(batch) - reinterpreted_batch_ndims
        self.base_dist = base_distribution
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        event = batch[cut:] + base_distribution.event_shape
        super().__init__(batch[:cut], event, validate_args)

    has_rsample = property(lambda self: self.base_dist.has_rsample)
    mean = property(lambda self: self.base_dist.mean)
    mode = property(lambda self: self.base_dist.mode)
    variance = property(lambda self: self.base_dist.variance)

    @property
    def has_enumerate_support(self) -> bool:
        return not self.reinterpreted_batch_ndims and self.base_dist.has_enumerate_support

    @dependent_property
    def support(self) -> Any:
        more = self.reinterpreted_batch_ndims
        base = self.base_dist.support
        return constraints.independent(base, more) if more else base

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return _sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        return _sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        if self.reinterpreted_batch_ndims:
            raise NotImplementedError(
                "[Independent] the events of several dimensions are too many to enumerate; "
                "enumerate base_dist"
            )
        return self.base_dist.enumerate_support(expand)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_dist}, {self.reinterpreted_batch_ndims})"
