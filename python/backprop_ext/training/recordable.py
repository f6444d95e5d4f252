"""Whether a step is known to be made of tensor operations alone, so that it may be recorded.

What this package computes is; of your own code nobody knows whether its Python counts, draws or
branches, which a recording would freeze.
"""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from ..nn.modules.module import Module

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["foreign", "settings"]

_PACKAGE: Final = __name__.partition(".")[0]
_PLAIN: Final = (bool, int, float, str, type(None))


def foreign(things: Iterable[Any]) -> str | None:
    """What of modules and functions is not this package's, None where there is nothing.

    Looked at are the classes and functions, those that they hold, and the hooks of modules.
    """
    for thing in _reached(things):
        origin = thing if isinstance(thing, (FunctionType, BuiltinFunctionType)) else type(thing)
        if str(origin.__module__).partition(".")[0] != _PACKAGE:
            return f"{origin.__name__} is code of yours"
        if isinstance(thing, Module) and (
            thing._forward_hooks or thing._forward_pre_hooks or thing._backward_hooks
        ):
            return f"{type(thing).__name__} has hooks"
    return None


def settings(things: Iterable[Any]) -> list[Any]:
    """The numbers and texts that modules and functions hold: what a recording has frozen."""
    return [
        (id(thing), name, [*value] if isinstance(value, list) else value)
        for thing in _reached(things)
        for name, value in getattr(thing, "__dict__", {}).items()
        if _is_plain(value) and name != "training"
    ]


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)


def _reached(things: Iterable[Any]) -> Iterator[Any]:
    """Modules, functions and callable objects, with those that they hold, each once."""
    stack, seen = [thing for thing in things if thing is not None], set()
    while stack:
        thing = stack.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, MethodType):
            stack += [thing.__self__, thing.__func__]
            continue
        yield thing
        for value in getattr(thing, "__dict__", {}).values():
            items = value.values() if isinstance(value, dict) else value
            members = items if isinstance(value, (list, tuple, dict)) else [value]
            stack += [m for m in members if callable(m) and not isinstance(m, type)]
