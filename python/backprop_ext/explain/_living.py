"""Graphs that something still holds."""

from __future__ import annotations

import gc
import sys
from collections import deque
from dataclasses import dataclass
from types import FrameType, GeneratorType, ModuleType
from typing import TYPE_CHECKING, Any

from .. import _core, _stories
from .._core import Tensor
from ._text import columns, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._core import Node

__all__ = ["LivingGraph", "LivingGraphs", "living_graphs"]

_DEPTH = 3  # how deep containers are looked through


@dataclass
class LivingGraph:
    """A graph that is held: by what, how large it is, and where it was recorded."""

    holders: list[str]
    ops: int
    bytes: int  # kept for the backward pass; parameters are not counted
    freed: bool  # a backward pass freed what it kept
    line: str  # of its last operation; empty where it was not recorded
    number: int  # of its first operation: graphs made later have larger ones


class LivingGraphs(list[LivingGraph]):
    """The graphs, the oldest first; printed as a table."""

    def __str__(self) -> str:
        if not self:
            return "no graph is held"
        rows = [["graph", "operations", "kept", "recorded at", "held by"]]
        for k, one in enumerate(self):
            holders = ", ".join(one.holders[:3]) + (" ..." if len(one.holders) > 3 else "")
            kept = "freed" if one.freed else size_text(one.bytes)
            rows.append([str(k), f"{one.ops:,}", kept, one.line or "not recorded", holders])
        total = sum(one.bytes for one in self)
        return "\n".join([*columns(rows, frozenset({0, 1, 2})), f"{total:,} bytes in all"])

    __repr__ = __str__


def living_graphs() -> LivingGraphs:
    """Every graph that a variable, container or object of the program holds, and its bytes.

    A list that grows from step to step is a loss kept alive: keep `loss.item()` instead, and
    `h.detach()` of what is carried over. It costs a look at all objects of the program, and nothing
    before. Graphs that only C++ or untracked objects hold are not found.
    """
    gc.collect()
    held: dict[int, tuple[Tensor, list[str]]] = {}
    for tensor, holder in _in_frames():
        _enter(held, tensor, holder)
    for tensor, holder in _in_objects(held):
        _enter(held, tensor, holder)
    return _graphs(held)


def _enter(held: dict[int, tuple[Tensor, list[str]]], tensor: Tensor, holder: str) -> None:
    names = held.setdefault(id(tensor), (tensor, []))[1]
    if holder not in names:
        names.append(holder)


def _has_graph(value: Any) -> bool:
    # By its type: to ask a foreign object for its __class__ may run code of its own.
    return issubclass(type(value), Tensor) and value.grad_fn is not None


def _in_frames() -> Iterator[tuple[Tensor, str]]:
    """What the functions that run now hold in their variables."""
    seen: set[int] = set()
    for outermost in sys._current_frames().values():
        frame: FrameType | None = outermost
        while frame is not None:
            name = frame.f_globals.get("__name__", "")
            if name.partition(".")[0] != "backprop_ext" and id(frame) not in seen:
                seen.add(id(frame))
                function = frame.f_code.co_name
                prefix = "" if function == "<module>" else f"{function}: "
                for variable, value in list(_stories.variables(frame).items()):
                    yield from _inside(value, prefix + variable, _DEPTH)
            frame = frame.f_back


def _inside(value: Any, name: str, depth: int) -> Iterator[tuple[Tensor, str]]:
    if _has_graph(value):
        yield value, name
    elif depth and type(value) in (list, tuple, deque):
        for k, one in enumerate(value):
            yield from _inside(one, f"{name}[{k}]", depth - 1)
    elif depth and type(value) is dict and not name.endswith("__"):
        for key, one in list(value.items()):
            yield from _inside(one, f"{name}[{key!r}]", depth - 1)


def _in_objects(held: dict[int, tuple[Tensor, list[str]]]) -> list[tuple[Tensor, str]]:
    """What the garbage collector knows of, beyond variables of frames."""
    own = {id(pair) for pair in held.values()}
    found = []
    for owner in gc.get_objects():
        if type(owner) is FrameType or id(owner) in own or owner is held:
            continue
        parts = gc.get_referents(owner)
        if type(owner) is GeneratorType:  # whose variables lie in its frame before Python 3.11
            parts += gc.get_referents(*[part for part in parts if type(part) is FrameType])
        for one in parts:
            if _has_graph(one) and id(one) not in held:
                found.append((one, _described(owner, one)))
    return found


def _described(owner: Any, tensor: Tensor) -> str:
    """An object by what it calls the tensor."""
    if type(owner) is ModuleType:
        owner = vars(owner)
    if type(owner) is dict:
        keys = [key for key, value in owner.items() if value is tensor]
        module = owner.get("__name__")
        key = str(keys[0]) if keys else "?"
        return f"{module}.{key}" if isinstance(module, str) else f"{key!r} of an object or dict"
    if type(owner) in (list, tuple):
        return f"a {type(owner).__name__} of {len(owner)}"
    return f"a {type(owner).__name__}"


def _graphs(held: dict[int, tuple[Tensor, list[str]]]) -> LivingGraphs:
    """The connected parts of the tape below the tensors; a leaf connects nothing."""
    part_of: dict[int, int] = {}
    parts: dict[int, list[tuple[Node, Any]]] = {}
    holders: dict[int, list[str]] = {}
    for number, (tensor, names) in enumerate(held.values()):
        assert tensor.grad_fn is not None
        mine: list[tuple[Node, Any]] = []
        joined: set[int] = set()
        stack = [tensor.grad_fn]
        while stack:
            node = stack.pop()
            if id(node) in part_of:
                if part_of[id(node)] != number:
                    joined.add(part_of[id(node)])
                continue
            facts = _core._inspect_node(node)
            if facts[0] == "AccumulateGrad":
                continue
            part_of[id(node)] = number
            mine.append((node, facts))
            stack += [to for to, _ in facts[3] if to is not None]
        for other in joined:
            mine += parts.pop(other)
            names = names + holders.pop(other)
        part_of.update({id(node): number for node, _ in mine})
        parts[number], holders[number] = mine, names
    graphs = [_graph(parts[k], holders[k]) for k in parts]
    return LivingGraphs(sorted(graphs, key=lambda one: one.number))


def _graph(nodes: list[tuple[Node, Any]], holders: list[str]) -> LivingGraph:
    bytes_: dict[int, int] = {}
    leaves: set[int] = set()
    freed = False
    for _, (_, _, released, edges, kept, _) in nodes:
        freed = freed or released
        for to, _ in edges:
            if to is not None and to.name() == "AccumulateGrad":
                leaves.add(_core._memory_of(to.variable)[0])
        for tensor, memory, _ in kept:
            if tensor is not None and memory[2]:
                bytes_[memory[0]] = memory[1]
    last = max(nodes, key=lambda one: one[0]._sequence_nr())[1][5]
    note = last.get(_stories.NOTE) if last else None
    kept_bytes = sum(n for memory, n in bytes_.items() if memory not in leaves)
    first = min(node._sequence_nr() for node, _ in nodes)
    return LivingGraph(holders, len(nodes), kept_bytes, freed, note.place() if note else "", first)
