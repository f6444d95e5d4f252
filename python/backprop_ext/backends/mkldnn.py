"""Intel's oneDNN, which is not used."""

from __future__ import annotations

from types import SimpleNamespace

from .cudnn import flags

__all__ = ["conv", "deterministic", "enabled", "flags", "is_available", "matmul", "rnn"]

enabled = True
deterministic = False
conv, matmul, rnn = (SimpleNamespace(fp32_precision="none") for _ in range(3))


def is_available() -> bool:
    """False."""
    return False
