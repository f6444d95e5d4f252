"""Layers on lines, images and volumes: where the channels are, and how far windows reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..._choice import choose
from ...nn import functional as F
from .._shapes import Shape, length_after
from ..base import Layer
from ._common import channels_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._core import Tensor

__all__ = ["Spatial", "Windowed"]


class Spatial(Layer):
    """A layer on `dims` dimensions besides the batch and the channels.

    Lines are (batch, steps, features); images (batch, channels, rows, columns) with
    dim_ordering="th", (batch, rows, columns, channels) with "tf"; volumes likewise.
    """

    dims: ClassVar[int]

    def __init_subclass__(cls) -> None:
        if "dims" in vars(cls):
            cls.ranks = (cls.dims + 2,)

    def __init__(self, dim_ordering: str = "th", **options: Any) -> None:
        super().__init__(**options)
        self.first = channels_first(type(self).__name__, dim_ordering) and self.dims > 1

    def split(self, shape: Shape) -> tuple[int | None, tuple[int | None, ...]]:
        """(channels, lengths)."""
        return (shape[1], shape[2:]) if self.first else (shape[-1], shape[1:-1])

    def join(self, batch: int | None, channels: int | None, lengths: Sequence[int | None]) -> Shape:
        """The shape with these."""
        return (batch, channels, *lengths) if self.first else (batch, *lengths, channels)

    def to_first(self, x: Tensor) -> Tensor:
        """The channels as dimension 1, where the compiled operations expect them."""
        return x if self.first else x.movedim(-1, 1)

    def from_first(self, x: Tensor) -> Tensor:
        """The channels back where they were."""
        return x if self.first else x.movedim(1, -1)


class Windowed(Spatial):
    """A layer that moves a window: size, stride and border_mode are its own."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    def set_border(self, border_mode: str) -> None:
        """Take "valid" or "same". Raises ValueError."""
        modes = {"valid": "valid", "same": "same"}
        self.border_mode = choose(type(self).__name__, "border_mode", border_mode, modes)

    def lengths_after(self, lengths: Sequence[int | None]) -> list[int | None]:
        """The lengths of the output."""
        op = type(self).__name__
        windows = zip(lengths, self.size, self.stride, self.dilation, strict=True)
        return [length_after(op, n, k, self.border_mode, s, d) for n, k, s, d in windows]

    def padded(self, x: Tensor, value: float = 0.0) -> Tensor:
        """x (channels first), with the margins of border_mode="same": the smaller half first."""
        if self.border_mode == "valid":
            return x
        margins: list[int] = []
        windows = zip(x.shape[2:], self.size, self.stride, self.dilation, strict=True)
        for n, k, s, d in windows:
            missing = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
            margins = [missing // 2, missing - missing // 2, *margins]
        return F.pad(x, margins, value=value) if any(margins) else x
