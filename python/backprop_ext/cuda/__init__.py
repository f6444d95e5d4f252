"""NVIDIA's GPUs: there are none. What scripts ask before they move anything."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .._device import on_cpu
from .._names import keep_also, missing_from

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CUDAGraph",
    "CharTensor",
    "DoubleTensor",
    "Event",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "OutOfMemoryError",
    "ShortTensor",
    "Stream",
    "current_device",
    "current_stream",
    "default_stream",
    "device",
    "device_count",
    "device_of",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_rng_state",
    "get_rng_state_all",
    "init",
    "initial_seed",
    "ipc_collect",
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
    "set_rng_state",
    "set_rng_state_all",
    "stream",
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


class OutOfMemoryError(RuntimeError):
    """The memory of a GPU is full: it never is."""


class Event:
    """A point of time on a GPU. Raises RuntimeError: there is none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(f"[cuda.{type(self).__name__}] there is no GPU; leave it out on the CPU")


class CUDAGraph(Event):
    """A recording of a GPU's work. Raises RuntimeError: there is no GPU."""


class Stream(Event):
    """A queue of a GPU's work. Raises RuntimeError: there is none."""


class device:  # noqa: N801 (the names are PyTorch's)
    """A block on another GPU: entering it raises AssertionError, but for device(None)."""

    def __init__(self, device: Any) -> None:
        self._given = device

    def __enter__(self) -> None:
        if self._given not in (None, -1):
            on_cpu("cuda")

    def __exit__(self, *exception: object) -> None:
        pass


class device_of(device):  # noqa: N801
    """A block on a tensor's device, which is this one."""

    def __init__(self, obj: Any) -> None:
        super().__init__(None)


def stream(stream: Stream | None) -> AbstractContextManager[None]:
    """A block on a stream: None changes nothing, and others there are not."""
    return nullcontext()


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


def memory_stats(device: Any = None) -> dict[str, Any]:
    """{}."""
    return {}


def get_rng_state_all() -> list[Any]:
    """[]."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Nothing: there is no GPU whose state could be set."""


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Nothing: there is no GPU whose state could be set."""


def _refuse(*args: Any, **kwargs: Any) -> Any:
    """Raises AssertionError: there is no GPU."""
    on_cpu("cuda")


# What needs a GPU.
current_device = current_stream = default_stream = _refuse
get_device_capability = get_device_name = get_device_properties = _refuse
get_rng_state = init = initial_seed = _refuse
ipc_collect = mem_get_info = set_device = _refuse
synchronize = _refuse

keep_also(globals(), {"random": "manual_seed manual_seed_all seed seed_all"})
__getattr__ = missing_from("torch.cuda", globals(), {"amp": ".amp"})
