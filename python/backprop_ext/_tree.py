"""Tensors in nested tuples, lists and dicts, as functions take and return them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["broadcast_prefix", "flatten", "leaves"]


def leaves(tree: Any) -> list[Any]:
    """What is in a tree, in its order."""
    return flatten(tree)[0]


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """(leaves, build): build(leaves) is the tree again, with other leaves in their places."""
    found: list[Any] = []
    _collect(tree, found)

    def build(values: list[Any]) -> Any:
        return _rebuilt(tree, iter(values))

    return found, build


def _collect(tree: Any, found: list[Any]) -> None:
    if isinstance(tree, (tuple, list, Mapping)):
        for part in tree.values() if isinstance(tree, Mapping) else tree:
            _collect(part, found)
    elif tree is not None:
        found.append(tree)


def _rebuilt(tree: Any, values: Iterator[Any]) -> Any:
    if isinstance(tree, Mapping):
        pairs = [(key, _rebuilt(part, values)) for key, part in tree.items()]
        return type(tree)(pairs)  # type: ignore[call-arg]
    if isinstance(tree, (tuple, list)):
        parts = [_rebuilt(part, values) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return None if tree is None else next(values)


def broadcast_prefix(op: str, prefix: Any, tree: Any) -> list[Any]:
    """For each leaf of the tree what a prefix of it says: a tuple speaks for the parts of a tuple.

    Raises ValueError where the prefix has another structure.
    """
    if prefix is None or isinstance(prefix, int):
        return [prefix] * len(leaves(tree))
    fits = isinstance(tree, (tuple, list)) and isinstance(prefix, (tuple, list))
    fits = fits or (isinstance(prefix, Mapping) and isinstance(tree, Mapping))
    if not fits or len(prefix) != len(tree):
        raise ValueError(
            f"[{op}] {prefix!r} stands for a {type(tree).__name__}"
            f"{f' of {len(tree)}' if isinstance(tree, (tuple, list, Mapping)) else ''}; "
            "pass a number, None, or the same structure"
        )
    keys = tree.keys() if isinstance(tree, Mapping) else range(len(tree))
    return [each for key in keys for each in broadcast_prefix(op, prefix[key], tree[key])]
