"""How the memory of training and of prediction grows: a table and a plot."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import enable_grad, no_grad
from ._memory import MemoryReport
from ._names import Names
from ._svg import STYLE
from ._tape import read
from ._text import columns, size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Growth", "GrowthRow", "memory_growth"]

WIDTH: Final = 440
HEIGHT: Final = 240
LEFT: Final = 70
BOTTOM: Final = 44
TOP: Final = 30
RIGHT: Final = 110


@dataclass
class GrowthRow:
    """Bytes at one size: the peak of a prediction, and what a graph keeps for the way back."""

    size: int
    prediction: int
    activations: int
    constants: int

    @property
    def training(self) -> int:
        """All that the graph keeps beside the parameters."""
        return self.activations + self.constants


class Growth:
    """Rows by size; printed as a table, drawn as a plot by notebooks and `svg()`."""

    def __init__(self, name: str, rows: list[GrowthRow]) -> None:
        self.name, self.rows = name, rows

    def __str__(self) -> str:
        head = [self.name, "prediction, at its peak", "training, kept", "of it activations"]
        rows = [
            [str(r.size), f"{r.prediction:,}", f"{r.training:,}", f"{r.activations:,}"]
            for r in self.rows
        ]
        return "\n".join(columns([head, *rows], frozenset({0, 1, 2, 3})))

    __repr__ = __str__

    def svg(self) -> str:
        """Bytes over size: a line for training, one for prediction."""
        right = max(r.size for r in self.rows)
        top = max(max(r.training, r.prediction) for r in self.rows) or 1

        def at(size: int, bytes_: int) -> str:
            x = LEFT + size / right * (WIDTH - LEFT - RIGHT)
            return f"{x:.1f} {HEIGHT - BOTTOM - bytes_ / top * (HEIGHT - BOTTOM - TOP):.1f}"

        title = escape(f"bytes by {self.name}")
        out = [
            f'<svg class="bx-graph" xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
            f'<style>{STYLE}</style><rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
            f'<path class="wire" d="M{at(0, top)}L{at(0, 0)}L{at(right, 0)}"/>',
            f'<text class="soft" x="{LEFT - 6}" y="{TOP + 4}" text-anchor="end">'
            f"{size_text(top)}</text>",
            f'<text class="soft" x="{LEFT - 6}" y="{HEIGHT - BOTTOM}" text-anchor="end">0</text>',
            f'<text class="name mid" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}">'
            f"{escape(self.name)}</text>",
        ]
        for row in self.rows:
            x = at(row.size, 0).split()[0]
            out.append(
                f'<text class="soft mid" x="{x}" y="{HEIGHT - BOTTOM + 16}">{row.size}</text>'
            )
        for label, color, values in (
            ("training", "--back", [(r.size, r.training) for r in self.rows]),
            ("prediction", "--forward", [(r.size, r.prediction) for r in self.rows]),
        ):
            points = [at(*value) for value in values]
            out.append(
                f'<path d="M{"L".join(points)}" style="fill:none;stroke:var({color});'
                'stroke-width:2"/>'
            )
            out += [
                f'<circle cx="{x}" cy="{y}" r="3.5" style="fill:var({color});stroke:none"/>'
                for x, y in map(str.split, points)
            ]
            x, y = points[-1].split()
            out.append(
                f'<text x="{float(x) + 9:.1f}" y="{float(y) + 4:.1f}" style="fill:var({color})">'
                f"{label}</text>"
            )
        return "\n".join([*out, "</svg>"])

    _repr_svg_ = svg


def memory_growth(
    make: Callable[[int], Callable[[], Tensor]], sizes: Sequence[int], name: str = "size"
) -> Growth:
    """Memory by size: `make(size)` builds model and data, and returns the function for the loss.

    That function runs under no_grad(), where the allocator's peak is taken, and again recorded,
    where what its graph keeps is counted. Parameters and data that `make` makes count in neither
    but for data that the graph keeps. Raises ValueError for no sizes.

    >>> explain.memory_growth(lambda n: lambda: model(x[:n]).sum(), [32, 64, 128], "batch")
    """
    if not sizes:
        raise ValueError("[memory_growth] no sizes; pass two or more, to see how memory grows")
    return Growth(name, [_measured(make(size), size) for size in sizes])


def _measured(step: Callable[[], Tensor], size: int) -> GrowthRow:
    gc.collect()
    before = _core._memory_stats()["in_use"]
    _core._reset_peak_memory()
    with no_grad():
        step()
    prediction = _core._memory_stats()["peak"] - before
    with enable_grad():
        report = MemoryReport(read(step(), None, Names()))
    return GrowthRow(size, prediction, report.bytes["activation"], report.bytes["constant"])
