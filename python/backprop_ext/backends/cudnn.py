"""The flags of cuDNN, which is not here."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

__all__ = ["allow_tf32", "benchmark", "deterministic", "enabled", "flags", "is_available"]

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """False."""
    return False


def version() -> None:
    """None."""


def flags(**settings: Any) -> AbstractContextManager[None]:
    """A context that changes nothing."""
    return nullcontext()
