"""A model as a table: layer, class, output shape, weights, and what it is connected to."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..nn.modules.module import Module
    from .base import Layer

__all__ = ["table"]


def table(model: Layer, rows: Sequence[tuple[Layer, str]], width: int) -> str:
    """The text of `summary`: a row for each layer and what it is connected to."""
    lines = ["=" * width, _row("Layer (class)", "Output shape", "Weights", "Connected to", width)]
    lines.append("=" * width)
    for layer, sources in rows:
        name = f"{layer.name()} ({type(layer).__name__})"
        shape, count = str(layer.get_output_shape()), f"{_count(layer.module):,}"
        lines += [_row(name, shape, count, sources, width), "-" * width]
    lines[-1] = "=" * width
    total, trained = _count(model.module), _count(model.module, trained=True)
    lines += [
        f"Total weights: {total:,}",
        f"Trained: {trained:,}",
        f"Not trained: {total - trained:,}",
    ]
    return "\n".join(lines)


def _count(module: Module, trained: bool = False) -> int:
    return sum(prod(p.shape) for p in module.parameters() if p.requires_grad or not trained)


def _row(first: str, second: str, third: str, fourth: str, width: int) -> str:
    """Columns at fixed places; a text that is too long pushes the next one on."""
    line = ""
    for text, start in ((first, 0.0), (second, 0.33), (third, 0.55), (fourth, 0.67)):
        line = line.ljust(int(width * start))
        line += f" {text}" if line and line[-1] != " " else text
    return line.rstrip()
