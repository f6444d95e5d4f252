"""Training on several machines: there is none. What scripts ask before they set it up."""

from __future__ import annotations

import enum

from ._names import missing_from

__all__ = ["ReduceOp", "is_available", "is_initialized"]

__getattr__ = missing_from("torch.distributed", globals())


class ReduceOp(enum.Enum):
    """How processes would combine what they have: names for default arguments."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False
