"""Padding: by a constant, by mirroring, by repeating the border, or around the ring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..._checks import the_tensor
from .. import functional as F
from .._sizes import per_dimension
from .module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._core import Tensor

    Sizes = int | Sequence[int]

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """y = x (N, C, ...) or (C, ...) with `padding` elements more on both sides.

    One number for all sides, or (left, right, top, bottom, front, back); negative ones crop.
    """

    _dims: ClassVar[int]
    _mode: ClassVar[str]

    def __init__(self, padding: Sizes) -> None:
        super().__init__()
        self.padding = per_dimension(padding, 2 * self._dims)

    def forward(self, input: Tensor) -> Tensor:
        functional: Any = F
        result: Tensor = functional.pad(input, self.padding, mode=self._mode)
        return result

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_Pad):
    """y = x (N, C, ...) with `padding` elements `value` more on both sides; see _Pad for sides."""

    _mode = "constant"

    def __init__(self, padding: Sizes, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        functional: Any = F
        result: Tensor = functional.pad(input, self.padding, "constant", self.value)
        return result

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    __doc__ = _ConstantPadNd.__doc__
    _dims = 1


class ConstantPad2d(_ConstantPadNd):
    __doc__ = _ConstantPadNd.__doc__
    _dims = 2


class ConstantPad3d(_ConstantPadNd):
    __doc__ = _ConstantPadNd.__doc__
    _dims = 3


class _ZeroPad(_ConstantPadNd):
    """y = x (N, C, ...) with `padding` zeros more on both sides."""

    def __init__(self, padding: Sizes) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    __doc__ = _ZeroPad.__doc__
    _dims = 1


class ZeroPad2d(_ZeroPad):
    __doc__ = _ZeroPad.__doc__
    _dims = 2


class ZeroPad3d(_ZeroPad):
    __doc__ = _ZeroPad.__doc__
    _dims = 3


class _ReflectionPadNd(_Pad):
    """y = x (N, C, ...) mirrored at its borders, which are not repeated."""

    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    __doc__ = _ReflectionPadNd.__doc__
    _dims = 1


class ReflectionPad2d(_ReflectionPadNd):
    __doc__ = _ReflectionPadNd.__doc__
    _dims = 2


class ReflectionPad3d(_ReflectionPadNd):
    __doc__ = _ReflectionPadNd.__doc__
    _dims = 3


class _ReplicationPadNd(_Pad):
    """y = x (N, C, ...) with its border repeated."""

    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    __doc__ = _ReplicationPadNd.__doc__
    _dims = 1


class ReplicationPad2d(_ReplicationPadNd):
    __doc__ = _ReplicationPadNd.__doc__
    _dims = 2


class ReplicationPad3d(_ReplicationPadNd):
    __doc__ = _ReplicationPadNd.__doc__
    _dims = 3


class _CircularPadNd(_Pad):
    """y = x (N, C, ...) or (C, ...) continued from its other end; ValueError for other inputs."""

    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        dims = the_tensor(type(self).__name__, input).ndim
        if not self._dims < dims <= self._dims + 2:
            raise ValueError(
                f"[{type(self).__name__}] expected {self._dims + 1}D or {self._dims + 2}D input, "
                f"got shape {tuple(input.shape)}"
            )
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    __doc__ = _CircularPadNd.__doc__
    _dims = 1


class CircularPad2d(_CircularPadNd):
    __doc__ = _CircularPadNd.__doc__
    _dims = 2


class CircularPad3d(_CircularPadNd):
    __doc__ = _CircularPadNd.__doc__
    _dims = 3
