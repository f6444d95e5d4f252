"""Pooling: a window's maximum or mean, and those of everything."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

from ... import _core
from ...nn import functional as F
from ._common import per_dimension
from ._spatial import Spatial, Windowed

if TYPE_CHECKING:
    from ..._core import Tensor
    from .._shapes import Shape

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
]


class _Pooling(Windowed):
    """A number per window; its stride is its size unless it is given."""

    average: ClassVar[bool] = False

    def _set(self, size: Any, stride: Any, border_mode: str) -> None:
        op = type(self).__name__
        self.size = per_dimension(op, "the window", size, self.dims)
        self.stride = (
            self.size if stride is None else per_dimension(op, "stride", stride, self.dims)
        )
        self.dilation = (1,) * self.dims
        self.set_border(border_mode)

    def infer(self, shape: Shape) -> Shape:
        channels, lengths = self.split(shape)
        return self.join(shape[0], channels, self.lengths_after(lengths))

    def compute(self, x: Tensor) -> Tensor:
        x = self.to_first(x)
        pool: Any = getattr(F, f"{'avg' if self.average else 'max'}_pool{self.dims}d")
        y = pool(self.padded(x, 0.0 if self.average else -inf), self.size, self.stride)
        if self.average and self.border_mode == "same":  # the margin does not count
            ones = self.padded(_core.ones((1, 1, *x.shape[2:]), dtype=x.dtype))
            y = y / pool(ones, self.size, self.stride)
        return self.from_first(y)


class _Pooling1D(_Pooling):
    dims = 1

    def __init__(
        self, pool_length: int = 2, stride: Any = None, border_mode: str = "valid", **options: Any
    ) -> None:
        super().__init__(**options)
        self._set(pool_length, stride, border_mode)


class _Pooling2D(_Pooling):
    dims = 2

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        border_mode: str = "valid",
        dim_ordering: str = "th",
        **options: Any,
    ) -> None:
        super().__init__(dim_ordering, **options)
        self._set(pool_size, strides, border_mode)


class _Pooling3D(_Pooling):
    dims = 3

    def __init__(
        self,
        pool_size: Any = (2, 2, 2),
        strides: Any = None,
        border_mode: str = "valid",
        dim_ordering: str = "th",
        **options: Any,
    ) -> None:
        super().__init__(dim_ordering, **options)
        self._set(pool_size, strides, border_mode)


class MaxPooling1D(_Pooling1D):
    """The largest of pool_length steps; x (batch, steps, features)."""


class MaxPooling2D(_Pooling2D):
    """The largest of pool_size rows and columns; x (batch, channels, rows, columns)."""


class MaxPooling3D(_Pooling3D):
    """The largest of a box; x (batch, channels, d1, d2, d3)."""


class AveragePooling1D(_Pooling1D):
    """The mean of pool_length steps; a margin of border_mode="same" does not count."""

    average = True


class AveragePooling2D(_Pooling2D):
    """The mean of pool_size rows and columns; a margin of border_mode="same" does not count."""

    average = True


class AveragePooling3D(_Pooling3D):
    """The mean of a box; a margin of border_mode="same" does not count."""

    average = True


class _Global(Spatial):
    """(batch, channels) of all lengths."""

    def infer(self, shape: Shape) -> Shape:
        return (shape[0], self.split(shape)[0])

    def compute(self, x: Tensor) -> Tensor:
        return self._reduce(self.to_first(x).flatten(2))

    def _reduce(self, x: Tensor) -> Tensor:
        return x.mean(2)


class _GlobalMax(_Global):
    def _reduce(self, x: Tensor) -> Tensor:
        return x.amax(2)


class GlobalAveragePooling1D(_Global):
    """The mean over all steps; (batch, features) from (batch, steps, features)."""

    dims = 1


class GlobalAveragePooling2D(_Global):
    """The mean over all rows and columns; (batch, channels)."""

    dims = 2


class GlobalAveragePooling3D(_Global):
    """The mean over the volume; (batch, channels)."""

    dims = 3


class GlobalMaxPooling1D(_GlobalMax):
    """The largest over all steps; (batch, features). Those equally large share the gradient."""

    dims = 1


class GlobalMaxPooling2D(_GlobalMax):
    """The largest over all rows and columns; (batch, channels)."""

    dims = 2


class GlobalMaxPooling3D(_GlobalMax):
    """The largest over the volume; (batch, channels)."""

    dims = 3
