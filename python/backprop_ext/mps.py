"""Apple's GPUs, which are not used. What scripts ask before they move anything."""

from __future__ import annotations

from typing import Any

from ._device import on_cpu
from .cuda import device_count, is_available, manual_seed

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "synchronize"]


def _refuse() -> Any:
    """Raises RuntimeError: there is no GPU."""
    on_cpu("mps")


empty_cache = synchronize = _refuse
