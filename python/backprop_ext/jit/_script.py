"""Modules that were scripted or traced: views that share all with the module and stay Python."""

from __future__ import annotations

import os
from functools import cache
from pickle import UnpicklingError
from types import new_class
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..nn.modules.module import Module

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..serialization import File

__all__ = [
    "RecursiveScriptModule",
    "ScriptModule",
    "TopLevelTracedModule",
    "load",
    "save",
    "view",
]

_K = TypeVar("_K", bound="ScriptModule")


class ScriptModule(Module):
    """A Module, to derive from (forward is marked with script_method), or a view of one."""

    def save(self, f: File, _extra_files: Mapping[str, Any] | None = None) -> None:
        """jit.save(self, f)."""
        save(self, f, _extra_files)

    def _plain(self) -> Module:
        """What is written of it."""
        return self

    @property
    def code(self) -> str:
        """NotImplementedError: there are no programs."""
        raise NotImplementedError("[code] there are no programs here; read forward() itself")

    @property
    def graph(self) -> Any:
        """NotImplementedError: there are no programs."""
        raise NotImplementedError("[graph] there are no programs here; see explain() or fx")


class RecursiveScriptModule(ScriptModule):
    """A module in another class: parameters, attributes, mode and hooks are the module's own."""

    _viewed: type[Module]

    @property
    def original_name(self) -> str:
        """The name of the module's class."""
        return self._viewed.__name__

    def _plain(self) -> Module:
        return _sharing(self._viewed, self)

    def extra_repr(self) -> str:
        return f"original_name={self.original_name}"

    def _child_reprs(self) -> list[str]:
        kind = next(base for base in _KINDS if isinstance(self, base))
        return [f"({name}): {view(child, kind)!r}" for name, child in self._modules.items()]


class TopLevelTracedModule(RecursiveScriptModule):
    """A view that prints under the name of the module's own class."""

    def _get_name(self) -> str:
        return self.original_name


_KINDS = (TopLevelTracedModule, RecursiveScriptModule)


@cache
def _in_kind(kind: Any, cls: Any) -> type[Module]:
    made = new_class(kind.__name__, (kind, cls), {}, lambda body: body.update(_viewed=cls))
    made.__module__ = kind.__module__
    return made


def _sharing(cls: type[Module], module: Module) -> Module:
    made = cls.__new__(cls)
    object.__setattr__(made, "__dict__", module.__dict__)
    return made


def view(module: Module, kind: type[_K]) -> _K:
    """The module as a `kind`, unless it is a ScriptModule already."""
    if isinstance(module, ScriptModule):
        return cast("_K", module)
    seen_as: Any = (kind, type(module))
    return cast("_K", _sharing(_in_kind(*seen_as), module))


def save(m: Any, f: File, _extra_files: Mapping[str, Any] | None = None) -> None:
    """Write a ScriptModule: its class's name, its state and further texts by name.

    No program is written: who loads it needs the class. Raises AttributeError for what is neither
    scripted nor traced.
    """
    from ..serialization import save as write

    if not isinstance(m, ScriptModule):
        raise AttributeError(
            f"[jit.save] a {type(m).__name__} is no ScriptModule; pass jit.script(...) of it"
        )
    write({"scripted": m._plain(), "extra_files": dict(_extra_files or {})}, f)


def load(
    f: File,
    map_location: Any = None,
    _extra_files: dict[str, Any] | None = None,
    _restore_shapes: bool = False,
) -> ScriptModule:
    """What `save` wrote, made of classes that the program has imported.

    The texts whose names `_extra_files` has are put there, as bytes. Raises ValueError where there
    is no file, RuntimeError for one that jit.save did not write, AttributeError for a class that
    the program does not have.
    """
    from ..serialization import load as read

    if isinstance(f, (str, os.PathLike)) and not os.path.exists(f):
        raise ValueError(f"[jit.load] there is no file {os.fspath(f)!r}; pass what jit.save wrote")
    try:
        found = read(f, map_location, weights_only=False)
    except UnpicklingError as error:
        raise RuntimeError(str(error)) from error
    if not isinstance(found, dict) or set(found) != {"scripted", "extra_files"}:
        raise RuntimeError(f"[jit.load] {f} was not written by jit.save; use backprop_ext.load")
    for name in _extra_files or ():
        text = found["extra_files"].get(name, b"")
        cast("dict[str, Any]", _extra_files)[name] = (
            text.encode() if isinstance(text, str) else text
        )
    return view(found["scripted"], RecursiveScriptModule)
