"""What goes into a captured function and comes out of it: nested values with tensors in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any, Final

import numpy as np

from . import _core
from ._core import Tensor

__all__ = ["TENSOR", "rebuild", "skeleton", "title", "with_tensors"]


def with_tensors(value: Any, tensors: Any) -> Any:
    """The same arguments with arrays replaced by the tensors made of them.

    Raises TypeError for an argument that no signature can hold.
    """
    if isinstance(value, (Tensor, np.ndarray)):
        return next(tensors)
    if isinstance(value, (tuple, list)):
        return _like(value, [with_tensors(v, tensors) for v in value])
    if isinstance(value, dict):
        return {k: with_tensors(v, tensors) for k, v in value.items()}
    try:
        hash(value)
    except TypeError:
        raise TypeError(
            f"[capture] an argument is a {type(value).__name__}, which has no hash, so that one "
            "cannot be told from another; pass tensors, numbers, or lists, tuples and dicts of them"
        ) from None
    return value


TENSOR: Final = object()


def skeleton(value: Any, tensors: list[Tensor]) -> Any:
    """A result with a mark in the place of each tensor; these are collected, without graphs.

    Raises TypeError for generators, iterators and coroutines.
    """
    if isinstance(value, Tensor):
        tensors.append(value if value.is_leaf else value.detach())
        return TENSOR
    if isinstance(value, (tuple, list)):
        return _like(value, [skeleton(v, tensors) for v in value])
    if isinstance(value, dict):
        return {k: skeleton(v, tensors) for k, v in value.items()}
    if isinstance(value, (Iterator, Awaitable, AsyncIterator)):
        raise TypeError(
            f"[capture] the function returned a {type(value).__name__}, which runs once and later; "
            "return tensors, or a list of them"
        )
    return value


def _like(value: Any, items: list[Any]) -> Any:
    """The items as a list, tuple or named tuple, as `value` is one."""
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def rebuild(value: Any, tensors: Any) -> Any:
    if value is TENSOR:
        return next(tensors)
    if isinstance(value, (tuple, list)):
        return _like(value, [rebuild(v, tensors) for v in value])
    if isinstance(value, dict):
        return {k: rebuild(v, tensors) for k, v in value.items()}
    return value


def title(args: Any, kwargs: Any) -> str:
    """The arguments of a recording."""
    named = [f"{name}={_text(value)}" for name, value in kwargs.items()]
    return f"({', '.join([*map(_text, args), *named])})" + (
        "" if _core._is_grad_enabled() else ", no_grad"
    )


def _text(value: Any) -> str:
    """An argument for people: float32[8, 3], 0.5, ..."""
    if isinstance(value, Tensor):
        flag = ", requires_grad" if value.requires_grad else ""
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}{flag}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(_text, value)) + ")"
    return repr(value)
