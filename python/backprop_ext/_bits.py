"""bfloat16, which NumPy has no arrays of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._core import Tensor

__all__ = ["as_bits", "as_values", "from_bits"]


def as_values(t: Tensor) -> NDArray[Any]:
    """The tensor's memory as an array; of bfloat16 a copy in float32."""
    t = t.detach()
    return (t.float() if t.dtype is _core.bfloat16 else t).numpy()


def as_bits(t: Tensor) -> NDArray[Any]:
    """The tensor's memory as an array; that of bfloat16 as int16."""
    t = t.detach()
    return (t.view(_core.int16) if t.dtype is _core.bfloat16 else t).numpy()


def from_bits(array: NDArray[Any], dtype: _core.dtype) -> Tensor:
    """The tensor on the array's memory that as_bits made it of."""
    t = _core.from_numpy(array)
    return t.view(dtype) if dtype is _core.bfloat16 else t
