"""Names given as text: found whatever their case, or answered with the nearest that there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

__all__ = ["choose", "nearest"]

_T = TypeVar("_T")


def nearest(name: str, have: Iterable[str]) -> str:
    """What an error adds about an unknown name: the nearest one, or all of them."""
    known = sorted(have)
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"


def choose(op: str, what: str, name: object, table: Mapping[str, _T]) -> _T:
    """table[name], its case and underscores ignored: SoftMax is softmax.

    Raises ValueError that names the nearest there is, TypeError for what is no name.
    """
    if not isinstance(name, str):
        raise TypeError(
            f"[{op}] {what} is a {type(name).__name__}, {name!r}; pass a name, such as "
            f"{next(iter(table))!r}, or a function"
        )
    plain = {key.replace("_", ""): value for key, value in table.items()}
    found = plain.get(name.lower().replace("_", ""))
    if found is None:
        raise ValueError(f"[{op}] {what} {name!r} is unknown; {nearest(name.lower(), table)}")
    return found
