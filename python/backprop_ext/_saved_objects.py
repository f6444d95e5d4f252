"""What save and load do with objects that are neither tensors nor containers: whole modules.

An object is written as its class's name and its state, in the parts that pickle asks it for. It
comes back through `cls.__new__` and its `__setstate__`, without a constructor, and only where the
caller trusts the file (`weights_only=False`) or the class (`add_safe_globals`). No function is
called that a file names.
"""

from __future__ import annotations

import contextlib
import copyreg
from collections import Counter, defaultdict, deque
from enum import Enum
from functools import partial
from pathlib import PurePath
from pickle import PicklingError, UnpicklingError
from types import BuiltinFunctionType, FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from ._core import Generator
from ._named import Operation, find, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "UntrustedError",
    "add_safe_globals",
    "clear_safe_globals",
    "fill",
    "get_safe_globals",
    "make",
    "method",
    "parts_of",
    "safe_globals",
    "trusted",
]

# What is written as its name.
_NAMED = (type, FunctionType, BuiltinFunctionType, Operation, Enum)
# Classes whose constructors may be called with what a file holds; and what makes an object of any
# other one that may come from a file.
_CONSTRUCTED = (partial, deque, defaultdict, Counter, range, slice, SimpleNamespace, PurePath)
_MAKERS = [
    kind.__new__ for kind in (object, int, float, str, tuple, list, dict, set, frozenset, Generator)
]

# Trusted without being named, as in PyTorch, by the dotted names that a file has for them.
_ALWAYS: dict[str, Any] = {"collections.Counter": Counter}
# What `add_safe_globals` was given.
_safe: dict[str, Any] = {}


class UntrustedError(UnpicklingError):
    """A file holds objects, and was loaded as if it held tensors and plain containers alone."""


def add_safe_globals(safe_globals: Iterable[Any]) -> None:
    """Classes and functions that files loaded with `weights_only=True` may hold.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
    """
    _safe.update((_dotted(item), item) for item in safe_globals)


def _dotted(item: Any) -> str:
    if isinstance(item, tuple):
        return str(item[1])
    try:
        return name_of(item).replace(":", ".")
    except PicklingError:
        return f"{item.__module__}.{item.__qualname__}"


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` was given."""
    return list(_safe.values())


def clear_safe_globals() -> None:
    """Forget what `add_safe_globals` was given."""
    _safe.clear()


@contextlib.contextmanager
def safe_globals(safe_globals: Iterable[Any]) -> Iterator[None]:
    """add_safe_globals for a block."""
    before = dict(_safe)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _safe.clear()
        _safe.update(before)


def trusted(name: str, weights_only: bool) -> Any:
    """The class or function of a name in a file. UntrustedError, MissingError, ValueError."""
    if not weights_only:
        found = find(name)
        if not isinstance(found, _NAMED):
            raise ValueError(f"{name} is neither a class nor a function")
        return found
    shown = name.replace(":", ".")
    known = _ALWAYS.get(shown, _safe.get(shown))
    if known is not None:
        return known[0] if isinstance(known, tuple) else known
    raise UntrustedError(
        f"[load] the file holds a {shown}, with weights_only=True tensors and plain containers are "
        f"read; load a state_dict(), trust the class by serialization.add_safe_globals([...]), or "
        "the file by weights_only=False"
    )


def parts_of(obj: Any) -> Any:
    """A name, or (class, arguments, state, items, pairs). TypeError, PicklingError."""
    if isinstance(obj, _NAMED):
        return name_of(obj)
    kind = type(obj)
    try:
        made, args, *rest = obj.__reduce_ex__(2)
    except (TypeError, ValueError, AttributeError) as error:
        raise _refused(kind, str(error)) from None
    if made is copyreg.__newobj__:  # type: ignore[attr-defined]
        made, *args = args
        if args and _new_of(kind) is object.__new__:
            made = None
    if made is not kind or not _can_be_made(kind):
        raise _refused(kind, "it is not made from its state alone")
    state, items, pairs = [*rest, None, None, None][:3]
    return name_of(kind), list(args), state, list(items or ()), [list(p) for p in pairs or ()]


def _refused(kind: type, why: str) -> TypeError:
    return TypeError(
        f"[save] a {kind.__module__}.{kind.__qualname__} cannot be saved ({why}); tensors, arrays, "
        "numbers, strings, bytes, None, dtypes, lists, tuples, sets, dicts, modules and objects of "
        "plain classes can; save its parts as a dict"
    )


def _can_be_made(cls: Any) -> bool:
    """Whether a file may have objects of a class: nothing of it runs but its __setstate__."""
    if not isinstance(cls, type) or hasattr(cls, "__del__"):
        return False
    named_tuple = issubclass(cls, tuple) and hasattr(cls, "_fields")
    return issubclass(cls, _CONSTRUCTED) or named_tuple or _new_of(cls) in _MAKERS


def _new_of(cls: Any) -> Any:
    """cls.__new__, but not one in Python above that of object: the state is all there is."""
    news = [vars(base)["__new__"] for base in cls.__mro__ if "__new__" in vars(base)]
    builtin = next(new for new in news if not isinstance(new, staticmethod))
    return builtin if builtin is object.__new__ else cls.__new__


def make(cls: Any, args: list[Any]) -> Any:
    """The object without its state. ValueError for what is no class that may be made."""
    if not _can_be_made(cls):
        raise ValueError(f"{cls!r} is not made from files")
    return cls(*args) if issubclass(cls, _CONSTRUCTED) else _new_of(cls)(cls, *args)


def method(obj: Any, name: str) -> Any:
    """A method of an object that a file holds. ValueError for any other attribute."""
    if not isinstance(getattr(type(obj), name, None), FunctionType):
        raise ValueError(f"{type(obj).__name__}.{name} is no method")
    return getattr(obj, name)


def fill(obj: Any, state: Any, items: list[Any], pairs: list[Any]) -> None:
    """Give an object what pickle would give it."""
    for item in items:
        obj.append(item)
    for key, value in pairs:
        obj[key] = value
    if state is None:
        return
    if hasattr(obj, "__setstate__"):
        obj.__setstate__(state)
        return
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    if attributes:
        obj.__dict__.update(attributes)
    for name, value in (slots or {}).items():
        setattr(obj, name, value)
