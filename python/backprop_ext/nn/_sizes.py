"""Sizes that are given once or per dimension."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["per_dimension"]


def per_dimension(value: Any, dims: int) -> tuple[Any, ...]:
    """A number once per dimension; several numbers as they are."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * dims
