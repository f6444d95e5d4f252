"""Whether a step is known to be made of tensor operations alone, so that it may be recorded.

What this package computes is; of your own code nobody knows whether its Python counts, draws or
branches, which a recording would freeze.
"""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from ..nn.modules.module import Module

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["foreign"]

_PACKAGE: Final = __name__.partition(".")[0]


def foreign(thing: Any, seen: set[int] | None = None) -> str | None:
    """What of a module or function is not this package's, None where there is nothing.

    Looked at are the class or function, what it holds, and the hooks of modules.
    """
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return None
    seen.add(id(thing))
    if isinstance(thing, MethodType):
        return foreign(thing.__func__, seen) or foreign(thing.__self__, seen)
    is_function = isinstance(thing, (FunctionType, BuiltinFunctionType))
    origin = thing if is_function else type(thing)
    if str(origin.__module__).partition(".")[0] != _PACKAGE:
        return f"{getattr(origin, '__name__', 'it')} is code of yours"
    if isinstance(thing, Module) and (
        thing._forward_hooks or thing._forward_pre_hooks or thing._backward_hooks
    ):
        return f"{type(thing).__name__} has hooks"
    found = (foreign(member, seen) for member in _members(thing))
    return next((reason for reason in found if reason), None)


def _members(thing: Any) -> Iterator[Any]:
    """The functions and callable objects that a thing holds, alone or in lists and dicts."""
    for value in getattr(thing, "__dict__", {}).values():
        items = value.values() if isinstance(value, dict) else value
        for item in items if isinstance(value, (list, tuple, dict)) else [value]:
            if callable(item) and not isinstance(item, type):
                yield item
