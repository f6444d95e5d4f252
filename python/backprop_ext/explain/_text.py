"""An explanation as text: a table, and the chain rule below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ._chain import rule, sum_rule
from ._graph import Variable, kept_bytes
from ._value import shape_text

if TYPE_CHECKING:
    from ._graph import Graph, Op
    from ._value import Value

_Item = TypeVar("_Item")

__all__ = ["columns", "headline", "size_text", "text"]

ROWS = 60  # of a table, unless more is asked for


def size_text(n: int) -> str:
    """12 B, 3.4 kB, 5.0 MB."""
    if n < 1000:
        return f"{n} B"
    size, units = n / 1000, ["kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        del units[0]
    return f"{size:.1f} {units[0]}"


def columns(rows: list[list[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Rows as lines whose columns stand below each other; the columns of `right` to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(w) if k in right else cell.ljust(w)
            for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def headline(graph: Graph) -> str:
    """What is in the graph, in one line."""
    ops, variables = graph.ops(), graph.variables()
    leaves = sum(v.requires_grad for v in variables)
    counts = [
        _count(len(ops), "operation"),
        _count(leaves, "leaf", "leaves") + " with a gradient",
        _count(len(variables) - leaves, "constant"),
    ]
    return (
        f"{graph.name(graph.root)}: {', '.join(counts)}; "
        f"{size_text(kept_bytes(ops))} kept for the backward pass"
    )


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def text(graph: Graph, limit: int | None = ROWS) -> str:
    """The table in forward order, the chain rule in backward order; at most `limit` lines each."""
    head = ["#", "name", "op", "from", "shape", "value", "dL/d", "kept", "module", "line"]
    used = [k for k in range(len(head)) if k < 8 or any(_place(i, k) for i in graph.items)]
    rows = [[head[k] for k in used]]
    items = _cut(graph.items, limit)
    rows += [[_cells(graph, item)[k] for k in used] for item in items if item is not None]
    lines = columns(rows, frozenset({0, 7}))
    if None in items:
        middle = 1 + items.index(None)
        lines.insert(middle, _more(len(graph.items) - len(items) + 1))
    lines = [headline(graph), "", *lines, "", "backward, from the loss to the leaves:"]
    rules = _rules(graph, limit)
    return "\n".join([*lines, *rules, *(f"({note})" for note in graph.notes)])


def _rules(graph: Graph, limit: int | None) -> list[str]:
    found = []
    for op in _cut(graph.ops()[::-1], limit):
        if op is None:
            found.append(_more(len(graph.ops()) - (limit or 0)))
            continue
        found += [
            f"  {op.label} = {op.symbol}:  {rule(graph, op, i)}" for i in op.inputs if i.gradient
        ]
    used_twice = [v for v in graph.items if len(v.parts) > 1]
    found += [f"  sum of uses:  {sum_rule(graph, v)}" for v in used_twice[:limit]]
    return found


def _cut(items: list[_Item], limit: int | None) -> list[_Item | None]:
    """The first and the last items, with None for those between."""
    if limit is None or len(items) <= limit:
        return [*items]
    return [*items[: limit // 2], None, *items[-(limit - limit // 2) :]]


def _more(count: int) -> str:
    return f"  ... {count:,} more; .text(limit=None) has all"


def _place(item: Variable | Op, k: int) -> str:
    if isinstance(item, Variable):
        return ""
    return item.path if k == 8 else item.line


def _cells(graph: Graph, item: Variable | Op) -> list[str]:
    if isinstance(item, Variable):
        kind = "parameter" if item.is_parameter else "leaf" if item.requires_grad else "constant"
        head = [str(item.index), item.name, kind, ""]
        gradient = _text(item.gradient) if item.requires_grad else "-"
        return [*head, _shape(item.value), _text(item.value), gradient, "-", "", ""]
    sources = ", ".join(graph.name(i.source, i.output) for i in item.inputs if i.source >= 0)
    return [
        str(item.index),
        item.label,
        item.name,
        sources,
        _shape(item.value or item.gradient),
        _text(item.value),
        _text(item.gradient),
        size_text(kept_bytes([item])) if item.kept else "-",
        item.path,
        item.line,
    ]


def _shape(value: Value | None) -> str:
    return "?" if value is None else shape_text(value.shape)


def _text(value: Value | None) -> str:
    return "?" if value is None else value.text()
