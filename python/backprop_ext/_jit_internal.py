"""What copies of PyTorch's own modules take from its scripting: types and marks, of no effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Dict, Final, List, Optional, Tuple, Union  # noqa: UP035 (names to import)

from .futures import Future
from .jit import export, ignore, unused

__all__ = [
    "Any",
    "Callable",
    "Dict",
    "Final",
    "Future",
    "List",
    "Optional",
    "Tuple",
    "Union",
    "boolean_dispatch",
    "export",
    "ignore",
    "unused",
]


def boolean_dispatch(
    arg_name: str,
    arg_index: int,
    default: bool,
    if_true: Callable[..., Any],
    if_false: Callable[..., Any],
    module_name: str | None,
    func_name: str | None,
) -> Callable[..., Any]:
    """A function that is one of two, as its argument of that name or place says."""

    def dispatch(*args: Any, **kwargs: Any) -> Any:
        chosen = kwargs.get(arg_name, args[arg_index] if arg_index < len(args) else default)
        return (if_true if chosen else if_false)(*args, **kwargs)

    return dispatch


def _overload(func: Callable[..., Any]) -> Callable[..., Any]:
    """Unchanged: there is no compiler to tell the signatures to."""
    return func


_overload_method = _overload
