"""Sizes that are given once or per dimension, as layers of one's own read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._sizes import per_dimension

if TYPE_CHECKING:
    from collections.abc import Callable

__all__: list[str] = []


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple[Any, ...]]:
    """The function that gives a number n times, and several numbers as they are."""
    return lambda value: per_dimension(value, n)


_single, _pair, _triple, _quadruple = (_ntuple(n) for n in (1, 2, 3, 4))
