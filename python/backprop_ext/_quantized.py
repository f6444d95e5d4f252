"""Quantized tensors: whole numbers, each for (number - zero_point) scale.

A quantized tensor is the tensor of its numbers, of int8, uint8 or int32, with its parameters hung
on it. What moves elements moves the numbers; the other operations that there are compute in float32
and round to the parameters of the input. Any other raises.
Source: https://docs.pytorch.org/docs/stable/quantization.html
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from . import _core
from ._core import Tensor, qint8, qint32, quint8
from ._fake_quantize import choose_qparams
from ._layout import _Named
from ._tensor_str import noted_str, plain_types

__all__ = [
    "QuantizedTensor",
    "per_channel_affine",
    "per_channel_affine_float_qparams",
    "per_channel_symmetric",
    "per_tensor_affine",
    "per_tensor_symmetric",
    "qscheme",
    "quantize_per_channel",
    "quantize_per_tensor",
    "quantize_per_tensor_dynamic",
    "quantized",
]


class qscheme(_Named):  # noqa: N801 (PyTorch's name)
    """How many scales a quantized tensor has, and whether its zero_point is free."""


qscheme.__module__ = __package__
per_tensor_affine: Final = qscheme("per_tensor_affine")
per_tensor_symmetric: Final = qscheme("per_tensor_symmetric")
per_channel_affine: Final = qscheme("per_channel_affine")
per_channel_symmetric: Final = qscheme("per_channel_symmetric")
per_channel_affine_float_qparams: Final = qscheme("per_channel_affine_float_qparams")

_MEMORY: Final[dict[Any, Any]] = {
    qint8: (_core.int8, -128, 127),
    quint8: (_core.uint8, 0, 255),
    qint32: (_core.int32, -(2**31), 2**31 - 1),
}


class QuantizedTensor(Tensor):
    """Numbers with a scale and a zero_point, of the whole or of each index of a dimension."""

    _parameters: tuple[Any, Any, int | None, Tensor]

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """func on the numbers, or on what they stand for, rounded; or NotImplementedError."""
        name, given = getattr(func, "__name__", str(func)), kwargs or {}
        flat = [v for a in args for v in (a if isinstance(a, (list, tuple)) else [a])]
        first = next(v for v in flat if isinstance(v, QuantizedTensor))
        axis = first._parameters[2]
        if name in ("clone", "detach", "contiguous", "cpu") or (name in _MOVES and axis is None):
            result = func(first.int_repr(), *args[1:], **given)
            if isinstance(result, tuple):
                return tuple(quantized(part, *first._parameters[:3]) for part in result)
            return quantized(result, *first._parameters[:3])
        if name in _ROUNDED and axis is None:
            plain = [
                type(a)(map(_plain, a)) if isinstance(a, (list, tuple)) else _plain(a) for a in args
            ]
            scale, zero = _FIXED.get(name, first._parameters[:2])
            zero -= 128 if name in _FIXED and first.dtype is qint8 else 0
            result = func(*plain, **given)
            if isinstance(result, tuple):  # of pooling, and where the maxima were
                return quantize_per_tensor(result[0], scale, zero, first.dtype), *result[1:]
            return quantize_per_tensor(result, scale, zero, first.dtype)
        if name == "equal" and all(isinstance(a, QuantizedTensor) for a in args):
            return first.q_scale() == args[1].q_scale() and _core.equal(*map(_plain, args))
        raise NotImplementedError(
            f"[{name}] there is no quantized {name}, for a tensor of {tuple(first.shape)} and "
            f"{first.qscheme()}; call .dequantize() first"
        )

    @property
    def dtype(self) -> Any:
        """torch.qint8, quint8 or qint32."""
        kind = self.int_repr().dtype
        return next(quantized for quantized, (memory, *_) in _MEMORY.items() if memory is kind)

    @property
    def is_quantized(self) -> bool:
        """True."""
        return True

    def int_repr(self) -> Tensor:
        """The numbers."""
        return self._parameters[3]

    def dequantize(self) -> Tensor:
        """(number - zero_point) scale, in float32."""
        scale, zero, axis, numbers = self._parameters
        if axis is not None:
            shape = [-1 if k == axis else 1 for k in range(numbers.dim())]
            scale, zero = scale.reshape(shape).float(), zero.reshape(shape)
        return (numbers.to(_core.int32) - zero).float() * scale  # type: ignore[no-any-return]

    def qscheme(self) -> qscheme:
        """torch.per_tensor_affine, or per_channel_affine, with whole zero_points or without."""
        if self._parameters[2] is None:
            return per_tensor_affine
        floating = self._parameters[1].is_floating_point()
        return per_channel_affine_float_qparams if floating else per_channel_affine

    def _of(self, op: str, part: int, by_channel: bool) -> Any:
        if (self._parameters[2] is not None) is not by_channel:
            raise RuntimeError(f"[{op}] is not defined for {self.qscheme()}; look at qscheme()")
        return self._parameters[part]

    def q_scale(self) -> float:
        """The scale."""
        return self._of("q_scale", 0, False)  # type: ignore[no-any-return]

    def q_zero_point(self) -> int:
        """The number that stands for 0."""
        return self._of("q_zero_point", 1, False)  # type: ignore[no-any-return]

    def q_per_channel_scales(self) -> Tensor:
        """A scale for each channel."""
        return self._of("q_per_channel_scales", 0, True)  # type: ignore[no-any-return]

    def q_per_channel_zero_points(self) -> Tensor:
        """A zero_point for each channel."""
        return self._of("q_per_channel_zero_points", 1, True)  # type: ignore[no-any-return]

    def q_per_channel_axis(self) -> int:
        """The dimension of the channels."""
        return self._of("q_per_channel_axis", 2, True)  # type: ignore[no-any-return]

    def numpy(self, *, force: bool = False) -> NoReturn:
        """Raises TypeError: take int_repr() or dequantize()."""
        raise TypeError("[numpy] NumPy has no quantized types; call int_repr() or dequantize()")

    def tolist(self) -> Any:
        """What the numbers stand for."""
        return self.dequantize().tolist()

    def item(self) -> Any:
        """What the only number stands for."""
        return self.dequantize().item()

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one of its entries."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    def numel(self) -> int:
        """The number of elements."""
        return self.int_repr().numel()

    def __len__(self) -> int:
        return len(self.int_repr())

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        notes = [f"size={tuple(self.shape)}", f"dtype={self.dtype}"]
        notes.append(f"quantization_scheme={self.qscheme()}")
        notes += [f"scale={self._parameters[0]}", f"zero_point={self._parameters[1]}"]
        if self._parameters[2] is not None:
            notes.append(f"axis={self._parameters[2]}")
        return noted_str(self.dequantize(), notes)

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return memo.setdefault(id(self), self.clone())

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return quantized, (self.int_repr(), *self._parameters[:3])


plain_types.add(QuantizedTensor)
_MOVES: Final = frozenset(
    [
        "__getitem__",
        "view",
        "reshape",
        "flatten",
        "permute",
        "transpose",
        "t",
        "unsqueeze",
        "squeeze",
        "chunk",
        "split",
        "narrow",
        "index_select",
        "unflatten",
        "repeat",
        "expand",
        "unbind",
        "select",
        "channel_shuffle",
        "pixel_shuffle",
        "view_as",
        "reshape_as",
    ]
)
_ROUNDED: Final = frozenset(
    [
        "relu",
        "relu_",
        "relu6",
        "hardtanh",
        "clamp",
        "leaky_relu",
        "elu",
        "hardswish",
        "max_pool1d_with_indices",
        "max_pool2d_with_indices",
        "max_pool3d_with_indices",
        "max_pool1d",
        "max_pool2d",
        "max_pool3d",
        "mean",
        "avg_pool1d",
        "avg_pool2d",
        "avg_pool3d",
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "adaptive_avg_pool3d",
        "resize",
        "upsample",
        "sigmoid",
        "hardsigmoid",
        "tanh",
        "cat",
        "stack",
        "pad",
        "dropout",
    ]
)
# Results between fixed ends: (scale, zero_point) of quint8.
_FIXED: Final = {
    "sigmoid": (1 / 256, 0),
    "hardsigmoid": (1 / 256, 0),
    "tanh": (2 / 256, 128),
}


def _plain(value: Any) -> Any:
    return value.dequantize() if isinstance(value, QuantizedTensor) else value


def quantized(
    numbers: Tensor, scale: float | Tensor, zero_point: int | Tensor, axis: int | None = None
) -> QuantizedTensor:
    """A quantized tensor of numbers that are there."""
    made: Any = _core._as_subclass(numbers, QuantizedTensor)
    made._parameters = (scale, zero_point, axis, numbers)
    return made  # type: ignore[no-any-return]


def _numbers(op: str, x: Tensor, scale: Any, zero: Any, dtype: Any) -> Tensor:
    if dtype not in _MEMORY:
        raise RuntimeError(f"[{op}] {dtype=}; take torch.qint8, torch.quint8 or torch.qint32")
    if x.dtype is not _core.float32:
        raise RuntimeError(f"[{op}] of {x.dtype}; convert it, x.float()")
    memory, low, high = _MEMORY[dtype]
    level = (x.detach() * scale.float().reciprocal()).round_().double() + zero
    return level.clamp(low, high).to(memory)  # type: ignore[no-any-return]


def quantize_per_tensor(
    input: Tensor, scale: float | Tensor, zero_point: int | Tensor, dtype: Any
) -> QuantizedTensor:
    """round(input / scale) + zero_point, within the limits of dtype."""
    step, zero = float(scale), int(zero_point)
    numbers = _numbers("quantize_per_tensor", input, _core.tensor(step), zero, dtype)
    return quantized(numbers, step, zero)


def quantize_per_channel(
    input: Tensor, scales: Tensor, zero_points: Tensor, axis: int, dtype: Any
) -> QuantizedTensor:
    """The same, with a scale and a zero_point for each index of dimension `axis`."""
    channels = input.shape[axis]
    if scales.shape != (channels,) or zero_points.shape != (channels,):
        raise RuntimeError(
            f"[quantize_per_channel] {tuple(scales.shape)} scales and {tuple(zero_points.shape)} "
            f"zero_points for {channels} channels; pass one for each"
        )
    if not zero_points.is_floating_point():
        scales, zero_points = scales.double(), zero_points.long()
    shape = [-1 if k == axis % input.dim() else 1 for k in range(input.dim())]
    step, zero = scales.reshape(shape), zero_points.reshape(shape)
    numbers = _numbers("quantize_per_channel", input, step, zero, dtype)
    return quantized(numbers, scales, zero_points, axis % input.dim())


def quantize_per_tensor_dynamic(input: Tensor, dtype: Any, reduce_range: bool) -> QuantizedTensor:
    """The same, with the scale and the zero_point that span the input."""
    _, low, high = _MEMORY[dtype]
    if reduce_range:
        low, high = int(low / 2), high // 2
    scale, zero = choose_qparams(*_core.aminmax(input), low, high)
    return quantize_per_tensor(input, scale.item(), zero.item(), dtype)
