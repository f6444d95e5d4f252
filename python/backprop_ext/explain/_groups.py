"""Folding: operations under the module that ran them, and long rows of them in parts.

A group is an interval of the forward order, so that a folded graph has no cycles.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ._graph import Op

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._graph import Graph

__all__ = ["Group", "find", "group_ops", "unfold", "walk"]

VISIBLE: Final = 40  # symbols that a picture shows before it folds


@dataclass
class Group:
    """Operations that a picture may show as one."""

    key: str
    label: str
    kind: str = ""  # the class of a module
    members: list[Group | Op] = field(default_factory=list)

    def ops(self) -> Iterator[Op]:
        """All operations inside, in forward order."""
        for member in self.members:
            if isinstance(member, Op):
                yield member
            else:
                yield from member.ops()

    @property
    def first(self) -> int:
        """The item with which it begins."""
        return next(self.ops()).index

    @property
    def last(self) -> int:
        """The item with which it ends."""
        last: Any = self
        while isinstance(last, Group):
            last = last.members[-1]
        return int(last.index)


def group_ops(graph: Graph) -> Group:
    """The tree of module calls, no group with more than a picture can show."""
    top = Group("", "")
    open_: list[tuple[Any, Group]] = []
    # The outermost module is drawn as one only where it was called more than once.
    outermost = {op.calls[0] for op in graph.ops() if op.calls}
    repeated = Counter(call[1:] for call in outermost)
    for op in graph.ops():
        calls = [call for call in op.calls if call[1] or repeated[call[1:]] > 1]
        same = 0
        while same < len(calls) and same < len(open_) and open_[same][0] == calls[same]:
            same += 1
        del open_[same:]
        for call in calls[same:]:
            parent = open_[-1][1] if open_ else top
            label = call[1] or call[2]
            group = Group(f"{parent.key}/{label}#{call[0]}", label, call[2])
            parent.members.append(group)
            open_.append((call, group))
        (open_[-1][1] if open_ else top).members.append(op)
    _simplify(top)
    _split(top)
    return top


def _simplify(top: Group) -> None:
    """A module of one operation is drawn as that; one with one module inside as the inner one."""
    for group in [*[*walk(top)][::-1], top]:
        group.members = [
            m.members[0] if isinstance(m, Group) and len(m.members) == 1 else m
            for m in group.members
        ]


def _split(group: Group) -> None:
    """Cut a long row of members into parts, and those into parts, until each is short."""
    stack = [group]
    while stack:
        one = stack.pop()
        count = len(one.members)
        if count > VISIBLE:
            size = -(-count // min(VISIBLE, -(-count // VISIBLE)))
            one.members = [_part(one, one.members[k : k + size]) for k in range(0, count, size)]
        stack += [m for m in one.members if isinstance(m, Group)]


def _part(parent: Group, members: list[Group | Op]) -> Group:
    part = Group("", "", members=members)
    part.key = f"{parent.key}/{part.first}-{part.last}"
    count = sum(1 for _ in part.ops())
    part.label = f"{count:,} operations"
    return part


def walk(group: Group) -> Iterator[Group]:
    """The groups inside, outer ones first."""
    stack = [m for m in group.members if isinstance(m, Group)][::-1]
    while stack:
        one = stack.pop()
        yield one
        stack += [m for m in one.members if isinstance(m, Group)][::-1]


def find(top: Group, name: str) -> list[Group]:
    """The groups with a key or label, and all around them. Raises ValueError for an unknown one."""
    path = _path(top, name)
    if path:
        return path
    from difflib import get_close_matches

    labels = sorted({g.label for g in walk(top)})
    near = get_close_matches(name, labels, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; there are {labels[:8]}"
    raise ValueError(f"[explain] no module or part {name!r} to unfold{hint}")


def _path(top: Group, name: str) -> list[Group]:
    stack: list[tuple[Group, list[Group]]] = [(top, [])]
    while stack:
        group, path = stack.pop(0)
        for member in group.members:
            if isinstance(member, Group):
                here = [*path, member]
                if name in (member.key, member.label):
                    return here
                stack.append((member, here))
    return []


def unfold(top: Group, limit: int = VISIBLE) -> set[str]:
    """The groups that are open at first: outer ones, as long as all fits."""
    opened: set[str] = set()
    shown = len(top.members)
    queue: list[Group] = [m for m in top.members if isinstance(m, Group)]
    while queue:
        group = queue.pop(0)
        if shown - 1 + len(group.members) > limit:
            continue
        shown += len(group.members) - 1
        opened.add(group.key)
        queue += [m for m in group.members if isinstance(m, Group)]
    return opened


def visible(top: Group, opened: Iterable[str]) -> list[Op | Group]:
    """What a picture shows: operations, and folded groups, in forward order."""
    open_ = set(opened)
    found: list[Op | Group] = []
    stack: list[Op | Group] = top.members[::-1]
    while stack:
        member = stack.pop()
        if isinstance(member, Group) and member.key in open_:
            stack += member.members[::-1]
        else:
            found.append(member)
    return found
