"""Pooling: maxima, means and norms of windows, and what undoes a maximum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .. import functional as F
from .._sizes import per_dimension
from .module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._core import Tensor

    Sizes = int | Sequence[int]

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _Pool(Module):
    """A pooling over the last `_dims` dimensions; `_shown` are the settings that it prints."""

    _dims: ClassVar[int]
    _shown: ClassVar[tuple[str, ...]]

    def _pool(self, name: str) -> Any:
        """The function of nn.functional for this number of dimensions."""
        return getattr(F, f"{name}{self._dims}d")

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)


class _MaxPoolNd(_Pool):
    """y = the maximum of every window; with return_indices also its place, for MaxUnpool.

    x (N, C, ...) or (C, ...); padding counts as -inf; stride is kernel_size by default.
    """

    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        return self._pool("max_pool")(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class MaxPool1d(_MaxPoolNd):
    __doc__ = _MaxPoolNd.__doc__
    _dims = 1


class MaxPool2d(_MaxPoolNd):
    __doc__ = _MaxPoolNd.__doc__
    _dims = 2


class MaxPool3d(_MaxPoolNd):
    __doc__ = _MaxPoolNd.__doc__
    _dims = 3


class _MaxUnpoolNd(_Pool):
    """y = zeros with x at the places that MaxPool found; the inverse of its forward pass."""

    _shown = ("kernel_size", "stride", "padding")

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()
        self.kernel_size = per_dimension(kernel_size, self._dims)
        self.stride = per_dimension(kernel_size if stride is None else stride, self._dims)
        self.padding = per_dimension(padding, self._dims)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        sizes = (self.kernel_size, self.stride, self.padding, output_size)
        result: Tensor = self._pool("max_unpool")(input, indices, *sizes)
        return result


class MaxUnpool1d(_MaxUnpoolNd):
    __doc__ = _MaxUnpoolNd.__doc__
    _dims = 1


class MaxUnpool2d(_MaxUnpoolNd):
    __doc__ = _MaxUnpoolNd.__doc__
    _dims = 2


class MaxUnpool3d(_MaxUnpoolNd):
    __doc__ = _MaxUnpoolNd.__doc__
    _dims = 3


class _AvgPoolNd(_Pool):
    _shown = ("kernel_size", "stride", "padding")


class AvgPool1d(_AvgPoolNd):
    """y = the mean of every window of x (N, C, L); padding counts as zeros, or not at all."""

    _dims = 1

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = per_dimension(kernel_size, 1)
        self.stride = per_dimension(kernel_size if stride is None else stride, 1)
        self.padding = per_dimension(padding, 1)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        sizes = (self.kernel_size, self.stride, self.padding)
        return F.avg_pool1d(input, *sizes, self.ceil_mode, self.count_include_pad)


class _DividedAvgPool(_AvgPoolNd):
    """y = the mean of every window of x (N, C, ...), or its sum over divisor_override."""

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        sizes = (self.kernel_size, self.stride, self.padding)
        flags = (self.ceil_mode, self.count_include_pad, self.divisor_override)
        result: Tensor = self._pool("avg_pool")(input, *sizes, *flags)
        return result


class AvgPool2d(_DividedAvgPool):
    __doc__ = _DividedAvgPool.__doc__
    _dims = 2


class AvgPool3d(_DividedAvgPool):
    __doc__ = _DividedAvgPool.__doc__
    _dims = 3


class _LPPoolNd(_Pool):
    """y = (sum of x^p over every window)^(1/p), p = norm_type; x (N, C, ...)."""

    _shown = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        sizes = (float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)
        result: Tensor = self._pool("lp_pool")(input, *sizes)
        return result


class LPPool1d(_LPPoolNd):
    __doc__ = _LPPoolNd.__doc__
    _dims = 1


class LPPool2d(_LPPoolNd):
    __doc__ = _LPPoolNd.__doc__
    _dims = 2


class LPPool3d(_LPPoolNd):
    __doc__ = _LPPoolNd.__doc__
    _dims = 3


class _AdaptivePool(_Pool):
    _shown = ("output_size",)

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size


class _AdaptiveAvgPoolNd(_AdaptivePool):
    """y = means over windows that split x (N, C, ...) evenly into output_size (None: as it is)."""

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = self._pool("adaptive_avg_pool")(input, self.output_size)
        return result


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    __doc__ = _AdaptiveAvgPoolNd.__doc__
    _dims = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    __doc__ = _AdaptiveAvgPoolNd.__doc__
    _dims = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    __doc__ = _AdaptiveAvgPoolNd.__doc__
    _dims = 3


class _AdaptiveMaxPoolNd(_AdaptivePool):
    """y = maxima over windows that split x (N, C, ...) evenly into output_size (None: as it is)."""

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return self._pool("adaptive_max_pool")(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    __doc__ = _AdaptiveMaxPoolNd.__doc__
    _dims = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    __doc__ = _AdaptiveMaxPoolNd.__doc__
    _dims = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    __doc__ = _AdaptiveMaxPoolNd.__doc__
    _dims = 3
