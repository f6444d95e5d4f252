"""Shapes with open dimensions: (None, 28, 28) is any number of 28 x 28 images."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, TypeAlias

__all__ = [
    "Shape",
    "Shapes",
    "as_list",
    "as_shape",
    "as_shapes",
    "fits",
    "length_after",
    "plain",
    "scaled",
    "total",
]

Shape: TypeAlias = tuple[int | None, ...]
Shapes: TypeAlias = "Shape | list[Shape]"  # of one input, or of each of several


def as_shape(op: str, given: Any, batch: bool = False) -> Shape:
    """A shape of whole positive numbers and None; `batch` says whether it starts with the batch.

    Raises TypeError for what is no list or tuple of numbers, ValueError for a length below 1.
    """
    if not isinstance(given, (list, tuple)):
        raise TypeError(
            f"[{op}] the shape is {given!r}, a {type(given).__name__}; pass a tuple, such as (2,)"
        )
    lengths: list[int | None] = []
    for length in given:
        if length is not None:
            try:
                length = index(length)
            except TypeError:
                raise TypeError(
                    f"[{op}] the shape {given!r} holds {length!r}; pass whole numbers, or None"
                ) from None
            if length < 1 and not (batch and length == -1):
                raise ValueError(f"[{op}] the shape {given!r} holds {length}; pass 1 or more")
        lengths.append(None if length == -1 else length)
    return tuple(lengths) if batch else (None, *lengths)


def as_shapes(op: str, given: Any, batch: bool = False) -> Shapes:
    """One shape, or a list of them where the elements are shapes."""
    if isinstance(given, (list, tuple)) and given and isinstance(given[0], (list, tuple)):
        return [as_shape(op, shape, batch) for shape in given]
    return as_shape(op, given, batch)


def as_list(shapes: Shapes) -> list[Shape]:
    """The shapes of all inputs."""
    return shapes if isinstance(shapes, list) else [shapes]


def plain(shapes: Sequence[Shape]) -> Shapes:
    """One shape alone, several as a list."""
    return shapes[0] if len(shapes) == 1 else list(shapes)


def fits(shape: Sequence[int | None], wanted: Shape) -> bool:
    """Whether the lengths agree wherever both are known."""
    return len(shape) == len(wanted) and all(
        a is None or b is None or a == b for a, b in zip(shape, wanted, strict=True)
    )


def total(lengths: Sequence[int | None]) -> int | None:
    """Their product, None if one is open."""
    product = 1
    for length in lengths:
        if length is None:
            return None
        product *= length
    return product


def scaled(length: int | None, factor: int, offset: int = 0) -> int | None:
    """factor * length + offset."""
    return None if length is None else factor * length + offset


def length_after(
    op: str, length: int | None, window: int, border_mode: str, stride: int, dilation: int = 1
) -> int | None:
    """How many windows fit: ceil(n / stride), n = length ("same") or length - span + 1 ("valid").

    span = dilation (window - 1) + 1. Raises ValueError where the window is longer than the input.
    """
    if length is None:
        return None
    span = dilation * (window - 1) + 1
    n = length if border_mode == "same" else length - span + 1
    if n < 1:
        raise ValueError(
            f"[{op}] a window of {span} does not fit into a length of {length}; take a smaller "
            "one, or border_mode='same'"
        )
    return -(-n // stride)
