"""Draws the ratios of one run: each peer's time over the captured step's, on a logarithmic axis."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from results import Results, times

# Middle tones, seen on white and on black; each peer has a marker of its own too.
MARKS = {
    "ours": ("o", "#2f9e6e"),
    "torch": ("s", "#e0662b"),
    "compile": ("D", "#d9a400"),
    "jax": ("^", "#5b8def"),
    "numpy": ("P", "#a77bd8"),
    "eigen": ("X", "#c2557a"),
}
GREY = "#808891"
LEAST = 0.2  # where the axis begins; what lies left of it is written there


def draw(run: Results, path: Path) -> bool:
    """Write the figure as SVG, without a background; False if no captured step was measured."""
    rows = [row for row in run.rows if row.base == "captured" and len(row.values) > 4][::-1]
    if not rows:
        return False
    figure = Figure(figsize=(9.0, 1.4 + 0.34 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(1.0, color=GREY, linewidth=1.4)
    for key, (marker, color) in MARKS.items():
        found = [(row.ratio("captured", key), place) for place, row in enumerate(rows)]
        points = [(ratio, place) for ratio, place in found if ratio is not None]
        seen = [point for point in points if point[0] >= LEAST]
        if seen:
            x, y = zip(*seen, strict=True)
            axes.plot(
                x, y, marker, color=color, markersize=7, markeredgewidth=0, label=run.peers[key]
            )
        for ratio, place in points:
            if ratio < LEAST:
                axes.text(LEAST, place, f" {times(ratio)}", color=color, fontsize=9, va="bottom")
    axes.set_xscale("log")
    axes.set_xlim(left=LEAST)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(
        f"time over that of the captured step, {run.threads} thread"
        + ("" if run.threads == 1 else "s")
    )
    axes.grid(color=GREY, alpha=0.3, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=GREY, which="both", length=0)
    axes.xaxis.label.set_color(GREY)
    axes.patch.set_alpha(0.0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.legend(loc="outside upper center", ncols=len(MARKS), frameon=False, labelcolor=GREY)
    figure.patch.set_alpha(0.0)
    FigureCanvasSVG(figure)
    # The same results give the same file.
    with mpl.rc_context({"svg.hashsalt": "bench"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
    return True
