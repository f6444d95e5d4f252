"""Classes, functions and members of enumerations by the names under which a program has them.

A name is "module:qualified.name". It is looked up among the modules that are imported already:
nothing is imported for it, but for modules of this package.
"""

from __future__ import annotations

import copyreg
import sys
from enum import Enum
from importlib import import_module
from pickle import PicklingError
from typing import Any

from . import _core

__all__ = ["MissingError", "Operation", "exists", "find", "name_of"]

Operation = type(_core.relu)
_HOMES = ("", ".nn.functional", ".linalg", ".fft", ".special")


class MissingError(AttributeError):
    """A file names what the program does not have."""


def find(name: str) -> Any:
    """What has this name. MissingError where the program has nothing of it."""
    home, _, path = name.partition(":")
    package = __name__.partition(".")[0]
    found: Any = sys.modules.get(home)
    try:
        if home == package or home.startswith(f"{package}."):
            found = import_module(home)
        for part in path.split("."):
            found = getattr(found, part)
    except (AttributeError, ImportError):
        cure = f"define {path} in it" if home in sys.modules else f"import {home} first"
        raise MissingError(
            f"[load] the file holds a {home}.{path}, which the program does not have; {cure}"
        ) from None
    return found


def exists(name: str) -> bool:
    """Whether the program has what has this name."""
    try:
        find(name)
    except MissingError:
        return False
    return True


def name_of(obj: Any) -> str:
    """The name that leads back to an object. PicklingError where none does."""
    if isinstance(obj, Operation):
        homes = [f"{__package__}{home}" for home in _HOMES]
        names = [
            *(f"{home}:{obj.__name__}" for home in homes),
            f"{__package__}:Tensor.{obj.__name__}",
        ]
    else:
        held = type(obj) if isinstance(obj, Enum) else obj
        suffix = f".{obj.name}" if isinstance(obj, Enum) else ""
        names = [f"{held.__module__}:{held.__qualname__}{suffix}"]
    for name in names:
        if exists(name) and find(name) is obj:
            return name
    raise PicklingError(
        f"[save] {obj!r} is not found as {names[0].replace(':', '.')}, a file would name what it "
        "cannot find again; define it at the top level of a module, or save a state_dict()"
    )


copyreg.pickle(Operation, lambda operation: (find, (name_of(operation),)))
