"""A recorded step, and what must be as it was before it is replayed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from ._capture_values import TENSOR, rebuild
from ._core import Tensor, _note_module_calls
from .nn.modules._tree import changes
from .nn.modules.module import Module
from .optim.optimizer import register_optimizer_step_pre_hook

if TYPE_CHECKING:
    from collections.abc import Callable

    from .optim.optimizer import Optimizer

__all__ = ["Recording", "Watch"]


class Watch:
    """The modules and optimizers that this thread calls inside a `with`, and how they are."""

    def __init__(self) -> None:
        self._called: list[Module] = []
        self._optimizers: dict[int, Optimizer] = {}
        self._thread = threading.get_ident()

    def __enter__(self) -> Watch:
        self._before = _note_module_calls(self._called)
        self._hook = register_optimizer_step_pre_hook(lambda o, *_: self._note(o))
        return self

    def __exit__(self, *exception: object) -> None:
        self._hook.remove()
        _note_module_calls(self._before)

    def _note(self, optimizer: Optimizer) -> None:
        if threading.get_ident() == self._thread:
            self._optimizers[id(optimizer)] = optimizer

    def keep(self) -> list[Tensor]:
        """Remember how all of it is now; returns the tensors that belong to it."""
        self._kept: list[tuple[Any, Callable[[Any], list[Any]], list[Any]]] = [
            (o, _of_optimizer, _of_optimizer(o)) for o in self._optimizers.values()
        ]
        known = set()
        while self._called:
            module = self._called.pop()
            if id(module) not in known:
                known.add(id(module))
                values = _of_module(module)
                self._kept.append((module, _of_module, values))
                # A ModuleList is never called, but what it holds is.
                self._called += [v for v in values if isinstance(v, Module)]
        self._count = changes.count
        return [v for _, _, values in self._kept for v in values if isinstance(v, Tensor)]

    def holds(self) -> bool:
        """Whether modules and optimizers are as they were."""
        if self._count != changes.count:
            for thing, read, then in self._kept:
                now = read(thing)
                if len(now) != len(then) or not all(map(_same, now, then)):
                    return False
            self._count = changes.count
        return True


class Recording:
    """A program, how what it returns is put together, and what it relies on."""

    def __init__(self, title: str, program: Any, returned: Any, watch: Watch) -> None:
        self.title = title
        self.program = program
        # None: the function returns one tensor, which needs no putting together.
        self.rebuild: Callable[[list[Tensor]], Any] | None = None
        if returned is not TENSOR:
            self.rebuild = lambda results: rebuild(returned, iter(results))
        self._watch = watch
        program.watch(watch.keep())

    def applies(self) -> bool:
        """Whether modes, parameters, buffers, modules and groups are those that were recorded."""
        return self._watch.holds() and bool(self.program.applies())


def _of_module(module: Module) -> list[Any]:
    """Its parameters, buffers, modules and hooks, and its numbers and strings: Dropout's p."""
    values, kinds = module._values(), module._kinds
    found = [values[name] for name in kinds]
    for name, value in values.items():
        if _is_plain(value) and name not in kinds:
            found += (name, value)
    if module._hooked:
        for kind in ("forward", "forward_pre", "backward", "backward_pre"):
            found += values[f"_{kind}_hooks"].values()
    return found


def _of_optimizer(optimizer: Optimizer) -> list[Any]:
    """Its groups and their parameters; settings are read at every replay."""
    found: list[Any] = [optimizer.state]
    for group in optimizer.param_groups:
        found += [group, *group["params"]]
    return found


_PLAIN: Final = frozenset((bool, int, float, str, type(None)))


def _is_plain(value: Any) -> bool:
    # By type first: most are a number, or one of the dicts of hooks.
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind is dict:
        return False
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return isinstance(value, (int, float, str))


def _same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) and _is_plain(a) and bool(a == b))
