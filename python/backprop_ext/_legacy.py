"""What old scripts call: FloatTensor([1.0]), LongTensor(2, 3), x.new(2, 3), range(0, 3)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from ._core import Tensor
from ._device import on_cpu
from ._size import Size
from ._tensor import is_tensor

if TYPE_CHECKING:
    _Base = Tensor
else:
    _Base = object

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "range",
]


def _made(args: tuple[Any, ...], dtype: Any, device: Any = None) -> Tensor:
    """A tensor of data, or an uninitialized one of a size given as numbers or as a Size.

    TypeError for a tensor of another type, and for one number that is no size.
    """
    if device is not None:
        on_cpu(device)
    if len(args) == 1 and isinstance(args[0], Size):
        return _core.empty(args[0], dtype=dtype)
    if all(isinstance(size, (int, np.integer)) and not isinstance(size, bool) for size in args):
        return _core.empty(args or (0,), dtype=dtype)
    for data in args[:1]:
        kind = data.dtype if is_tensor(data) else type(data).__name__
        if not hasattr(data, "__len__") or (is_tensor(data) and kind != dtype):
            raise TypeError(
                f"[tensor] a {kind} for {dtype}; pass sizes, a sequence of numbers, or a tensor of "
                "that type, as .to(dtype) makes it"
            )
    return _core.tensor(*args, dtype=dtype)


def range(start: float = 0, end: float = 0, step: float = 1, **options: Any) -> Tensor:
    """start, start + step, ... up to and with end, floats by default; deprecated, see arange.

    RuntimeError where the steps lead away from end.
    """
    warnings.warn("[range] deprecated: it holds its end; use arange", UserWarning, stacklevel=2)
    if step == 0 or (end - start) / step < 0:
        raise RuntimeError(f"[range] from {start} to {end} in steps of {step}; turn the step round")
    dtype = options.pop("dtype", None) or _core.get_default_dtype()
    exact = _core.float64 if dtype.is_floating_point else dtype
    places = _core.arange(int((end - start) / step) + 1, dtype=exact, **options)
    return (places * step + start).to(dtype)


def _new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """T(2, 3) or T(data), T being the type of self: see new_empty and new_tensor."""
    return _made(args, self.dtype, device)


_new.__name__ = "new"
Tensor.new = _new  # type: ignore[method-assign]


def _volatile(self: Tensor) -> bool:
    """False, with a warning: there is no such flag since PyTorch 0.4."""
    warnings.warn("[volatile] always False; see no_grad", UserWarning, stacklevel=2)
    return False


Tensor.volatile = property(_volatile)  # type: ignore[assignment,method-assign]


class _TypedTensor(type):
    """T(data) is tensor(data, dtype=T.dtype), T(2, 3) is empty(2, 3, dtype=T.dtype)."""

    dtype: Any

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        return _made(args, cls.dtype, device)

    def __instancecheck__(cls, obj: object) -> bool:
        return isinstance(obj, Tensor) and obj.dtype == cls.dtype


class BFloat16Tensor(_Base, metaclass=_TypedTensor):
    """A tensor of bfloat16."""

    dtype = _core.bfloat16


class BoolTensor(_Base, metaclass=_TypedTensor):
    """A tensor of bool."""

    dtype = _core.bool


class ByteTensor(_Base, metaclass=_TypedTensor):
    """A tensor of uint8."""

    dtype = _core.uint8


class CharTensor(_Base, metaclass=_TypedTensor):
    """A tensor of int8."""

    dtype = _core.int8


class DoubleTensor(_Base, metaclass=_TypedTensor):
    """A tensor of float64."""

    dtype = _core.float64


class FloatTensor(_Base, metaclass=_TypedTensor):
    """A tensor of float32."""

    dtype = _core.float32


class HalfTensor(_Base, metaclass=_TypedTensor):
    """A tensor of float16."""

    dtype = _core.float16


class IntTensor(_Base, metaclass=_TypedTensor):
    """A tensor of int32."""

    dtype = _core.int32


class LongTensor(_Base, metaclass=_TypedTensor):
    """A tensor of int64."""

    dtype = _core.int64


class ShortTensor(_Base, metaclass=_TypedTensor):
    """A tensor of int16."""

    dtype = _core.int16
