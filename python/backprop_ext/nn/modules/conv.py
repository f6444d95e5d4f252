"""Convolutions and their transposes over one, two and three dimensions."""

from __future__ import annotations

from math import prod, sqrt
from typing import TYPE_CHECKING, Any, ClassVar

from ... import _core
from .. import functional as F
from .. import init
from .._sizes import per_dimension
from ..parameter import Parameter
from .module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._core import Tensor
    from ...types import Device

    Sizes = int | Sequence[int]

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]

_PADDING_MODES = {"zeros", "reflect", "replicate", "circular"}


class _ConvNd(Module):
    """Weight, bias and numbers per dimension of a convolution.

    Both start from U(-k, k), k = 1 / sqrt(channels of a group * elements of the kernel); the
    weight is drawn first. Raises ValueError for what does not fit together.
    """

    _dims: ClassVar[int]
    _transposed: ClassVar[bool] = False
    weight: Parameter
    bias: Parameter | None

    def _build(
        self,
        channels: tuple[int, int],
        kernel_size: Sizes,
        numbers: dict[str, Any],
        groups: int,
        bias: bool,
        padding_mode: str,
        factory: dict[str, Any],
    ) -> None:
        op, dims = type(self).__name__, self._dims
        self.in_channels, self.out_channels = channels
        if groups <= 0:
            raise ValueError(f"[{op}] groups={groups} is not positive; pass 1 or more")
        for name, count in zip(("in_channels", "out_channels"), channels, strict=True):
            if isinstance(count, str):  # of which % makes a text
                raise TypeError(f"[{op}] {name}={count!r}; pass a whole number")
            if count % groups:
                raise ValueError(
                    f"[{op}] {name}={count} is no multiple of groups={groups}; make it one"
                )
        if self._transposed and padding_mode != "zeros":
            raise ValueError(f"[{op}] padding_mode={padding_mode!r}; only 'zeros' is supported")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"[{op}] padding_mode={padding_mode!r} is not in {sorted(_PADDING_MODES)}; take one"
            )
        self.kernel_size = per_dimension(kernel_size, dims)
        self.stride = per_dimension(numbers["stride"], dims)
        self.dilation = per_dimension(numbers["dilation"], dims)
        self.output_padding = per_dimension(numbers["output_padding"], dims)
        padding = numbers["padding"]
        named = isinstance(padding, str) and not self._transposed
        if named:
            if padding not in ("same", "valid"):
                raise ValueError(f"[{op}] padding={padding!r}; expected 'same', 'valid' or numbers")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(
                    f"[{op}] padding='same' with stride={self.stride}; it needs stride 1"
                )
        self.padding = padding if named else per_dimension(padding, dims)
        self.transposed, self.groups, self.padding_mode = self._transposed, groups, padding_mode
        first, second = reversed(channels) if not self._transposed else channels
        self.weight = Parameter(
            _core.empty((first, second // groups, *self.kernel_size), **factory)
        )
        self.register_parameter(
            "bias", Parameter(_core.empty(self.out_channels, **factory)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight, then the bias."""
        init.kaiming_uniform_(self.weight, a=sqrt(5))
        fan_in = prod(self.weight.shape[1:])
        if self.bias is not None and fan_in:
            init.uniform_(self.bias, -1 / sqrt(fan_in), 1 / sqrt(fan_in))

    def extra_repr(self) -> str:
        ones, zeros = (1,) * self._dims, (0,) * self._dims
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}, stride={self.stride}",
        ]
        for name, default in (
            ("padding", zeros),
            ("dilation", ones),
            ("output_padding", zeros),
            ("groups", 1),
        ):
            value = getattr(self, name)
            if value != default:
                parts.append(f"{name}={value}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: str | Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Device = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        numbers = {"stride": stride, "padding": padding, "dilation": dilation, "output_padding": 0}
        factory = {"device": device, "dtype": dtype}
        channels = (in_channels, out_channels)
        self._build(channels, kernel_size, numbers, groups, bias, padding_mode, factory)

    @property
    def _reversed_padding_repeated_twice(self) -> list[int]:
        """The padding as nn.functional.pad takes it: the last dimension first, both sides."""
        if self.padding == "valid":
            return [0, 0] * self._dims
        margins = []
        for d in reversed(range(self._dims)):
            if self.padding == "same":
                total = self.dilation[d] * (self.kernel_size[d] - 1)
                margins += [total // 2, total - total // 2]
            else:
                margins += [self.padding[d]] * 2
        return margins

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        functional: Any = F
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = (
                functional.pad(
                    input, self._reversed_padding_repeated_twice, mode=self.padding_mode
                ),
                0,
            )
        rest = (self.stride, padding, self.dilation, self.groups)
        function = getattr(functional, f"conv{self._dims}d")
        result: Tensor = function(input, weight, bias, *rest)
        return result


class Conv1d(_Conv):
    """y[n, o] = b_o + sum_c A[o, c] * x[n, c], * the correlation over L.

    x (N, in, L) or (in, L), A (out, in / groups, kernel_size), y (N, out, L').
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv1d.html
    """

    _dims = 1


class Conv2d(_Conv):
    """y[n, o] = b_o + sum_c A[o, c] * x[n, c], * the correlation over H and W.

    x (N, in, H, W) or (in, H, W), A (out, in / groups, *kernel_size), y (N, out, H', W').
    """

    _dims = 2


class Conv3d(_Conv):
    """y[n, o] = b_o + sum_c A[o, c] * x[n, c], * the correlation over D, H and W.

    x (N, in, D, H, W) or without N, A (out, in / groups, *kernel_size).
    """

    _dims = 3


class _ConvTransposeNd(_ConvNd):
    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Device = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        numbers = {"stride": stride, "padding": padding, "dilation": dilation}
        numbers["output_padding"] = output_padding
        factory = {"device": device, "dtype": dtype}
        channels = (in_channels, out_channels)
        self._build(channels, kernel_size, numbers, groups, bias, padding_mode, factory)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        function: Any = getattr(F, f"conv_transpose{self._dims}d")
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
        rest = (self.stride, self.padding, extra, self.groups, self.dilation)
        result: Tensor = function(input, self.weight, self.bias, *rest)
        return result

    def _extra(self, input: Tensor, output_size: Sequence[int]) -> list[int]:
        """The output padding that leads to a size. Raises ValueError where none does."""
        op, dims = type(self).__name__, self._dims
        size = list(output_size)[-dims:]
        if len(output_size) not in (dims, input.ndim):
            raise ValueError(
                f"[{op}] output_size={tuple(output_size)}; expected {dims} or {input.ndim} numbers"
            )
        extra = []
        for d in range(dims):
            least = (input.shape[d - dims] - 1) * self.stride[d] - 2 * int(self.padding[d])
            least += self.dilation[d] * (self.kernel_size[d] - 1) + 1
            if not least <= size[d] < least + self.stride[d]:
                raise ValueError(
                    f"[{op}] output_size={tuple(size)}: dimension {d} can be {least} to "
                    f"{least + self.stride[d] - 1}; take one of these"
                )
            extra.append(size[d] - least)
        return extra


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of Conv1d in its input, + b; x (N, in, L), A (in, out / groups, kernel)."""

    _dims = 1


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of Conv2d in its input, + b; x (N, in, H, W), A (in, out / groups, ...)."""

    _dims = 2


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of Conv3d in its input, + b; x (N, in, D, H, W), A (in, out / groups, ...)."""

    _dims = 3
