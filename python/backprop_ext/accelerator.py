"""The device beside the CPU: there is none."""

from __future__ import annotations

from typing import Any

from ._device import device
from ._names import missing_from

__all__ = [
    "current_accelerator",
    "device_count",
    "empty_cache",
    "is_available",
    "max_memory_allocated",
    "memory_allocated",
]


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def current_accelerator(check_available: bool = False) -> device | None:
    """None."""
    return None


def empty_cache() -> None:
    """Nothing: there is no memory of an accelerator."""


def memory_allocated(device_index: Any = None) -> int:
    """0 bytes."""
    return 0


def max_memory_allocated(device_index: Any = None) -> int:
    """0 bytes."""
    return 0


__getattr__ = missing_from("torch.accelerator", globals())
