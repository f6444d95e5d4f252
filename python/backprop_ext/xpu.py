"""Intel's GPUs: there are none, and what is asked of them is answered as for NVIDIA's."""

from __future__ import annotations

from typing import Any

from ._device import on_cpu
from ._names import missing_from
from .cuda import (
    Event,
    Stream,
    device_count,
    empty_cache,
    get_rng_state_all,
    is_available,
    is_bf16_supported,
    is_initialized,
    manual_seed,
    manual_seed_all,
    max_memory_allocated,
    max_memory_reserved,
    memory_allocated,
    memory_reserved,
    memory_stats,
    seed,
    seed_all,
    set_rng_state_all,
    stream,
)

__all__ = [
    "Event",
    "Stream",
    "current_device",
    "current_stream",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_rng_state",
    "get_rng_state_all",
    "init",
    "initial_seed",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "set_rng_state_all",
    "stream",
    "synchronize",
]


def _refuse(*args: Any, **kwargs: Any) -> Any:
    """Raises AssertionError: there is no GPU."""
    on_cpu("xpu")


current_device = current_stream = get_device_capability = get_device_name = _refuse
get_device_properties = get_rng_state = init = initial_seed = _refuse
mem_get_info = set_device = synchronize = _refuse

__getattr__ = missing_from("torch.xpu", globals())
