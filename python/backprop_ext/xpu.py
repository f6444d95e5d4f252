"""Intel's GPUs: there are none. What scripts ask before they move anything."""

from __future__ import annotations

from typing import Any

from ._device import on_cpu
from .cuda import (
    device_count,
    empty_cache,
    is_available,
    is_bf16_supported,
    is_initialized,
    manual_seed,
    manual_seed_all,
    max_memory_allocated,
    memory_allocated,
    seed,
    seed_all,
)

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "memory_allocated",
    "seed",
    "seed_all",
    "set_device",
    "synchronize",
]


def _refuse(*args: Any) -> Any:
    """Raises AssertionError: there is no GPU."""
    on_cpu("xpu")


current_device = get_device_name = set_device = synchronize = _refuse
