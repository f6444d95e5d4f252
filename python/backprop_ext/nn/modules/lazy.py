"""Layers that learn the number of their input channels or features from their first input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ... import _core
from ..._checks import the_tensor
from ..parameter import UninitializedParameter
from . import batchnorm, conv, linear
from .module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._core import Tensor
    from ...types import Device

    Sizes = int | Sequence[int]

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
]


class _Lazy(Module):
    """A layer whose parameters have no shape until its first input, when it becomes `_mature`.

    Move it (`.to`) before that; hand its parameters to an optimizer after it.
    """

    _mature: ClassVar[type[Any]]

    def _forget(self) -> None:
        """Replace the empty parameters, at the end of __init__."""
        for name, parameter in list(self._parameters.items()):
            if parameter is not None:
                setattr(self, name, UninitializedParameter(dtype=parameter.dtype))

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or a buffer still waits for its shape."""
        return any(isinstance(p, UninitializedParameter) for p in self._parameters.values()) or any(
            b is not None and b.shape == (0,) for b in self._buffers.values()
        )

    def reset_parameters(self) -> None:
        """Draw the parameters, once they have a shape."""

    def _shapes(self, input: Tensor) -> dict[str, tuple[int, ...]]:
        """The shapes of parameters and buffers; sets what else depends on the input."""
        raise NotImplementedError(f"[{type(self).__name__}] names no shapes; define _shapes")

    def forward(self, input: Tensor, *rest: Any, **named: Any) -> Any:
        shapes, waiting = self._shapes(input), self.has_uninitialized_params()
        for name, shape in shapes.items() if waiting else ():
            tensor = getattr(self, name)
            if isinstance(tensor, UninitializedParameter):
                tensor.materialize(shape)
            elif tensor is not None:
                tensor.data = _core.empty(shape, dtype=tensor.dtype)
        self.__class__ = self._mature
        layer: Any = self
        if waiting:  # otherwise a state_dict was loaded
            layer.reset_parameters()
        return layer.forward(input, *rest, **named)


class LazyLinear(_Lazy, linear.Linear):
    """Linear with in_features of its first input."""

    _mature = linear.Linear

    def __init__(self, out_features: int, bias: bool = True, **factory: Any) -> None:
        super().__init__(0, out_features, bias, **factory)
        self._forget()

    def _shapes(self, input: Tensor) -> dict[str, tuple[int, ...]]:
        self.in_features = input.shape[-1]
        return {"weight": (self.out_features, self.in_features), "bias": (self.out_features,)}


class _LazyConv(_Lazy):
    """A convolution with in_channels of its first input."""

    def __init__(self, out_channels: int, kernel_size: Sizes, *rest: Any, **options: Any) -> None:
        super().__init__(0, 0, kernel_size, *rest, **options)  # type: ignore[call-arg]
        self.out_channels = out_channels
        self._forget()

    def _shapes(self, input: Tensor) -> dict[str, tuple[int, ...]]:
        layer: Any = self
        op, dims, groups = type(self).__name__, layer._dims, layer.groups
        if the_tensor(op, input).ndim not in (dims + 1, dims + 2):
            raise RuntimeError(
                f"[{op}] the input has shape {tuple(input.shape)}; expected {dims + 1} or "
                f"{dims + 2} dimensions"
            )
        channels = input.shape[-dims - 1]
        if channels % groups:
            raise ValueError(
                f"[{op}] in_channels={channels} is no multiple of groups={groups}; make it one"
            )
        layer.in_channels = channels
        pair = (channels, layer.out_channels)
        first, second = pair if layer.transposed else pair[::-1]
        weight = (first, second // groups, *layer.kernel_size)
        return {"weight": weight, "bias": (layer.out_channels,)}


class _LazyNorm(_Lazy):
    """A normalisation with num_features of its first input."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Device = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        settings: Any = (eps, momentum, affine, track_running_stats, device, dtype)
        super().__init__(0, *settings, bias=bias)  # type: ignore[call-arg]
        self._forget()

    def _shapes(self, input: Tensor) -> dict[str, tuple[int, ...]]:
        layer: Any = self
        layer._check(input)
        layer.num_features = input.shape[1]
        names = ("weight", "bias", "running_mean", "running_var")
        return dict.fromkeys(names, (layer.num_features,))


class LazyConv1d(_LazyConv, conv.Conv1d):
    """Conv1d with in_channels of its first input."""

    _mature = conv.Conv1d


class LazyConvTranspose1d(_LazyConv, conv.ConvTranspose1d):
    """ConvTranspose1d with in_channels of its first input."""

    _mature = conv.ConvTranspose1d


class LazyConv2d(_LazyConv, conv.Conv2d):
    """Conv2d with in_channels of its first input."""

    _mature = conv.Conv2d


class LazyConvTranspose2d(_LazyConv, conv.ConvTranspose2d):
    """ConvTranspose2d with in_channels of its first input."""

    _mature = conv.ConvTranspose2d


class LazyConv3d(_LazyConv, conv.Conv3d):
    """Conv3d with in_channels of its first input."""

    _mature = conv.Conv3d


class LazyConvTranspose3d(_LazyConv, conv.ConvTranspose3d):
    """ConvTranspose3d with in_channels of its first input."""

    _mature = conv.ConvTranspose3d


class LazyBatchNorm1d(_LazyNorm, batchnorm.BatchNorm1d):
    """BatchNorm1d with num_features of its first input."""

    _mature = batchnorm.BatchNorm1d


class LazyInstanceNorm1d(_LazyNorm, batchnorm.InstanceNorm1d):
    """InstanceNorm1d with num_features of its first input."""

    _mature = batchnorm.InstanceNorm1d


class LazyBatchNorm2d(_LazyNorm, batchnorm.BatchNorm2d):
    """BatchNorm2d with num_features of its first input."""

    _mature = batchnorm.BatchNorm2d


class LazyInstanceNorm2d(_LazyNorm, batchnorm.InstanceNorm2d):
    """InstanceNorm2d with num_features of its first input."""

    _mature = batchnorm.InstanceNorm2d


class LazyBatchNorm3d(_LazyNorm, batchnorm.BatchNorm3d):
    """BatchNorm3d with num_features of its first input."""

    _mature = batchnorm.BatchNorm3d


class LazyInstanceNorm3d(_LazyNorm, batchnorm.InstanceNorm3d):
    """InstanceNorm3d with num_features of its first input."""

    _mature = batchnorm.InstanceNorm3d
