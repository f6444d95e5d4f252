"""The typed tensors of old scripts: FloatTensor([1.0]), LongTensor(2, 3), x.new(2, 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _core
from ._core import Tensor
from ._size import Size

if TYPE_CHECKING:
    _Base = Tensor
else:
    _Base = object

__all__ = ["BoolTensor", "DoubleTensor", "FloatTensor", "IntTensor", "LongTensor"]


def _made(args: tuple[Any, ...], dtype: Any) -> Tensor:
    """A tensor of data, or an uninitialized one of a size given as numbers or as a Size."""
    if len(args) == 1 and isinstance(args[0], Size):
        return _core.empty(args[0], dtype=dtype)
    if not args or all(type(size) is int for size in args):
        return _core.empty(args or (0,), dtype=dtype)
    return _core.tensor(*args, dtype=dtype)


def _new(self: Tensor, *args: Any) -> Tensor:
    """T(2, 3) or T(data), T being the type of self: see new_empty and new_tensor."""
    return _made(args, self.dtype)


_new.__name__ = "new"
Tensor.new = _new  # type: ignore[method-assign]


class _TypedTensor(type):
    """T(data) is tensor(data, dtype=T.dtype), T(2, 3) is empty(2, 3, dtype=T.dtype)."""

    dtype: Any

    def __call__(cls, *args: Any) -> Tensor:
        return _made(args, cls.dtype)

    def __instancecheck__(cls, obj: object) -> bool:
        return isinstance(obj, Tensor) and obj.dtype == cls.dtype


class BoolTensor(_Base, metaclass=_TypedTensor):
    """A tensor of bool."""

    dtype = _core.bool


class DoubleTensor(_Base, metaclass=_TypedTensor):
    """A tensor of float64."""

    dtype = _core.float64


class FloatTensor(_Base, metaclass=_TypedTensor):
    """A tensor of float32."""

    dtype = _core.float32


class IntTensor(_Base, metaclass=_TypedTensor):
    """A tensor of int32."""

    dtype = _core.int32


class LongTensor(_Base, metaclass=_TypedTensor):
    """A tensor of int64."""

    dtype = _core.int64
