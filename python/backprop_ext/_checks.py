"""What is checked of arguments: PyTorch's classes of error, and a text of their own."""

from __future__ import annotations

from . import _core
from ._core import Tensor

__all__ = ["the_bool", "the_dim", "the_tensor"]


def the_tensor(op: str, value: object, argument: str = "input") -> Tensor:
    """value; where it is no tensor, an error that is a TypeError and an AttributeError."""
    if isinstance(value, Tensor):
        return value
    raise _core._NotATensorError(
        f"[{op}] argument '{argument}' must be Tensor, not {type(value).__name__}; "
        "wrap it in tensor()"
    )


def the_dim(op: str, d: object, ndim: int, given: object) -> int:
    """d, a dimension of `ndim`, which the argument `given` names; TypeError or IndexError."""
    if isinstance(d, bool) or not isinstance(d, int):
        raise TypeError(f"[{op}] dim={given!r}; pass a whole number, or a tuple of them")
    if not -ndim <= d < ndim:
        raise IndexError(f"[{op}] dimension {d} of {ndim}; pass {-ndim} to {ndim - 1}")
    return d


def the_bool(op: str, value: object, argument: str) -> bool:
    """value; TypeError where it is neither True nor False."""
    if isinstance(value, bool):
        return value
    raise TypeError(f"[{op}] {argument}={value!r}; pass True or False")
