"""Layers that drop values at random while they train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import functional as F
from .module import Module

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = ["Dropout"]


class Dropout(Module):
    """y = x m / (1 - p), m ~ Bernoulli(1 - p), in training; y = x after eval(). Any shape.

    Raises ValueError for p outside [0, 1].
    Source: Srivastava et al., Dropout, JMLR 15 (2014) 1929.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"[Dropout] p={p} is outside [0, 1]; pass the probability of a zero")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
