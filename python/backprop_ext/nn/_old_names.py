"""Functions that work in place under the names they had, without the underscore."""

from __future__ import annotations

import warnings
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["old_names"]


def old_names(*functions: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The functions under their names without the underscore, which warn of it."""
    return [_old(function) for function in functions]


def _old(function: Callable[..., Any]) -> Callable[..., Any]:
    new = function.__name__

    @wraps(function)
    def old(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"[{new[:-1]}] the name is deprecated; use {new}", FutureWarning, stacklevel=2
        )
        return function(*args, **kwargs)

    old.__name__ = old.__qualname__ = new[:-1]
    return old
