"""The picture for Graphviz, and what its `dot` makes of it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from ._graph import Op, Variable
from ._groups import Group
from ._svg import scene

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._graph import Graph

__all__ = ["dot", "png"]


def dot(graph: Graph, top: Group, opened: Iterable[str]) -> str:
    """A digraph in the DOT language."""
    lines = [
        "digraph explanation {",
        '  node [fontname="monospace" fontsize=10];',
        '  edge [color="#8a94a3"];',
    ]
    for k, part in enumerate(scene(graph, top, opened)):
        item = part.item
        text = "\\n".join(_escaped(line) for _, line in part.lines)
        if isinstance(item, Variable):
            style = "filled" if item.requires_grad else "dashed"
            look = f'shape=box style="{style}" fillcolor="#eef3fb" label="{text}"'
        elif isinstance(item, Op):
            label = f'label="{_escaped(item.symbol)}" xlabel="{text}"'
            look = f'shape=circle style=filled fillcolor="#fff7e6" {label}'
        else:
            look = f'shape=box style="filled,rounded" fillcolor="#e9f5ee" label="{text}"'
        lines.append(f"  n{k} [{look}];")
        lines += [f"  n{source} -> n{k};" for source in part.vertex.sources]
    return "\n".join([*lines, "}", ""])


def png(source: str) -> bytes:
    """What Graphviz draws. Raises RuntimeError where its `dot` is missing or fails."""
    program = shutil.which("dot")
    if program is None:
        raise RuntimeError(
            "[explain] a .png is drawn by Graphviz's `dot`, which is not installed; install "
            "graphviz, or save as .svg or .html, which need nothing"
        )
    done = subprocess.run([program, "-Tpng"], input=source.encode(), capture_output=True)
    if done.returncode:
        raise RuntimeError(f"[explain] dot failed: {done.stderr.decode().strip()}; save as .svg")
    return done.stdout


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
