"""The half-Cauchy distribution."""

from __future__ import annotations

from math import inf
from typing import Any

from .. import _core
from .._core import Tensor
from .cauchy import Cauchy
from .half_normal import Folded
from .utils import constant

__all__ = ["HalfCauchy"]


class HalfCauchy(Folded):
    """|x| for x ~ Cauchy(0, scale)"""

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Cauchy(0, scale, validate_args=False), validate_args)

    def _log_prob(self, value: Tensor) -> Tensor:
        return super()._log_prob(_core.as_tensor(value, dtype=self.scale.dtype))

    mean = property(lambda self: constant(inf, self._extended_shape(), self.scale))
    variance = property(lambda self: self.base_dist.variance)
