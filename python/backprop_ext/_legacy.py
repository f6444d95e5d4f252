"""The typed tensors of old scripts: FloatTensor([1.0]), LongTensor(2, 3), isinstance checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _core
from ._core import Tensor

if TYPE_CHECKING:
    _Base = Tensor
else:
    _Base = object

__all__ = ["BoolTensor", "DoubleTensor", "FloatTensor", "IntTensor", "LongTensor"]


class _TypedTensor(type):
    """T(data) is tensor(data, dtype=T.dtype), T(2, 3) is empty(2, 3, dtype=T.dtype)."""

    dtype: Any

    def __call__(cls, *args: Any) -> Tensor:
        if not args or all(type(size) is int for size in args):
            return _core.empty(args or (0,), dtype=cls.dtype)
        return _core.tensor(*args, dtype=cls.dtype)

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
