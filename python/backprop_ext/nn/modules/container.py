"""Modules that hold modules: by position, by name, or in a chain."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from operator import index as as_index
from typing import Any, TypeVar, overload

from ._tree import MODULE
from .module import Module

__all__ = ["ModuleDict", "ModuleList", "Sequential"]

_C = TypeVar("_C", bound="_Chain")


class _Chain(Module):
    """Children under the names "0", "1", ..., indexed as a list is."""

    def _names(self) -> list[str]:
        return [name for name, kind in self._kinds.items() if kind == MODULE]

    def _name(self, position: int) -> str:
        names = self._names()
        try:
            return names[as_index(position)]
        except IndexError:
            raise IndexError(
                f"[{type(self).__name__}] index {position} is out of range, there are "
                f"{len(names)} modules; use {-len(names)} to {len(names) - 1}"
            ) from None

    def _replace(self, modules: Iterable[Module]) -> None:
        modules = [*modules]
        for name in self._names():
            delattr(self, name)
        for position, module in enumerate(modules):
            self.register_module(str(position), module)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        values = self._values()
        return iter([values[name] for name in self._names()])

    @overload
    def __getitem__(self, position: int) -> Module: ...
    @overload
    def __getitem__(self: _C, position: slice) -> _C: ...
    def __getitem__(self, position: int | slice) -> Module:
        if isinstance(position, slice):
            part = type(self)()
            for name in self._names()[position]:
                part.register_module(self._name_in_slice(part, name), self._values()[name])
            return part
        return self._values()[self._name(position)]  # type: ignore[no-any-return]

    def _name_in_slice(self, part: _Chain, name: str) -> str:
        return str(len(part))

    def __setitem__(self, position: int, module: Module) -> None:
        self.register_module(self._name(position), module)

    def __delitem__(self, position: int | slice) -> None:
        kept = [*self]
        if not isinstance(position, slice):
            self._name(position)
        del kept[position]
        self._replace(kept)

    def __add__(self: _C, others: Iterable[Module]) -> _C:
        return type(self)().extend([*self, *others])

    def __iadd__(self: _C, others: Iterable[Module]) -> _C:
        return self.extend(others)

    def append(self: _C, module: Module) -> _C:
        """Add a module at the end."""
        self.register_module(str(len(self)), module)
        return self

    def extend(self: _C, modules: Iterable[Module]) -> _C:
        """Add modules at the end. Raises TypeError when they are not iterable."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"[extend] an iterable of modules is needed, not a {type(modules).__name__}; "
                "use append for one"
            )
        for module in [*modules]:
            self.append(module)
        return self

    def insert(self: _C, index: int, module: Module) -> _C:
        """Put a module before the one at `index`; the names after it move up."""
        modules = [*self]
        if not -len(modules) <= index <= len(modules):
            raise IndexError(
                f"[insert] index {index} is out of range for {len(modules)} modules; "
                f"use {-len(modules)} to {len(modules)}"
            )
        modules.insert(index, module)
        self._replace(modules)
        return self

    def pop(self, key: int = -1) -> Module:
        """Take a module out and return it."""
        module = self[key]
        del self[key]
        return module


class Sequential(_Chain):
    """y = f_n(... f_2(f_1(x))): modules in a row, or an OrderedDict of them by name.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Sequential.html
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], OrderedDict):
            named: Iterable[tuple[str, Any]] = modules[0].items()
        else:
            named = ((str(position), module) for position, module in enumerate(modules))
        for name, module in named:
            self.register_module(name, module)

    def forward(self, input: Any) -> Any:
        members = self._values()
        for name, kind in self._kinds.items():
            if kind == MODULE:
                input = members[name](input)
        return input

    def _name_in_slice(self, part: _Chain, name: str) -> str:
        return name

    def _chained(self, others: object) -> Sequential:
        if isinstance(others, Sequential):
            return others
        raise ValueError(f"[Sequential] + {others!r}; add a Sequential, or extend()")

    def __add__(self, others: Any) -> Any:
        return super().__add__(self._chained(others))

    def __iadd__(self, others: Any) -> Any:
        return super().__iadd__(self._chained(others))

    def __mul__(self, times: int) -> Sequential:
        if times <= 0:
            raise ValueError(f"[Sequential] {times} repetitions were asked for; pass 1 or more")
        return Sequential(*([*self] * times))

    __rmul__ = __mul__


class ModuleList(_Chain):
    """A list whose modules are registered; it computes nothing itself.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleList.html
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _child_reprs(self) -> list[str]:
        """Equal neighbours share a line: (0-2): 3 x ReLU()."""
        runs: list[list[Any]] = []
        for position, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1][1] = position
            else:
                runs.append([position, position, text])
        return [
            f"({first}): {text}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {text}"
            for first, last, text in runs
        ]


class ModuleDict(Module):
    """A dict whose modules are registered; it computes nothing itself.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleDict.html
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]  # type: ignore[no-any-return]

    def __setitem__(self, key: str, module: Module) -> None:
        self.register_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def keys(self) -> Iterable[str]:
        """The names."""
        return dict(self._modules).keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return dict(self._modules).values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """(name, module)."""
        return dict(self._modules).items()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add or replace modules, from a mapping or pairs."""
        for key, module in dict(modules).items():
            self[key] = module

    def pop(self, key: str) -> Module:
        """Take a module out and return it."""
        module = self[key]
        del self[key]
        return module

    def clear(self) -> None:
        """Take all modules out."""
        for key in [*self]:
            del self[key]
