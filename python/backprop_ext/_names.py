"""Names that are not here: what the error says, and whether PyTorch has them.

A namespace of the package says `__getattr__ = missing_from("torch.nn", globals())`.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType

__all__ = [
    "absent",
    "guard_methods",
    "guard_module",
    "is_absent",
    "keep_also",
    "missing_from",
    "torch_names",
]


# Element types that are not here, and what stands nearest: a type, then the method of that name.
_KIN: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(["complex32", "chalf"], ("complex64", "cfloat")),
    "uint16": ("int32",),
    **dict.fromkeys(["uint32", "uint64"], ("int64",)),
}


@cache
def torch_names() -> dict[str, frozenset[str]]:
    """PyTorch's public names by namespace, `torch.Tensor` being one of them."""
    from pathlib import Path

    text = Path(__file__).with_name("_torch_names.txt").read_text(encoding="utf-8")
    sections = (section.split() for section in text.split("\n[")[1:])
    return {words[0].rstrip("]"): frozenset(words[1:]) for words in sections}


def absent(namespace: str, name: str, have: Iterable[str]) -> str:
    """Why a name is missing: not here (yet), or nowhere; and the nearest that there is."""
    from difflib import get_close_matches

    names = {other for other in have if other[0] != "_"}
    kin = [other for other in _KIN.get(name, ()) if other in names]
    near = kin or get_close_matches(name, names, n=1, cutoff=0.75)
    if name in torch_names().get(namespace, ()):
        reason = "torch has it, backprop_ext does not (yet)"
        return reason + (f"; nearest: {near[0]!r}" if near else "")
    return "torch has none either" + (f"; did you mean {near[0]!r}?" if near else "")


def missing_from(
    namespace: str, have: Mapping[str, Any], lazy: Mapping[str, str] | None = None
) -> Callable[[str], Any]:
    """A module's `__getattr__`: imports a `lazy` name from where it says, or raises.

    AttributeError says whether PyTorch has the name, and the nearest there is.
    """
    module = have["__name__"]

    def find(name: str) -> Any:
        if lazy and name in lazy:
            from importlib import import_module

            found = import_module(lazy[name], have["__package__"])
            return found if lazy[name].endswith(f".{name}") else getattr(found, name)
        reason = ""
        if not name.startswith("_"):
            reason = "; " + absent(namespace, name, [*have, *(lazy or ())])
        raise AttributeError(f"module {module!r} has no attribute {name!r}{reason}")

    return find


def keep_also(package: dict[str, Any], places: Mapping[str, str]) -> None:
    """Names of a package also in the modules where PyTorch keeps them, which are made if need be.

    So that `from torch.optim.adamw import AdamW` finds what is written in optim/adam.py.
    """
    for place, names in places.items():
        path = f"{package['__name__']}.{place}"
        if path not in sys.modules:
            package[place] = sys.modules[path] = module_from_spec(ModuleSpec(path, None))
        for name in names.split():
            found = package[name]
            setattr(sys.modules[path], name, found)
            if isinstance(found, type):
                found.__module__ = path  # type(x) prints it


def guard_module(module: ModuleType) -> None:
    """Give a module such a `__getattr__`, unless it has one of its own."""
    path = module.__name__.replace(__package__, "torch", 1)
    vars(module).setdefault("__getattr__", missing_from(path, vars(module)))


class _Absent:
    """Stands for a method of PyTorch's that is missing: to take it is an error that says so."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        have = [name for name in dir(owner) if not is_absent(owner, name)]
        reason = absent("torch.Tensor", self._name, have)
        raise AttributeError(f"{owner.__name__!r} object has no attribute {self._name!r}; {reason}")


def guard_methods(cls: type) -> None:
    """Give a Tensor type an error of its own for each of PyTorch's methods that it lacks.

    It costs nothing where a method is found, which a `__getattr__` would.
    """
    guarded = torch_names()["torch.Tensor"] - set(dir(cls))
    for name in guarded:
        value = _Absent()
        value.__set_name__(cls, name)
        setattr(cls, name, value)

    def listed(self: object) -> list[str]:
        return [name for name in object.__dir__(self) if name not in guarded]

    cls.__dir__ = listed  # type: ignore[assignment]


def is_absent(cls: type, name: str) -> bool:
    """Whether a class has only such a stand-in under a name."""
    found = next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)
    return isinstance(found, _Absent)
