"""Apple's GPUs: there are none."""

from __future__ import annotations

from typing import Any

from ._device import on_cpu
from ._names import missing_from
from .cuda import device_count, is_available, manual_seed

__all__ = [
    "current_allocated_memory",
    "device_count",
    "driver_allocated_memory",
    "empty_cache",
    "get_rng_state",
    "is_available",
    "manual_seed",
    "recommended_max_memory",
    "seed",
    "set_per_process_memory_fraction",
    "set_rng_state",
    "synchronize",
]


def _refuse(*args: Any, **kwargs: Any) -> Any:
    """Raises RuntimeError: there is no GPU."""
    on_cpu("mps", RuntimeError)


current_allocated_memory = driver_allocated_memory = recommended_max_memory = _refuse
empty_cache = synchronize = seed = get_rng_state = set_rng_state = _refuse
set_per_process_memory_fraction = _refuse

__getattr__ = missing_from("torch.mps", globals())
