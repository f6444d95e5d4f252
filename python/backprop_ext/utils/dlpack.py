"""DLPack under its old place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._interop import from_dlpack

if TYPE_CHECKING:
    from .._core import Tensor

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule on the tensor's memory, which can be taken once."""
    return tensor.__dlpack__()
