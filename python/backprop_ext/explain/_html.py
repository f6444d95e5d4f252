"""The page: pictures, and three stages to step through. It stands alone: no network, no fonts."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ._chain import local_text, rule, sum_rule, upstream_text
from ._graph import Op, Variable
from ._groups import Group, visible, walk
from ._svg import STYLE, svg
from ._text import headline, size_text
from ._value import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._graph import Graph

__all__ = ["html"]

VIEWS: Final = 60  # pictures in one page
STEPS: Final = 2000  # operations that can be stepped through in one page


def html(graph: Graph, top: Group, opened: set[str]) -> str:
    """The page, with a picture for each module or part that can be unfolded."""
    views = _views(top, opened)
    ops = graph.ops()
    if len(ops) > STEPS:
        drawn = {id(m): m for view in views for m in visible(top, view["opened"])}
        ops = [m for m in drawn.values() if isinstance(m, Op)][:STEPS]
    shown = {op.index for op in ops}
    for op in ops:
        shown |= {one.source for one in op.inputs if one.source >= 0}
    pictures = [
        f'<div data-view="{escape(view["key"], True)}" hidden>'
        f"{svg(graph, top, view['opened'], str(k + 1))}</div>"
        for k, view in enumerate(views)
    ]
    notes = list(graph.notes)
    total = len(graph.ops())
    if len(ops) < total:
        notes.append(f"{len(ops):,} of {total:,} operations are in this page; the rest is folded.")
    data = {
        "views": [{k: v for k, v in view.items() if k != "opened"} for view in views],
        "items": [_item(graph, graph.items[k]) for k in sorted(shown)],
    }
    text = json.dumps(data, ensure_ascii=False).replace("</", "<\\/")
    parts = {
        "STYLE": STYLE,
        "TITLE": escape(f"How {graph.name(graph.root)} was computed, and its gradient"),
        "HEADLINE": escape(headline(graph)),
        "VIEWS": "\n".join(pictures),
        "NOTES": escape(" ".join(notes)),
        "DATA": text,
    }
    page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda found: parts[found[1]], page)


def _views(top: Group, opened: set[str]) -> list[dict[str, Any]]:
    """What fits; everything folded; and each module or part alone unfolded."""
    views: list[dict[str, Any]] = [
        {"key": "fits", "label": "what fits", "parent": "folded", "opened": opened}
    ]
    if not any(True for _ in walk(top)):
        views[0]["parent"] = "fits"
        return views
    views.append({"key": "folded", "label": "all folded", "parent": "folded", "opened": set()})
    # The ways to the first and to the last operation, then the outer groups before the inner ones.
    ways = [*_way(top, 0), *_way(top, -1), *_by_depth([(top, [])])]
    seen: set[str] = set()
    for way in ways:
        group = way[-1]
        if group.key in seen:
            continue
        if len(views) == VIEWS:
            break
        seen.add(group.key)
        outer = way[-2].key if len(way) > 1 and way[-2].key in seen else "folded"
        view = {"key": group.key, "label": f"{group.label} unfolded", "parent": outer}
        views.append({**view, "opened": {one.key for one in way}})
    return views


def _way(top: Group, end: int) -> list[list[Group]]:
    """From the outermost group to the one that holds an end, a list for each step on the way."""
    way: list[Group] = []
    member = top.members[end]
    while isinstance(member, Group):
        way.append(member)
        member = member.members[end]
    return [way[: k + 1] for k in range(len(way))]


def _by_depth(level: list[tuple[Group, list[Group]]]) -> Iterator[list[Group]]:
    while level:
        below = [
            (member, [*way, member])
            for group, way in level
            for member in group.members
            if isinstance(member, Group)
        ]
        yield from (way for _, way in below)
        level = below


def _item(graph: Graph, item: Variable | Op) -> dict[str, Any]:
    value = "not kept" if item.value is None else item.value.text(12)
    found: dict[str, Any] = {"index": item.index, "uses": len(item.parts)}
    if isinstance(item, Variable):
        kind = "parameter" if item.is_parameter else "leaf" if item.requires_grad else "constant"
        found |= {
            "kind": kind,
            "title": f"{item.name}, {kind}",
            "forward": f"{item.name} = {value}",
            "up": sum_rule(graph, item),
            "facts": _facts(item, []),
        }
        return found
    unknown = ["?"] if len(item.inputs) == 2 and len(item.symbol) == 1 else []
    names = [
        name
        for one in item.inputs
        for name in ([graph.name(one.source, one.output)] if one.source >= 0 else unknown)
    ]
    used = [one for one in item.inputs if one.source >= 0]
    up = upstream_text(item) if len(item.parts) < 2 else sum_rule(graph, item)
    found |= {
        "kind": "op",
        "op": item.name,
        "title": f"{item.label} by {item.name}",
        "forward": f"{item.label} = {_call(item.symbol, names)} = {value}",
        "locals": [local_text(graph, item, one) for one in used if one.gradient],
        "up": up if item.gradient else "",
        "rules": [rule(graph, item, one) for one in used if one.gradient],
        "facts": _facts(item, _of_op(item)),
    }
    return found


def _call(symbol: str, names: list[str]) -> str:
    """w × x, or tanh(v1)."""
    if len(names) == 2 and len(symbol) == 1:
        return f"{names[0]} {symbol} {names[1]}"
    return f"{symbol}({', '.join(names)})"


def _of_op(op: Op) -> list[tuple[str, str]]:
    kept = [
        f"{k.name or k.kind} {shape_text(k.shape)}, {size_text(k.bytes)}"
        + (" (written to since!)" if k.stale else "")
        for k in op.kept
    ]
    facts = [("formula", op.formula), ("module", op.path), ("line", op.line), ("code", op.code)]
    return [*facts, ("kept", "; ".join(kept) or "nothing")]


def _facts(item: Variable | Op, more: list[tuple[str, str]]) -> list[tuple[str, str]]:
    facts = []
    value = item.value or item.gradient
    if value is not None:
        facts.append(("shape", f"{shape_text(value.shape)}, {value.dtype}"))
    return facts + [(name, text) for name, text in more if text]
