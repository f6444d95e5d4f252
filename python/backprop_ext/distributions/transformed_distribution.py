"""The distribution of f(x) for x of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core import Tensor
from .._size import Size
from ..autograd.grad_mode import no_grad
from . import constraints
from ._transform import ComposeTransform, Transform
from .constraints import dependent_property
from .distribution import Distribution
from .independent import Independent
from .utils import _sum_rightmost

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """p(y) = p(x) / |det df/dx| with y = f(x), x from base_distribution, f one or more transforms.

    Raises ValueError for what is no transform, or a base of fewer dimensions than f works on.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#transformeddistribution
    """

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | list[Transform],
        validate_args: bool | None = None,
    ) -> None:
        listed = [transforms] if isinstance(transforms, Transform) else transforms
        if not isinstance(listed, list) or not all(isinstance(t, Transform) for t in listed):
            raise ValueError(
                f"[TransformedDistribution] transforms is {transforms!r}; "
                "pass a Transform or a list of them"
            )
        self.transforms = listed
        chain = ComposeTransform(listed)
        shape = base_distribution.batch_shape + base_distribution.event_shape
        base_dims = len(base_distribution.event_shape)
        before, after = chain.domain.event_dim, chain.codomain.event_dim
        if len(shape) < before:
            raise ValueError(
                f"[TransformedDistribution] the base has shape {tuple(shape)}, the transforms work "
                f"on {before} dimensions; expand the base"
            )
        forward_shape = Size(chain.forward_shape(shape))
        wider = Size(chain.inverse_shape(forward_shape))
        if wider != shape:
            base_distribution = base_distribution.expand(wider[: len(wider) - base_dims])
        if before > base_dims:
            base_distribution = Independent(base_distribution, before - base_dims)
        self.base_dist: Any = base_distribution
        cut = len(forward_shape) - max(after, base_dims + after - before)
        super().__init__(forward_shape[:cut], forward_shape[cut:], validate_args)

    def _expanded_part(self, part: Distribution, batch_shape: Size) -> Any:
        if part is not self.base_dist:
            return super()._expanded_part(part, batch_shape)
        # The transforms broadcast; the base gets the shape that they lead back to.
        shape = ComposeTransform(self.transforms).inverse_shape(batch_shape + self.event_shape)
        return part.expand(shape[: len(shape) - len(part.event_shape)])

    @dependent_property
    def support(self) -> Any:
        if not self.transforms:
            return self.base_dist.support
        last = self.transforms[-1].codomain
        more = len(self.event_shape) - last.event_dim
        return constraints.independent(last, more) if more > 0 else last

    @property
    def has_rsample(self) -> bool:
        return bool(self.base_dist.has_rsample)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            return self._forward(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self._forward(self.base_dist.rsample(sample_shape))

    def _forward(self, x: Tensor) -> Tensor:
        for transform in self.transforms:
            x = transform(x)
        return x

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        dims = len(self.event_shape)
        found: Any = 0.0
        y = value
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            dims += transform.domain.event_dim - transform.codomain.event_dim
            each = transform.log_abs_det_jacobian(x, y)
            found = found - _sum_rightmost(each, dims - transform.domain.event_dim)
            y = x
        base = self.base_dist.log_prob(y)
        total: Tensor = found + _sum_rightmost(base, dims - len(self.base_dist.event_shape))
        return total

    def _monotone(self, p: Tensor) -> Tensor:
        """p, or 1 - p where the transforms fall."""
        sign = ComposeTransform(self.transforms).sign
        return p if isinstance(sign, int) and sign == 1 else sign * (p - 0.5) + 0.5

    def cdf(self, value: Tensor) -> Tensor:
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        return self._monotone(self.base_dist.cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        return self._forward(self.base_dist.icdf(self._monotone(value)))
