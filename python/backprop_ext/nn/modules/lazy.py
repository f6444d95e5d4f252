"""Layers that learn the number of their input channels or features from their first input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from ..._checks import the_tensor
from ..parameter import UninitializedBuffer, UninitializedParameter, is_lazy
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


class LazyModuleMixin:
    """Before a Module in the bases: one whose parameters have no shape until its first input.

    __init__ makes UninitializedParameters and UninitializedBuffers, `initialize_parameters`, which
    is called with the first input, gives them their shapes; then the module's class becomes
    `cls_to_become`, unless that is None. Move it (`.to`) before that; hand its parameters to an
    optimizer after it. Source: PyTorch's torch.nn.modules.lazy.LazyModuleMixin.
    """

    cls_to_become: ClassVar[type[Any] | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        module: Any = self
        module._initialize_hook = module.register_forward_pre_hook(
            LazyModuleMixin._infer_parameters, with_kwargs=True
        )

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters their shapes and values. NotImplementedError unless overridden."""
        raise NotImplementedError(
            f"[{type(self).__name__}] names no shapes; define initialize_parameters"
        )

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or a buffer still waits for its shape."""
        module: Any = self
        return any(map(is_lazy, (*module._parameters.values(), *module._buffers.values())))

    def _infer_parameters(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The hook before the first forward. RuntimeError for a shape that was not given."""
        module: Any = self
        module.initialize_parameters(*args, **kwargs)
        if module.has_uninitialized_params():
            raise RuntimeError(
                f"[{type(self).__name__}] a parameter still has no shape; "
                "materialize all in initialize_parameters"
            )
        module._initialize_hook.remove()
        del module._initialize_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become


class _Lazy(LazyModuleMixin, Module):
    """A layer of this package: what its shapes are depends on the input alone."""

    def _forget(self) -> None:
        """Replace the empty tensors, at the end of __init__."""
        for name, parameter in list(self._parameters.items()):
            if parameter is not None:
                setattr(self, name, UninitializedParameter(dtype=parameter.dtype))
        for name, buffer in list(self._buffers.items()):
            if buffer is not None and buffer.shape == (0,):
                self.register_buffer(name, UninitializedBuffer(dtype=buffer.dtype))

    def reset_parameters(self) -> None:
        """Draw the parameters, once they have a shape."""

    def _shapes(self, input: Tensor) -> dict[str, tuple[int, ...]]:
        """The shapes of parameters and buffers; sets what else depends on the input."""
        raise NotImplementedError(f"[{type(self).__name__}] names no shapes; define _shapes")

    def initialize_parameters(self, input: Tensor, *rest: Any, **named: Any) -> None:
        """Parameters and buffers in the shapes that the input asks for, drawn anew.

        Those of a loaded state_dict stay.
        """
        shapes, layer = self._shapes(input), cast("Any", self)
        if layer.has_uninitialized_params():
            for name, shape in shapes.items():
                if is_lazy(tensor := getattr(self, name)):
                    tensor.materialize(shape)
            layer.cls_to_become.reset_parameters(layer)


class LazyLinear(_Lazy, linear.Linear):
    """Linear with in_features of its first input."""

    cls_to_become = linear.Linear

    def __init__(self, out_features: int, bias: bool = True, **factory: Any) -> None:
        super().__init__(0, out_features, bias, **factory)
        self._forget()

    def _shapes(self, input: Tensor) -> dict[str, tuple[int, ...]]:
        self.in_features = input.shape[-1]
        return {"weight": (self.out_features, self.in_features), "bias": (self.out_features,)}


class _LazyConv(_Lazy):
    """A convolution with in_channels of its first input."""

    def __init__(self, out_channels: int, kernel_size: Sizes, *rest: Any, **options: Any) -> None:
        super().__init__(0, 0, kernel_size, *rest, **options)
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
        super().__init__(0, *settings, bias=bias)
        self._forget()

    def _shapes(self, input: Tensor) -> dict[str, tuple[int, ...]]:
        layer: Any = self
        layer._check(input)
        layer.num_features = input.shape[1]
        names = ("weight", "bias", "running_mean", "running_var")
        return dict.fromkeys(names, (layer.num_features,))


class LazyConv1d(_LazyConv, conv.Conv1d):
    """Conv1d with in_channels of its first input."""

    cls_to_become = conv.Conv1d


class LazyConvTranspose1d(_LazyConv, conv.ConvTranspose1d):
    """ConvTranspose1d with in_channels of its first input."""

    cls_to_become = conv.ConvTranspose1d


class LazyConv2d(_LazyConv, conv.Conv2d):
    """Conv2d with in_channels of its first input."""

    cls_to_become = conv.Conv2d


class LazyConvTranspose2d(_LazyConv, conv.ConvTranspose2d):
    """ConvTranspose2d with in_channels of its first input."""

    cls_to_become = conv.ConvTranspose2d


class LazyConv3d(_LazyConv, conv.Conv3d):
    """Conv3d with in_channels of its first input."""

    cls_to_become = conv.Conv3d


class LazyConvTranspose3d(_LazyConv, conv.ConvTranspose3d):
    """ConvTranspose3d with in_channels of its first input."""

    cls_to_become = conv.ConvTranspose3d


class LazyBatchNorm1d(_LazyNorm, batchnorm.BatchNorm1d):
    """BatchNorm1d with num_features of its first input."""

    cls_to_become = batchnorm.BatchNorm1d


class LazyInstanceNorm1d(_LazyNorm, batchnorm.InstanceNorm1d):
    """InstanceNorm1d with num_features of its first input."""

    cls_to_become = batchnorm.InstanceNorm1d


class LazyBatchNorm2d(_LazyNorm, batchnorm.BatchNorm2d):
    """BatchNorm2d with num_features of its first input."""

    cls_to_become = batchnorm.BatchNorm2d


class LazyInstanceNorm2d(_LazyNorm, batchnorm.InstanceNorm2d):
    """InstanceNorm2d with num_features of its first input."""

    cls_to_become = batchnorm.InstanceNorm2d


class LazyBatchNorm3d(_LazyNorm, batchnorm.BatchNorm3d):
    """BatchNorm3d with num_features of its first input."""

    cls_to_become = batchnorm.BatchNorm3d


class LazyInstanceNorm3d(_LazyNorm, batchnorm.InstanceNorm3d):
    """InstanceNorm3d with num_features of its first input."""

    cls_to_become = batchnorm.InstanceNorm3d
