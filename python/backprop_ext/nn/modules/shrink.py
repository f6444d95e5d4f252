"""Activations that cut a part of the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import _core
from ..._checks import the_tensor
from .. import functional as F
from .activation import _Activation

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = ["Hardshrink", "RReLU", "Softmax2d", "Softshrink", "Threshold"]


class _Shrink(_Activation):
    settings = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)

    def forward(self, input: Tensor) -> Tensor:
        return self.f(input, self.lambd)


class Hardshrink(_Shrink):
    """y = x where |x| > lambd, else 0."""

    f = staticmethod(_core.hardshrink)


class Softshrink(_Shrink):
    """y = x moved towards 0 by lambd, 0 where |x| <= lambd."""

    f = staticmethod(F.softshrink)


class RReLU(_Activation):
    """y = x where x > 0, a x elsewhere; a ~ U(lower, upper) in training, their middle after eval().

    Source: Xu et al., arXiv:1505.00853.
    """

    settings = ("lower", "upper")

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class Softmax2d(_Activation):
    """Softmax over the channels: x (N, C, H, W) or (C, H, W). Raises ValueError otherwise."""

    def forward(self, input: Tensor) -> Tensor:
        if the_tensor("Softmax2d", input).ndim not in (3, 4):
            raise ValueError(
                f"[Softmax2d] expected input to be 3D or 4D, got shape {tuple(input.shape)}; "
                "pass (batch, channels, height, width)"
            )
        return F.softmax(input, -3)


class Threshold(_Activation):
    """y = x where x > threshold, else value."""

    settings = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Tensor) -> Tensor:
        if self.inplace:
            return F.threshold(input, self.threshold, self.value, inplace=True)
        return F.threshold(input, self.threshold, self.value)
