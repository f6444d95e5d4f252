"""The plan of a recording as a picture: its instructions, and beside them the arena over time."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from ._capture_recording import Recording

__all__ = ["Block", "Plan", "draw", "peak", "svg"]

_ROW: Final = 20  # the height of an instruction
_TOP: Final = 84  # above the first one: the title and the scale
_LEFT: Final = 16
_CHAR: Final = 6.7  # the width of a letter of 11 px
_MOST: Final = 92  # letters of an instruction
_CHART: Final = 560
_RIGHT: Final = 110  # for the peak's label
_TICKS: Final = 5
_HUES: Final = 6

_STYLE: Final = """
.plan { --paper: #fff; --ink: #1f2430; --soft: #6b7280; --line: #e3e6eb; --band: #f6f7f9;
  --part: #dfe8f7; --peak: #c2410c;
  --c0: #8ab4f0; --c1: #8fd0b4; --c2: #f0c27b; --c3: #c9a7ea; --c4: #f2a3ad; --c5: #9fd3e6; }
@media (prefers-color-scheme: dark) { .plan { --paper: #14171d; --ink: #e6e8ec; --soft: #98a1b0;
  --line: #2a303b; --band: #1a1e26; --part: #25344f; --peak: #fb923c;
  --c0: #2f5f9e; --c1: #2b7a5c; --c2: #93662a; --c3: #6b4a92; --c4: #93434f; --c5: #2c7488; } }
.plan text { font: 11px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  fill: var(--ink); white-space: pre; }
.plan .title { font-size: 14px; font-weight: 600; }
.plan .soft { fill: var(--soft); }
.plan .paper { fill: var(--paper); }
.plan .band { fill: var(--band); }
.plan .part { fill: var(--part); }
.plan .line { stroke: var(--line); }
.plan .peak { stroke: var(--peak); stroke-dasharray: 4 3; }
.plan .marked { fill: var(--peak); }
.plan .buffer { stroke: var(--paper); }
.plan .buffer:hover { stroke: var(--ink); }
"""


class Block(NamedTuple):
    """A buffer: bytes offset .. offset + bytes of the arena, from instruction first to last."""

    offset: int
    bytes: int
    first: int
    last: int


class Plan(NamedTuple):
    """What is drawn."""

    title: str
    instructions: list[str]
    buffers: list[Block]
    arena_bytes: int


def draw(recording: Recording, path: str | PathLike[str] | None = None) -> str:
    """The picture of a recording; written to `path`, as SVG or inside an HTML page.

    Raises ValueError for a suffix that is neither .svg nor .html.
    """
    program = recording.program
    lines, buffers = program.plan()
    plan = Plan(recording.title, lines, [Block(*b) for b in buffers], program.arena_bytes)
    if path is None:
        return svg(plan)
    target = Path(path)
    kind = target.suffix.lower()
    if kind not in (".svg", ".html"):
        raise ValueError(f"[draw] {target.name!r} ends in {kind!r}; name it .svg or .html")
    text = svg(plan) if kind == ".svg" else _page(plan)
    target.write_text(text, encoding="utf-8")
    return text


def peak(buffers: Iterable[Block]) -> tuple[int, int]:
    """(instruction, bytes): where the most is alive at once, and how much; (0, 0) of nothing."""
    changes: dict[int, int] = {}
    for b in buffers:
        changes[b.first] = changes.get(b.first, 0) + b.bytes
        changes[b.last + 1] = changes.get(b.last + 1, 0) - b.bytes
    at = most = alive = 0
    for row in sorted(changes):
        alive += changes[row]
        if alive > most:
            at, most = row, alive
    return at, most


def svg(plan: Plan) -> str:
    """The picture: instructions from top to bottom; x of the chart is bytes, y the instructions."""
    labels = [_parts(line) for line in plan.instructions]
    number = len(str(max(len(labels) - 1, 0)))
    text_left = _LEFT + _CHAR * (number + 2)
    widest = max((sum(map(len, parts)) + 2 * len(parts) for parts in labels), default=0)
    left = round(text_left + _CHAR * widest) + 24
    width = left + _CHART + _RIGHT
    rows = max(len(labels), 1)
    bottom = _TOP + rows * _ROW
    height = bottom + 40
    at, most = peak(plan.buffers)
    extent = max([plan.arena_bytes, *(b.offset + b.bytes for b in plan.buffers), 1])
    scale = _CHART / extent
    out = [
        f'<svg class="plan" xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">',
        f"<title>{_text(plan.title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        f'<text class="title" x="{_LEFT}" y="26">{_text(_short(plan.title, width // 10))}</text>',
        f'<text class="soft" x="{_LEFT}" y="46">{len(labels)} instructions, {len(plan.buffers)} '
        f"buffers in an arena of {_bytes(plan.arena_bytes)}; at most {_bytes(most)} alive</text>",
    ]
    out += _list(plan.instructions, labels, number, text_left, width)
    for k in range(_TICKS):
        value = extent * k // (_TICKS - 1)
        x = left + value * scale
        anchor = "start" if k == 0 else "end" if k == _TICKS - 1 else "middle"
        out.append(f'<line class="line" x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{bottom}"/>')
        for y in (_TOP - 12, bottom + 18):
            out.append(
                f'<text class="soft" x="{x:.1f}" y="{y}" text-anchor="{anchor}">'
                f"{_bytes(value)}</text>"
            )
    for k, b in enumerate(plan.buffers):
        y, size = _TOP + b.first * _ROW, max(b.bytes * scale, 1)
        edge = "" if size > 4 else "; stroke: none"  # which would hide a thin one
        out.append(
            f'<rect class="buffer" x="{left + b.offset * scale:.2f}" y="{y}" '
            f'width="{size:.2f}" height="{(b.last - b.first + 1) * _ROW}" rx="2" '
            f'style="fill: var(--c{k % _HUES}){edge}"><title>{_text(_tip(plan, b))}</title></rect>'
        )
    if most:
        y = _TOP + at * _ROW
        out.append(
            f'<line class="peak" x1="{left}" y1="{y + _ROW / 2}" x2="{left + _CHART}" '
            f'y2="{y + _ROW / 2}"><title>{_text(f"instruction {at}: {most} bytes alive")}</title>'
            "</line>"
        )
        out.append(
            f'<text class="marked" x="{left + _CHART + 8}" y="{y + 14}">peak {_bytes(most)}</text>'
        )
    return "\n".join([*out, "</svg>\n"])


def _list(
    lines: list[str], labels: list[list[str]], number: int, left: float, width: int
) -> list[str]:
    """The instructions; what a fused one is made of stands in boxes."""
    out = []
    for k, (line, parts) in enumerate(zip(lines, labels, strict=True)):
        y = _TOP + k * _ROW
        if k % 2 == 0:
            out.append(f'<rect class="band" y="{y}" width="{width}" height="{_ROW}"/>')
        out.append(f'<g class="instruction"><title>{_text(f"{k}: {line}")}</title>')
        out.append(f'<text class="soft" x="{_LEFT}" y="{y + 14}">{str(k).rjust(number)}</text>')
        x = left
        for part in parts:
            size = _CHAR * len(part)
            if len(parts) > 1 and part is not parts[-1]:
                out.append(
                    f'<rect class="part" x="{x - 3:.1f}" y="{y + 2}" width="{size + 6:.1f}" '
                    f'height="{_ROW - 4}" rx="3"/>'
                )
            out.append(f'<text x="{x:.1f}" y="{y + 14}">{_text(part)}</text>')
            x += size + 2 * _CHAR
        out.append("</g>")
    return out


def _parts(line: str) -> list[str]:
    """A line in pieces: the kernels that run together and their shape, or the line alone."""
    stages, bracket, rows = line.rstrip("]").rpartition(" [")
    if bracket:  # kernels over the same rows
        names = [stage.partition(" (")[0] for stage in stages.split(" | ")]
        kernels, shape = [k for name in names for k in name.split(" + ")], rows
    else:
        name, paren, shape = line.partition(" (")
        kernels, shape = name.split(" + "), paren[1:] + shape
    if len(kernels) == 1:
        return [_short(line, _MOST)]
    shown: list[str] = []
    room = _MOST - len(shape) - 16
    for name in kernels:
        room -= len(name) + 2
        if room < 0:
            shown.append(f"{len(kernels) - len(shown)} more")
            break
        shown.append(name)
    return [*shown, _short(shape, _MOST)]


def _tip(plan: Plan, b: Block) -> str:
    """What a rectangle says when it is pointed at."""
    text = f"bytes {b.offset} to {b.offset + b.bytes} ({b.bytes})"
    if b.last < len(plan.instructions):
        text += f"\nfrom {b.first}: {plan.instructions[b.first]}"
        text += f"\nto {b.last}: {plan.instructions[b.last]}"
    return text


def _bytes(count: int) -> str:
    """A number of bytes in three digits: 0 B, 640 B, 12.5 kB, 3 MB (1 kB = 1000 B)."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _text(text: str) -> str:
    """As XML may contain it."""
    return escape("".join(c if c >= " " or c in "\t\n" else "?" for c in text))


def _page(plan: Plan) -> str:
    """The picture in a page of its own, which scrolls."""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{_text(plan.title)}</title>\n"
        '<meta name="color-scheme" content="light dark">\n'
        "<style>body { margin: 0; background: #fff; }\n"
        "@media (prefers-color-scheme: dark) { body { background: #14171d; } }</style>\n</head>\n"
        f"<body>\n{svg(plan)}</body>\n</html>\n"
    )
