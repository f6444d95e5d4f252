"""What is checked of arguments: PyTorch's classes of error, and a text of their own."""

from __future__ import annotations

import copyreg
from operator import index
from typing import Any

import numpy as np

from . import _core
from ._core import Tensor
from ._core import _WrongKindError as WrongKindError

__all__ = [
    "WrongKindError",
    "is_number",
    "the_bool",
    "the_dim",
    "the_dims",
    "the_number",
    "the_tensor",
    "truths",
    "whole",
]


def _as_shown(error: Exception) -> tuple[type[BaseException], tuple[Any, ...]]:
    return type(error).__bases__[0], error.args


# Errors of several classes bear the name of their first; to another process they go as that one.
for _class in _core._joint_errors:
    copyreg.pickle(_class, _as_shown)  # type: ignore[arg-type]


def the_tensor(op: str, value: object, argument: str = "input") -> Tensor:
    """value; where it is no tensor, an error that is a TypeError and an AttributeError."""
    if isinstance(value, Tensor):
        return value
    raise _core._WrongKindError(
        f"[{op}] argument '{argument}' must be Tensor, not {type(value).__name__}; "
        "wrap it in tensor()"
    )


def whole(value: Any) -> int | None:
    """A whole number as an int: of Python, NumPy or a tensor. None for a bool or another thing."""
    if isinstance(value, (bool, np.ndarray)):
        return None
    try:
        return index(value)
    except TypeError:
        return None


def is_number(value: object) -> bool:
    """Whether PyTorch's operations take it as one: of Python, of NumPy, a tensor; no Fraction."""
    return isinstance(value, (int, float, complex, np.number, Tensor))


def the_number(op: str, value: Any, argument: str) -> Any:
    """value; TypeError where it is no real number, or would lose its gradient as one."""
    if not hasattr(value, "__float__"):
        raise TypeError(f"[{op}] {argument}={value!r}; pass a number")
    if isinstance(value, Tensor) and value.requires_grad:
        raise TypeError(f"[{op}] {argument} requires grad, which it would lose; detach() it")
    return value


def the_dim(op: str, d: object, ndim: int, given: object) -> int:
    """d, a dimension of `ndim`, which the argument `given` names; TypeError or IndexError."""
    place = whole(d)
    if place is None:
        raise TypeError(f"[{op}] dim={given!r}; pass a whole number, or a tuple of them")
    if not -ndim <= place < ndim:
        raise IndexError(f"[{op}] dimension {place} of {ndim}; pass {-ndim} to {ndim - 1}")
    return place


def the_dims(op: str, dim: Any, ndim: int) -> list[int]:
    """The dimensions that `dim` names: all `ndim` for None, one, or several."""
    if dim is None:
        return list(range(ndim))
    each = dim if isinstance(dim, (tuple, list, range)) else (dim,)
    return [the_dim(op, d, ndim, dim) for d in each]


def the_bool(op: str, value: object, argument: str) -> bool:
    """value; TypeError where it is neither True nor False."""
    if isinstance(value, bool):
        return value
    raise TypeError(f"[{op}] {argument}={value!r}; pass True or False")


def truths(*switches: object) -> None:
    """Asks for the truth of switches that change nothing here; a tensor may have none."""
    for switch in switches:
        bool(switch)
