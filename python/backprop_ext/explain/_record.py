"""`record()`: what the tape does not keep, noted beside it while someone wants to see it."""

from __future__ import annotations

import threading
import weakref
from itertools import count
from typing import TYPE_CHECKING, Any

from .. import _core, _stories
from ..autograd.grad_mode import no_grad
from ..nn.modules._hooks import register_module_forward_hook, register_module_forward_pre_hook
from ._value import Value

if TYPE_CHECKING:
    from .._core import Node, Tensor
    from ..nn.modules.module import Module

__all__ = ["Call", "Note", "Recording", "record"]


class Call:
    """One call of a module: calls nest, and a module may be called more than once."""

    __slots__ = ("kind", "module", "number", "parent", "path", "paths")

    def __init__(self, module: Module, number: int, parent: Call | None) -> None:
        self.paths: dict[int, str]
        self.module, self.kind = weakref.ref(module), type(module).__name__
        self.number, self.parent = number, parent
        paths: dict[int, str] = parent.paths if parent else {}
        if id(module) not in paths:  # the outermost one, or one that no module owns
            paths = {id(m): path for path, m in module.named_modules()}
        self.paths = paths
        self.path = paths[id(module)]

    def chain(self) -> list[Call]:
        """The calls from the outermost to this one."""
        found: list[Call] = []
        call: Call | None = self
        while call is not None:
            found.append(call)
            call = call.parent
        return found[::-1]


class Note:
    """What a recording knows of one node."""

    __slots__ = ("call", "code", "freed", "inputs", "line", "outputs")

    def __init__(
        self,
        line: tuple[str, str],
        call: Call | None,
        inputs: list[tuple[Any, Value] | None],
        outputs: list[Value],
    ) -> None:
        (self.line, self.code), self.call = line, call
        self.inputs, self.outputs = inputs, outputs
        self.freed = ""

    @property
    def path(self) -> str:
        """The module that the node belongs to, "layers.2"; empty outside of modules."""
        return self.call.path if self.call else ""

    def place(self) -> str:
        """The line, and the module."""
        return f"{self.line} in {self.path or self.call.kind}" if self.call else self.line


class Recording:
    """Hooks on the tape and on modules. One at a time notes; a second inside goes on with it."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._numbers = count(1)

    @property
    def calls(self) -> list[Call]:
        """The calls that run on this thread, the innermost last."""
        found: list[Call] = self._local.__dict__.setdefault("calls", [])
        return found

    def start(self) -> None:
        """Begin to listen."""
        self._hooks = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]
        _stories.writes.clear()
        _core._set_watch(self._recorded, self._writes, self._released)

    def stop(self) -> None:
        """Listen no more. The notes stay with their nodes, and go with them."""
        _core._set_watch(None, None, None)
        for hook in self._hooks:
            hook.remove()

    def _enter(self, module: Module, args: Any) -> None:
        calls = self.calls
        calls.append(Call(module, next(self._numbers), calls[-1] if calls else None))

    def _leave(self, module: Module, args: Any, output: Any) -> None:
        calls = self.calls
        while calls and calls.pop().module() is not module:
            pass

    def _recorded(
        self, node: Node, inputs: tuple[Tensor | None, ...], outputs: tuple[Tensor, ...]
    ) -> None:
        with no_grad():
            # What has a graph is drawn where it was made; of the rest this is the only trace.
            noted = [
                None if t is None or t.requires_grad else (weakref.ref(t), Value.of(t))
                for t in inputs
            ]
            values = [Value.of(t) for t in outputs]
        calls = self.calls
        call = calls[-1] if calls else None
        node.metadata[_stories.NOTE] = Note(_stories.line_and_code(), call, noted, values)

    def _writes(self, op: str, tensor: Tensor) -> None:
        address = _core._memory_of(tensor)[0]
        _stories.writes[address] = (tensor._version, op, _stories.here())

    def _released(self, node: Node) -> None:
        note = _stories.note_of(node)
        if note is not None:
            note.freed = _stories.here()


class record:  # noqa: N801 (used like a function)
    """Inside, each operation notes its source line, its module, its value and its constants.

    >>> with explain.record():
    ...     loss = loss_fn(model(x), y)
    >>> explain(loss)

    It costs ten to thirty microseconds an operation, in all threads, and nothing outside. The notes
    hang on the graph and go with it; values of more than 64 elements are kept as statistics.
    Errors of autograd then name the lines that recorded, wrote and freed.
    """

    _active: Recording | None = None
    _depth = 0

    def __enter__(self) -> record:
        if record._depth == 0:
            record._active = Recording()
            record._active.start()
        record._depth += 1
        return self

    def __exit__(self, *exception: object) -> None:
        record._depth -= 1
        if record._depth == 0 and record._active is not None:
            record._active.stop()
            record._active = None
