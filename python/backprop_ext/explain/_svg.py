"""The picture: variables are boxes, operators circles, arrows run from input to output."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from ._chain import local_text
from ._graph import Op, Variable, kept_bytes
from ._groups import Group, visible
from ._layout import Vertex, place
from ._text import size_text
from ._value import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._graph import Graph

__all__ = ["STYLE", "Part", "scene", "svg"]

RADIUS: Final = 20.0
CHARACTER: Final = 6.4  # of the 11 px font
LONGEST: Final = 24  # characters of a line
MARGIN: Final = 14.0

STYLE: Final = """
.bx-graph{--paper:#ffffff;--ink:#1b1f24;--soft:#5f6b7a;--line:#8a94a3;--box:#eef3fb;--circle:#fff7e6;
--constant:#f3f4f6;--group:#e9f5ee;--forward:#0b5cad;--back:#b3261e;--local:#6a3fa0;
font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (prefers-color-scheme:dark){.bx-graph{--paper:#14171c;--ink:#e8ebf0;--soft:#a2acba;
--line:#707b8b;--box:#1d2a3d;--circle:#3a3020;--constant:#23272e;--group:#1b3328;--forward:#7db7ff;
--back:#ff9a90;--local:#cfb0ff}}
.bx-graph text{fill:var(--ink)}.bx-graph .soft{fill:var(--soft)}
.bx-graph .value{fill:var(--forward)}.bx-graph .gradient{fill:var(--back)}
.bx-graph .local{fill:var(--local);font-size:10px}
.bx-graph .name{font-weight:600}.bx-graph .symbol{font-size:13px;text-anchor:middle}
.bx-graph .mid{text-anchor:middle}
.bx-graph rect,.bx-graph circle{stroke:var(--line);stroke-width:1.3}
.bx-graph .leaf rect{fill:var(--box);stroke:var(--forward)}
.bx-graph .constant rect{fill:var(--constant);stroke-dasharray:4 3}
.bx-graph .op circle{fill:var(--circle)}.bx-graph .group rect{fill:var(--group)}
.bx-graph .wire{fill:none;stroke:var(--line);stroke-width:1.4}.bx-graph .tip{fill:var(--line)}
.bx-graph .paper{fill:var(--paper);stroke:none}
"""


@dataclass
class Part:
    """A symbol of the picture, and the lines of text beside or in it."""

    item: Variable | Op | Group
    vertex: Vertex
    lines: list[tuple[str, str]]  # (class, text)


def scene(graph: Graph, top: Group, opened: Iterable[str]) -> list[Part]:
    """The visible operations and groups with the variables that feed them.

    Their vertices say which feeds which. A variable that only one folded group uses is folded with
    it.
    """
    shown = [(m, [m] if isinstance(m, Op) else list(m.ops())) for m in visible(top, opened)]
    uses: dict[int, set[int]] = {}
    for number, (_, ops) in enumerate(shown):
        for source in _sources(ops):
            uses.setdefault(source, set()).add(number)
    parts: list[Part] = []
    ends: dict[int, int] = {}
    for number, (member, ops) in enumerate(shown):
        sources: dict[int, None] = {}
        for source in _sources(ops):
            item = graph.items[source]
            if isinstance(item, Variable) and source not in ends:
                if isinstance(member, Group) and uses[source] == {number}:
                    continue
                ends[source] = len(parts)
                parts.append(_box(item))
            if source in ends:
                sources[ends[source]] = None
        part = _circle(member) if isinstance(member, Op) else _group(member, ops)
        part.vertex.sources = list(sources)
        ends.update({op.index: len(parts) for op in ops})
        parts.append(part)
    return parts


def _sources(ops: Iterable[Op]) -> dict[int, None]:
    """The items that feed operations, each once, in order."""
    return {one.source: None for op in ops for one in op.inputs if one.source >= 0}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _wide(lines: list[tuple[str, str]]) -> float:
    return max((len(text) for _, text in lines), default=0) * CHARACTER


def _box(item: Variable) -> Part:
    lines = [("name", _cut(item.name))]
    if item.value is not None:
        if item.value.shape:
            lines.append(("soft", shape_text(item.value.shape)))
        if item.value.text() != item.name:
            lines.append(("value", _cut(item.value.short())))
    if item.gradient is not None:
        lines.append(("gradient", _cut("∂ " + item.gradient.short())))
    half = max(26.0, _wide(lines) / 2 + 9)
    return Part(item, Vertex(half, half, 14.0 * len(lines) + 10, [], floats=True), lines)


def _circle(op: Op) -> Part:
    lines = [("name", _cut(op.label))]
    if op.value is not None:
        lines.append(("value", _cut(op.value.short())))
    if op.gradient is not None:
        lines.append(("gradient", _cut("∂ " + op.gradient.short())))
    if op.path:
        lines.append(("soft", _cut(op.path)))
    half = max(RADIUS, len(op.symbol) * 7.2 / 2 + 7)
    return Part(op, Vertex(half, half + 6 + _wide(lines), 14.0 * len(lines), []), lines)


def _group(group: Group, ops: list[Op]) -> Part:
    lines = [("name mid", _cut(group.label))]
    if group.kind:
        lines.append(("soft mid", _cut(group.kind)))
        lines.append(("soft mid", f"{len(ops):,} operations"))
    lines.append(("soft mid", f"{size_text(kept_bytes(ops))} kept"))
    half = max(50.0, _wide(lines) / 2 + 12)
    return Part(group, Vertex(half, half, 14.0 * len(lines) + 14, []), lines)


def svg(graph: Graph, top: Group, opened: Iterable[str], view: str = "") -> str:
    """The picture as one SVG element that brings its style along; as a `view`, part of a page."""
    parts = scene(graph, top, opened)
    placed = place([part.vertex for part in parts])
    width, height = placed.width + 2 * MARGIN, placed.height + 2 * MARGIN
    marker = f"bx-tip-{view}" if view else "bx-tip"
    out = [
        f'<svg class="bx-graph" xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="group" '
        f'aria-label="computation graph of {escape(graph.name(graph.root), True)}">',
        "" if view else f"<style>{STYLE}</style>",
        f'<defs><marker id="{marker}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" '
        'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        '<path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>',
        f'<rect class="paper" width="{width:.0f}" height="{height:.0f}"/>',
        f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">',
    ]
    for (s, t), points in placed.edges.items():
        out.append(_wire(points, parts, s, t, marker))
    for (s, t), points in placed.edges.items():
        out += _local(graph, parts, s, t, points)
    out += [_symbol(part) for part in parts]
    return "\n".join([*out, "</g></svg>"])


def _ends(parts: list[Part], k: int) -> tuple[int, int]:
    """The interval of items that a symbol stands for."""
    item = parts[k].item
    return (item.first, item.last) if isinstance(item, Group) else (item.index, item.index)


def _wire(points: list[tuple[float, float]], parts: list[Part], s: int, t: int, marker: str) -> str:
    (x0, y0), *rest = points
    target = parts[t]
    if isinstance(target.item, Op):  # to the rim of the circle
        rest[-1] = (rest[-1][0], target.vertex.y - RADIUS)
    if isinstance(parts[s].item, Op):
        y0 = parts[s].vertex.y + RADIUS
    path = f"M{x0:.1f} {y0:.1f}"
    for x, y in rest:
        bend = (y - y0) * 0.5
        path += f"C{x0:.1f} {y0 + bend:.1f} {x:.1f} {y - bend:.1f} {x:.1f} {y:.1f}"
        x0, y0 = x, y
    (_, source), (target_, _) = _ends(parts, s), _ends(parts, t)
    return (
        f'<path class="wire" data-from="{source}" data-to="{target_}" d="{path}" '
        f'marker-end="url(#{marker})"/>'
    )


def _local(
    graph: Graph, parts: list[Part], s: int, t: int, points: list[tuple[float, float]]
) -> list[str]:
    """The local derivative beside the arrow, where it is short enough."""
    op, source = parts[t].item, parts[s].item
    if not isinstance(op, Op) or isinstance(source, Group):
        return []
    for one in op.inputs:
        if one.source == source.index and one.local is not None:
            value = one.local.value.short()
            if len(value) > 8 or one.local.kind == "sums" or "…" in value:
                return []
            (x0, _), (x1, y1) = points[-2], points[-1]
            side = "end" if x0 < x1 - 4 else "start"
            x = x1 + (-7 if side == "end" else 7)
            title = escape(local_text(graph, op, one))
            return [
                f'<text class="local" data-item="{op.index}" x="{x:.1f}" y="{y1 - 10:.1f}" '
                f'text-anchor="{side}">{escape(value)}<title>{title}</title></text>'
            ]
    return []


def _symbol(part: Part) -> str:
    item, v = part.item, part.vertex
    if isinstance(item, Group):
        kind, data = "group", f'data-group="{escape(item.key, True)}"'
        data += f' data-first="{item.first}" data-last="{item.last}"'
        shape = _rect(v, 10)
        said = f"{item.label}, folded: Enter unfolds it"
    elif isinstance(item, Variable):
        kind, data = ("leaf" if item.requires_grad else "constant"), f'data-item="{item.index}"'
        shape = _rect(v, 4)
        said = f"{item.name}, {kind}"
    else:
        kind, data = "op", f'data-item="{item.index}"'
        half = v.left
        shape = (
            f'<circle cx="{v.x:.1f}" cy="{v.y:.1f}" r="{RADIUS:.0f}"/>'
            if half <= RADIUS + 1
            else f'<rect x="{v.x - half:.1f}" y="{v.y - RADIUS:.1f}" width="{2 * half:.1f}" '
            f'height="{2 * RADIUS:.0f}" rx="{RADIUS:.0f}" style="fill:var(--circle)"/>'
        )
        shape += (
            f'<text class="symbol" x="{v.x:.1f}" y="{v.y + 4.5:.1f}">{escape(item.symbol)}</text>'
        )
        said = f"{item.label} by {item.name}"
    x = v.x + v.left + 6 if isinstance(item, Op) else v.x
    anchor = "" if isinstance(item, Op) else " mid"
    y = v.y - 14.0 * len(part.lines) / 2 + 10.5
    text = "".join(
        f'<text class="{cls}{anchor}" x="{x:.1f}" y="{y + 14 * k:.1f}">{escape(line)}</text>'
        for k, (cls, line) in enumerate(part.lines)
    )
    return (
        f'<g class="{kind}" {data} tabindex="0" role="button" aria-label="{escape(said, True)}">'
        f"<title>{escape(_title(item))}</title>{shape}{text}</g>"
    )


def _rect(v: Vertex, radius: int) -> str:
    return (
        f'<rect x="{v.x - v.left:.1f}" y="{v.y - v.height / 2:.1f}" width="{v.left + v.right:.1f}" '
        f'height="{v.height:.1f}" rx="{radius}"/>'
    )


def _title(item: Variable | Op | Group) -> str:
    if isinstance(item, Group):
        return item.label
    value = "not kept" if item.value is None else item.value.text(64)
    lines = [f"{item.name} = {value}"]
    if isinstance(item, Op):
        lines += [x for x in (item.formula, item.path, item.line) if x]
    if item.gradient is not None:
        lines.append(f"∂L = {item.gradient.text(64)}")
    return "\n".join(lines)
