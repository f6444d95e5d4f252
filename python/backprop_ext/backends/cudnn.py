"""The flags of cuDNN, which is not here."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

__all__ = [
    "allow_tf32",
    "benchmark",
    "conv",
    "deterministic",
    "enabled",
    "flags",
    "fp32_precision",
    "is_available",
    "rnn",
]

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True
fp32_precision = "none"
conv, rnn = SimpleNamespace(fp32_precision="tf32"), SimpleNamespace(fp32_precision="tf32")


def is_available() -> bool:
    """False."""
    return False


def version() -> None:
    """None."""


def flags(**settings: Any) -> AbstractContextManager[None]:
    """A context that changes nothing."""
    return nullcontext()
