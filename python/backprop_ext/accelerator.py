"""The device beside the CPU: there is none."""

from __future__ import annotations

from ._device import device
from ._names import missing_from

__all__ = ["current_accelerator", "device_count", "is_available"]


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def current_accelerator(check_available: bool = False) -> device | None:
    """None."""
    return None


__getattr__ = missing_from("torch.accelerator", globals())
