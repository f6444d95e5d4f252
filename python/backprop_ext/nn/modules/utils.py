"""What layers and scripts of one's own call: sizes that are given once or per dimension, keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._sizes import per_dimension

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["consume_prefix_in_state_dict_if_present"]


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple[Any, ...]]:
    """The function that gives a number n times, and several numbers as they are."""
    return lambda value: per_dimension(value, n)


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Take a prefix, such as "module.", from the keys of a state_dict that have it."""
    for key in [*state_dict]:
        if key.startswith(prefix):
            state_dict[key.removeprefix(prefix)] = state_dict.pop(key)
    metadata = getattr(state_dict, "_metadata", {})
    for key in [*metadata]:
        if key and f"{key}.".startswith(prefix):
            metadata[key[len(prefix) :]] = metadata.pop(key)


_single, _pair, _triple, _quadruple = (_ntuple(n) for n in (1, 2, 3, 4))
