"""Buffers that training writes to, so that they can be put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..autograd.grad_mode import no_grad

if TYPE_CHECKING:
    from .._core import Tensor
    from ..nn.modules.module import Module

__all__ = ["Buffers", "Kept", "put_back"]


class Kept(NamedTuple):
    """A buffer: whose, its name, itself, and a copy of its value."""

    module: Module
    name: str
    buffer: Tensor
    value: Tensor


class Buffers:
    """The buffers of a module and all below; after `narrow`, those that a step has changed."""

    def __init__(self, module: Module) -> None:
        self._places = [
            (m, name) for m in module.modules() for name, b in m._buffers.items() if b is not None
        ]
        self.narrowed = not self._places

    def copy(self) -> list[Kept]:
        """What they are now."""
        return [
            Kept(m, name, b, b.clone())
            for m, name in self._places
            if (b := getattr(m, name)) is not None
        ]

    def narrow(self, before: list[Kept]) -> None:
        """Leave out modules that have not changed theirs: tables are not copied every step."""
        changed = {
            id(m)
            for m, name, buffer, value in before
            if getattr(m, name) is not buffer or not buffer.equal(value)
        }
        self._places = [(m, name) for m, name in self._places if id(m) in changed]
        self.narrowed = True


def put_back(before: list[Kept]) -> None:
    """Make them what they were."""
    with no_grad():
        for module, name, buffer, value in before:
            buffer.copy_(value)
            setattr(module, name, buffer)
