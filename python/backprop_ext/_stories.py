"""What an error adds for the reader: the name of a tensor, and the lines that made and broke it.

The engine asks for it when it raises. Names come from the variables of the program; lines are known
of what ran inside `explain.record()`.
"""

from __future__ import annotations

import sys
from inspect import CO_OPTIMIZED
from linecache import getline
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from ._core import Node, Tensor

__all__ = [
    "NOTE",
    "call_frames",
    "here",
    "line_and_code",
    "name_in_frames",
    "name_of",
    "story_of",
    "variables",
    "writes",
]

NOTE: Final = "explain"  # the key of a recording's note in Node.metadata
FRAMES: Final = 20
# By the address of the memory: (version before, operation, line) of its last write in place.
writes: dict[int, tuple[int, str, str]] = {}


def call_frames() -> Iterator[FrameType]:
    """The frames outside of this package, the innermost first."""
    frame = sys._getframe(1)
    found = 0
    while frame is not None and found < FRAMES:
        if frame.f_globals.get("__name__", "").partition(".")[0] != "backprop_ext":
            found += 1
            yield frame
        frame = frame.f_back  # type: ignore[assignment]


def variables(frame: FrameType) -> Mapping[str, Any]:
    """The variables of a frame. Before Python 3.13 a frame keeps what it was asked for once, which
    would keep graphs alive: it is made to forget, unless a debugger may be looking at it."""
    found = frame.f_locals
    if not frame.f_code.co_flags & CO_OPTIMIZED:
        return found
    copied = dict(found)
    if isinstance(found, dict) and sys.gettrace() is None:
        found.clear()
    return copied


def here() -> str:
    """The line of the program that runs, "train.py:12"."""
    return line_and_code()[0]


def line_and_code() -> tuple[str, str]:
    """The line of the program that runs, and what stands there."""
    for frame in call_frames():
        path, number = frame.f_code.co_filename, frame.f_lineno
        return f"{_file(path)}:{number}", getline(path, number, frame.f_globals).strip()
    return "?", ""


def _file(path: str) -> str:
    """A short name; a notebook's cell has none."""
    name = path.replace("\\", "/").rpartition("/")[2]
    return "cell" if "ipykernel_" in path or name.startswith("<ipython") else name


def name_in_frames(tensor: Tensor) -> str:
    """The variable that holds a tensor, or the parameter of a module that one holds; else ""."""
    from .nn.modules.module import Module

    modules: list[tuple[str, Module]] = []
    for frame in call_frames():
        for scope in (variables(frame), frame.f_globals):
            for name, value in list(scope.items()):
                if not name.isidentifier():  # a temporary of a comprehension
                    continue
                if value is tensor:
                    return name
                if issubclass(type(value), Module):
                    modules.append((name, value))
                    modules += [(f"{name}.{path}", m) for path, m in value.named_modules() if path]
    for name, module in modules:
        for path, parameter in module._parameters.items():
            if parameter is tensor:
                return f"{name}.{path}"
    return ""


def name_of(tensor: Tensor) -> str:
    """ " 'w'", to stand after "a tensor"; nothing where the program has no name for it."""
    name = name_in_frames(tensor)
    return f" {name!r}" if name else ""


def note_of(node: Node) -> Any:
    """What a recording wrote about a node, or None."""
    from . import _core

    notes = _core._inspect_node(node)[5]
    return None if notes is None else notes.get(NOTE)


def story_of(node: Node, tensor: Tensor | None) -> str:
    """What a node used, where it was recorded and freed, and where its value was written."""
    told = []
    if leaves := _leaves_of(node):
        told.append(f"{node.name()} used {', '.join(leaves)}")
    note = note_of(node)
    if note is None:
        told.append("to see the lines, run the step inside `with backprop_ext.explain.record():`")
        return "; " + "; ".join(told)
    told.append(f"{node.name()} was recorded at {note.place()}")
    if tensor is not None:
        told += [f"the tensor was written by {op} at {line}" for op, line in _later(tensor)]
    elif note.freed:
        told.append(f"the earlier backward ran at {note.freed}")
    return "; " + ", ".join(told)


def _leaves_of(node: Node) -> list[str]:
    """The names of the leaves among the inputs."""
    leaves = (to.variable for to, _ in node.next_functions if to and to.name() == "AccumulateGrad")
    return [repr(name) for name in dict.fromkeys(map(name_in_frames, leaves)) if name]


def _later(tensor: Tensor) -> list[tuple[str, str]]:
    """The last write to the memory of a tensor."""
    from . import _core

    noted = writes.get(_core._memory_of(tensor)[0])
    return [noted[1:]] if noted and noted[0] < tensor._version else []
