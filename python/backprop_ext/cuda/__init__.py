"""NVIDIA's GPUs: there are none. What scripts ask before they move anything."""

from __future__ import annotations

from typing import Any

from .._device import on_cpu
from .._names import keep_also, missing_from

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "get_device_properties",
    "init",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "seed",
    "seed_all",
    "set_device",
    "synchronize",
]


# Libraries that save generators' states look at the flag itself.
_initialized = False


class _GpuTensor(type):
    """The type of tensors on a GPU: nothing is one, and to make one raises TypeError."""

    def __call__(cls, *args: Any) -> Any:
        raise TypeError(f"[cuda.{cls.__name__}] there is no GPU; use torch.{cls.__name__}")


BFloat16Tensor = _GpuTensor("BFloat16Tensor", (), {})
BoolTensor = _GpuTensor("BoolTensor", (), {})
ByteTensor = _GpuTensor("ByteTensor", (), {})
CharTensor = _GpuTensor("CharTensor", (), {})
DoubleTensor = _GpuTensor("DoubleTensor", (), {})
FloatTensor = _GpuTensor("FloatTensor", (), {})
HalfTensor = _GpuTensor("HalfTensor", (), {})
IntTensor = _GpuTensor("IntTensor", (), {})
LongTensor = _GpuTensor("LongTensor", (), {})
ShortTensor = _GpuTensor("ShortTensor", (), {})


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def manual_seed(seed: int) -> None:
    """Nothing: there is no GPU to seed."""


def manual_seed_all(seed: int) -> None:
    """Nothing: there is no GPU to seed."""


def seed() -> None:
    """Nothing: there is no GPU to seed."""


def seed_all() -> None:
    """Nothing: there is no GPU to seed."""


def synchronize(device: Any = None) -> None:
    """Raises AssertionError: there is no GPU."""
    on_cpu("cuda")


def empty_cache() -> None:
    """Nothing: there is no memory of a GPU."""


def memory_allocated(device: Any = None) -> int:
    """0 bytes."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """0 bytes."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """0 bytes."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """0 bytes."""
    return 0


def init() -> None:
    """Raises AssertionError: there is no GPU."""
    on_cpu("cuda")


def current_device() -> int:
    """Raises AssertionError: there is no GPU."""
    on_cpu("cuda")
    return 0


def get_device_name(device: Any = None) -> str:
    """Raises AssertionError: there is no GPU."""
    on_cpu("cuda")
    return ""


def get_device_properties(device: Any = None) -> Any:
    """Raises AssertionError: there is no GPU."""
    on_cpu("cuda")


def set_device(device: Any) -> None:
    """Raises AssertionError: there is no GPU."""
    on_cpu("cuda")


keep_also(globals(), {"random": "manual_seed manual_seed_all seed seed_all"})
__getattr__ = missing_from("torch.cuda", globals(), {"amp": ".amp"})
