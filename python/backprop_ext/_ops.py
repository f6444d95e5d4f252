"""torch.ops: operations by namespace and name, of the package and of `torch.library`.

`torch.ops.aten.add` and its overloads, as `.Tensor`, are the function `torch.add`, or the method or
layer function of that name. Source: https://docs.pytorch.org/docs/stable/library.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from . import _core
from ._core import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["OpNamespace", "OpOverload", "OpOverloadPacket", "ops"]


class OpOverload:
    """An operation under the name of one of its signatures."""

    def __init__(self, packet: OpOverloadPacket, overload: str) -> None:
        self.overloadpacket, self._overloadname = packet, overload
        self.namespace = packet._qualified_op_name.partition("::")[0]
        self.__name__ = f"{packet.__name__}.{overload}"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.overloadpacket(*args, **kwargs)

    def name(self) -> str:
        """`aten::add.Tensor`."""
        tail = "" if self._overloadname == "default" else f".{self._overloadname}"
        return self.overloadpacket._qualified_op_name + tail

    def __str__(self) -> str:
        return f"{self.overloadpacket}.{self._overloadname}"

    def __repr__(self) -> str:
        return (
            f"<OpOverload(op='{self.name().split('::')[0]}.{self.overloadpacket.__name__}', "
            f"overload='{self._overloadname}')>"
        )


class OpOverloadPacket:
    """An operation, and its overloads as attributes: any name is one, all do the same."""

    def __init__(self, namespace: str, name: str, function: Callable[..., Any]) -> None:
        self._qualified_op_name, self.__name__ = f"{namespace}::{name}", name
        self._function = function

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __getattr__(self, overload: str) -> OpOverload:
        if overload.startswith("_"):
            raise AttributeError(f"{self} has no overload {overload!r}")
        made = self.__dict__[overload] = OpOverload(self, overload)
        return made

    def overloads(self) -> list[str]:
        """["default"]."""
        return ["default"]

    def __str__(self) -> str:
        return self._qualified_op_name.replace("::", ".")

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self}')>"


def _of_the_package(name: str) -> Callable[..., Any] | None:
    """What the package has under a name of aten."""
    from .nn import functional

    for home in (_core, functional, Tensor, _core._nn, _core._special, _core._linalg):
        plain = name.removeprefix("special_").removeprefix("linalg_").removeprefix("fft_")
        for known in (name, plain):
            found = home.__dict__.get(known) if known == name or home is not _core else None
            if callable(found):
                return found  # type: ignore[no-any-return]
    return None


class OpNamespace:
    """The operations of a namespace, as attributes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> OpOverloadPacket:
        found = _of_the_package(name) if self.name == "aten" and name[:2] != "__" else None
        if found is None:
            raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{name}'")
        return self._enter(name, found)

    def _enter(self, name: str, function: Callable[..., Any]) -> OpOverloadPacket:
        packet = self.__dict__[name] = OpOverloadPacket(self.name, name, function)
        return packet

    def __iter__(self) -> Iterator[str]:
        return (name for name, op in vars(self).items() if isinstance(op, OpOverloadPacket))

    def __repr__(self) -> str:
        return f"<_OpNamespace '{self.name}'>"


class _Ops:
    """All namespaces."""

    loaded_libraries: frozenset[str] = frozenset()

    def __getattr__(self, name: str) -> OpNamespace:
        if name.startswith("__"):
            raise AttributeError(f"'_Ops' object has no attribute {name!r}")
        made = self.__dict__[name] = OpNamespace(name)
        return made

    def load_library(self, path: str) -> NoReturn:
        """Raises OSError: what is compiled for PyTorch cannot be called from here."""
        raise OSError(f"[load_library] {path!r} is compiled for PyTorch, this is another engine")


ops = _Ops()
