"""Parameters by position and by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from operator import index as as_index
from typing import Any

from ..._core import Tensor
from ..parameter import Parameter
from .module import Module

__all__ = ["ParameterDict", "ParameterList"]


def _parameter(value: Any) -> Any:
    is_bare = isinstance(value, Tensor) and not isinstance(value, Parameter)
    return Parameter(value) if is_bare else value


def _line(key: object, value: Any, kind: str) -> str:
    if not isinstance(value, Tensor):
        return f"  ({key}): Object of type: {type(value).__name__}"
    name = "Parameter" if isinstance(value, Parameter) else "Tensor"
    return f"  ({key}): {name} containing: [{kind} of size {'x'.join(map(str, value.shape))}]"


class ParameterList(Module):
    """A list whose parameters are registered; a Tensor that is added becomes a Parameter.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ParameterList.html
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def _name(self, position: int) -> str:
        place = as_index(position)
        if not -self._size <= place < self._size:
            raise IndexError(
                f"[ParameterList] index {place} is out of range for {self._size} values; "
                f"use {-self._size} to {self._size - 1}"
            )
        return str(place % self._size)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter(getattr(self, str(place)) for place in range(self._size))

    def __getitem__(self, position: int | slice) -> Any:
        if isinstance(position, slice):
            return type(self)([*self][position])
        return getattr(self, self._name(position))

    def __setitem__(self, position: int, value: Any) -> None:
        setattr(self, self._name(position), _parameter(value))

    def append(self, value: Any) -> ParameterList:
        """Add a value at the end."""
        setattr(self, str(self._size), _parameter(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add values at the end. Raises TypeError for a Tensor, and for what cannot be iterated."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(
                f"[extend] an iterable of parameters is needed, not a {type(values).__name__}; "
                "use append for one"
            )
        for value in [*values]:
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def extra_repr(self) -> str:
        return "\n".join(
            _line(place, value, str(getattr(value, "dtype", "")))
            for place, value in enumerate(self)
        )


class ParameterDict(Module):
    """A dict whose parameters are registered; a Tensor that is added becomes a Parameter.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ParameterDict.html
    """

    def __init__(self, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise AttributeError(
                f"[ParameterDict] {key!r} is not one of {[*self._keys]}; add it first"
            )
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if key not in self._keys and hasattr(self, key):
            raise KeyError(f"[ParameterDict] {key!r} is an attribute of the class; rename it")
        setattr(self, key, _parameter(value))
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        self[key]
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._keys.keys()

    def values(self) -> Iterable[Any]:
        """The parameters."""
        return [self[key] for key in self._keys]

    def items(self) -> Iterable[tuple[str, Any]]:
        """(name, parameter)."""
        return [(key, self[key]) for key in self._keys]

    def update(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Add or replace parameters, from pairs or a mapping: a plain dict in sorted order."""
        # PyTorch's order, which decides that of parameters().
        is_plain = isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict)
        pairs = dict(parameters).items()
        for key, value in sorted(pairs) if is_plain else pairs:
            self[key] = value

    def pop(self, key: str) -> Any:
        """Take a parameter out and return it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Take the last one out and return it with its name."""
        key = [*self._keys][-1] if self._keys else self._keys.popitem()[0]
        return key, self.pop(key)

    def clear(self) -> None:
        """Take all out."""
        for key in [*self]:
            del self[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter of a name, or `default`."""
        return getattr(self, key) if key in self._keys else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The parameter of a name, which is `default` from now on where there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Another one, with `default` under each of the names."""
        return ParameterDict(OrderedDict((key, default) for key in keys))

    def copy(self) -> ParameterDict:
        """Another one of the same parameters."""
        return ParameterDict(OrderedDict(self.items()))

    def __or__(self, other: Any) -> ParameterDict:
        result = self.copy()
        result.update(other)
        return result

    def __ror__(self, other: Any) -> Any:
        result = other.copy()
        result.update(self)
        return result

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __reversed__(self) -> Iterator[str]:
        return reversed([*self._keys])

    def extra_repr(self) -> str:
        return "\n".join(
            _line(key, value, value.type() if isinstance(value, Tensor) else "")
            for key, value in self.items()
        )
