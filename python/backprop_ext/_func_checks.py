"""What is checked of the arguments and the results of the functions that `func` transforms."""

from __future__ import annotations

from typing import Any

from . import _tree
from ._checks import whole
from ._core import Tensor

__all__ = ["Numbers", "check_chunks", "check_randomness", "only_tensors", "picked", "with_aux"]

Numbers = int | tuple[int, ...]


def only_tensors(op: str, found: list[Any], result: Any) -> None:
    """RuntimeError where a function returned something else than tensors."""
    if not all(isinstance(t, Tensor) for t in found):
        raise RuntimeError(f"[{op}] the function returned {result!r}; return tensors")


def with_aux(op: str, result: Any) -> tuple[Any, Any]:
    """result, a pair; RuntimeError for anything else."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError(f"[{op}] has_aux, but the function returned {result!r}; return a pair")
    aux = result[1]
    if aux is None or not all(isinstance(t, Tensor) for t in _tree.leaves(aux)):
        raise RuntimeError(f"[{op}] has_aux, but beside the result is {aux!r}; return tensors")
    return result


def picked(count: int, argnums: Numbers) -> tuple[int, ...]:
    """The places of the arguments to differentiate to, from 0; RuntimeError for none."""
    each = argnums if isinstance(argnums, tuple) else (argnums,)
    if not each or not all(isinstance(i, int) and -count <= i < count for i in each):
        raise RuntimeError(
            f"[func] {argnums=} with {count} positional arguments; pass the place of one, or a "
            "tuple of them"
        )
    places = tuple(i % count for i in each)
    if len({*places}) < len(places):
        raise RuntimeError(f"[func] {argnums=} names an argument twice; name each once")
    return places


def check_randomness(op: str, randomness: object) -> None:
    """RuntimeError for what names no way of drawing."""
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"[{op}] {randomness=}; pass 'error', 'different' or 'same'")


def check_chunks(op: str, chunk_size: Any) -> None:
    """ValueError for a number that is not above 0, TypeError for a part of one."""
    if chunk_size is not None and not chunk_size > 0:
        raise ValueError(f"[{op}] {chunk_size=}; pass 1 or more, or None")
    if chunk_size is not None and whole(chunk_size) is None and chunk_size < 1:
        raise TypeError(f"[{op}] {chunk_size=}; pass a whole number, or None")
