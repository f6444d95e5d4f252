"""Training on several machines: there is none. What scripts ask before they set it up."""

from __future__ import annotations

from ._names import missing_from

__all__ = ["is_available", "is_initialized"]

__getattr__ = missing_from("torch.distributed", globals())


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False
