"""Margins added, margins cut, lengths repeated, and images resized."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...nn import functional as F
from .._shapes import scaled
from ._common import per_dimension, positive
from ._spatial import Spatial

if TYPE_CHECKING:
    from ..._core import Tensor
    from .._shapes import Shape

__all__ = [
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "ResizeBilinear",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
]


def _sides(op: str, name: str, given: Any, dims: int, flat: bool) -> list[tuple[int, int]]:
    """(before, after) of each dimension.

    One number stands for both sides of all, a number per dimension for both of its sides. Where
    `flat`, the pair of a single dimension, or all sides in one row, is taken too.
    """
    if isinstance(given, int):
        given = (given,) * dims
    given = tuple(given)
    if flat and len(given) == 2 * dims and all(isinstance(n, int) for n in given):
        given = tuple(zip(given[::2], given[1::2], strict=True))
    if len(given) != dims:
        raise ValueError(f"[{op}] {name}={given!r} is for {len(given)} dimensions; pass {dims}")
    pairs = []
    for side in given:
        before, after = per_dimension(op, name, side, 2, least=0)
        pairs.append((before, after))
    return pairs


class _Margins(Spatial):
    """sides: how much is added before and after each dimension (cut where sign is -1)."""

    sign = 1
    sides: list[tuple[int, int]]

    def infer(self, shape: Shape) -> Shape:
        channels, lengths = self.split(shape)
        found = [
            scaled(n, 1, self.sign * sum(side)) for n, side in zip(lengths, self.sides, strict=True)
        ]
        if any(n is not None and n < 1 for n in found):
            raise ValueError(
                f"[{type(self).__name__}] {self.sides} leaves nothing of the shape {shape}; "
                "cut less"
            )
        return self.join(shape[0], channels, found)

    def compute(self, x: Tensor) -> Tensor:
        margins = [self.sign * n for side in reversed(self.sides) for n in side]
        return self.from_first(F.pad(self.to_first(x), margins))


class ZeroPadding1D(_Margins):
    """`padding` steps of zeros on both sides, or (before, after); x (batch, steps, features)."""

    dims = 1

    def __init__(self, padding: Any = 1, **options: Any) -> None:
        super().__init__(**options)
        self.sides = _sides("ZeroPadding1D", "padding", padding, 1, flat=True)


class ZeroPadding2D(_Margins):
    """Rows and columns of zeros: (rows, columns) on both sides, or (top, bottom, left, right)."""

    dims = 2

    def __init__(self, padding: Any = (1, 1), dim_ordering: str = "th", **options: Any) -> None:
        super().__init__(dim_ordering, **options)
        self.sides = _sides("ZeroPadding2D", "padding", padding, 2, flat=True)


class ZeroPadding3D(_Margins):
    """Zeros around a volume, a number for both sides of each dimension."""

    dims = 3

    def __init__(self, padding: Any = (1, 1, 1), dim_ordering: str = "th", **options: Any) -> None:
        super().__init__(dim_ordering, **options)
        self.sides = _sides("ZeroPadding3D", "padding", padding, 3, flat=True)


class Cropping1D(_Margins):
    """Without the first and last steps, (before, after); x (batch, steps, features)."""

    dims, sign = 1, -1

    def __init__(self, cropping: Any = (1, 1), **options: Any) -> None:
        super().__init__(**options)
        self.sides = _sides("Cropping1D", "cropping", cropping, 1, flat=True)


class Cropping2D(_Margins):
    """Without the outer rows and columns, ((top, bottom), (left, right))."""

    dims, sign = 2, -1

    def __init__(
        self, cropping: Any = ((0, 0), (0, 0)), dim_ordering: str = "th", **options: Any
    ) -> None:
        super().__init__(dim_ordering, **options)
        self.sides = _sides("Cropping2D", "cropping", cropping, 2, flat=False)


class Cropping3D(_Margins):
    """Without the outside of a volume, a pair for each dimension."""

    dims, sign = 3, -1

    def __init__(
        self, cropping: Any = ((1, 1), (1, 1), (1, 1)), dim_ordering: str = "th", **options: Any
    ) -> None:
        super().__init__(dim_ordering, **options)
        self.sides = _sides("Cropping3D", "cropping", cropping, 3, flat=False)


class _UpSampling(Spatial):
    """Every element repeated `size` times along each dimension."""

    size: tuple[int, ...]

    def infer(self, shape: Shape) -> Shape:
        channels, lengths = self.split(shape)
        grown = [scaled(n, k) for n, k in zip(lengths, self.size, strict=True)]
        return self.join(shape[0], channels, grown)

    def compute(self, x: Tensor) -> Tensor:
        for dim, times in enumerate(self.size, 2 if self.first else 1):
            x = x.repeat_interleave(times, dim)
        return x


class UpSampling1D(_UpSampling):
    """Every step `length` times; x (batch, steps, features)."""

    dims = 1

    def __init__(self, length: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.size = per_dimension("UpSampling1D", "length", length, 1)


class UpSampling2D(_UpSampling):
    """Every row size[0] times, every column size[1] times."""

    dims = 2

    def __init__(self, size: Any = (2, 2), dim_ordering: str = "th", **options: Any) -> None:
        super().__init__(dim_ordering, **options)
        self.size = per_dimension("UpSampling2D", "size", size, 2)


class UpSampling3D(_UpSampling):
    """Every element size[d] times along dimension d of the volume."""

    dims = 3

    def __init__(self, size: Any = (2, 2, 2), dim_ordering: str = "th", **options: Any) -> None:
        super().__init__(dim_ordering, **options)
        self.size = per_dimension("UpSampling3D", "size", size, 3)


class ResizeBilinear(Spatial):
    """Images of another size, by linear interpolation along rows and columns.

    With align_corner the corners stay where they are; otherwise the images' edges do.
    """

    dims = 2

    def __init__(
        self,
        output_height: int,
        output_width: int,
        align_corner: bool = False,
        dim_ordering: str = "th",
        **options: Any,
    ) -> None:
        super().__init__(dim_ordering, **options)
        positive("ResizeBilinear", output_height=output_height, output_width=output_width)
        self.size, self.align_corner = (output_height, output_width), align_corner

    def infer(self, shape: Shape) -> Shape:
        return self.join(shape[0], self.split(shape)[0], self.size)

    def compute(self, x: Tensor) -> Tensor:
        y = F.interpolate(
            self.to_first(x), self.size, mode="bilinear", align_corners=self.align_corner
        )
        return self.from_first(y)
