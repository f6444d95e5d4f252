"""Names for annotations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ._core import Tensor
from ._device import device

__all__ = ["Closure", "Device", "Number", "ShapeLike", "StateDict", "TensorOrTensors"]

Number: TypeAlias = int | float | bool
Device: TypeAlias = device | str | None
ShapeLike: TypeAlias = Sequence[int]
TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]
StateDict: TypeAlias = dict[str, Any]
Closure: TypeAlias = Callable[[], Any]
