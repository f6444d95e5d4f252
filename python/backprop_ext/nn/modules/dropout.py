"""Layers that drop values at random while they train."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .. import functional as F
from .module import Module

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._core import Tensor

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
]


class _DropoutNd(Module):
    f: ClassVar[Callable[..., Tensor]]

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0.0 or p > 1.0:
            raise ValueError(
                f"[{type(self).__name__}] p={p} is outside [0, 1]; pass the probability of a zero"
            )
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return self.f(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """y = x m / (1 - p), m ~ Bernoulli(1 - p), in training; y = x after eval(). Any shape.

    Raises ValueError for p outside [0, 1].
    Source: Srivastava et al., Dropout, JMLR 15 (2014) 1929.
    """

    f = staticmethod(F.dropout)


class Dropout1d(_DropoutNd):
    """Dropout of whole channels: x (N, C, L) or (C, L)."""

    f = staticmethod(F.dropout1d)


class Dropout2d(_DropoutNd):
    """Dropout of whole channels: x (N, C, H, W)."""

    f = staticmethod(F.dropout2d)


class Dropout3d(_DropoutNd):
    """Dropout of whole channels: x (N, C, D, H, W) or (C, D, H, W)."""

    f = staticmethod(F.dropout3d)


class _Alpha(_DropoutNd):
    def forward(self, input: Tensor) -> Tensor:
        return self.f(input, self.p, self.training)  # `inplace` changes nothing, as in PyTorch


class AlphaDropout(_Alpha):
    """Dropout to SELU's lowest value that keeps mean 0 and variance 1. Source: arXiv:1706.02515."""

    f = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_Alpha):
    """AlphaDropout of whole channels: x (N, C, ...)."""

    f = staticmethod(F.feature_alpha_dropout)
