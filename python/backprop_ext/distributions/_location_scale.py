"""What distributions of loc + scale z share, z of a fixed distribution around 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import constraints
from .distribution import Distribution

if TYPE_CHECKING:
    from .._core import Tensor

__all__ = ["LocationScale"]


class LocationScale(Distribution):
    """p(x) = p_z((x - loc) / scale) / scale on the real line, with its mode at loc."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    loc: Tensor
    scale: Tensor

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(self._broadcast(loc=loc, scale=scale), validate_args=validate_args)

    mode = property(lambda self: self.loc)
