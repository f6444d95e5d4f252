"""Names that a user may have misspelt."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["named"]

_T = TypeVar("_T")


def named(op: str, what: str, name: str, known: Mapping[str, _T]) -> _T:
    """known[name]. Raises ValueError that names the nearest known one, or all of them."""
    if name in known:
        return known[name]
    from difflib import get_close_matches

    plain = {key.lower(): key for key in known}
    near = get_close_matches(str(name).lower(), plain, n=1, cutoff=0.5)
    have = ", ".join(sorted(known)) or "none"
    cure = f"did you mean {plain[near[0]]!r}?" if near else f"known: {have}"
    raise ValueError(f"[{op}] {what} {name!r} is not known; {cure}")
