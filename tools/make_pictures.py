"""Write the pictures and the table of docs/explain.md: `python tools/make_pictures.py`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import backprop_ext as bx
from backprop_ext import explain

nn: Any = bx.nn
DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "explain.md"
MARKS = re.compile(r"(<!-- growth:begin -->\n).*?(<!-- growth:end -->)", re.DOTALL)


def neuron() -> explain.Explanation:
    """The example of the page."""
    x, y = bx.tensor([2.0, 3.0, 1.0]), bx.tensor(3.0)
    w = bx.tensor([1.0, 1.0, 2.0], requires_grad=True)
    with explain.record():
        y_hat = w @ x
        loss = (y_hat - y) ** 2
    return explain.explain(loss)


def make(layers: int, batch: int) -> Callable[[], bx.Tensor]:
    """An MLP for 28 x 28 pictures with `layers` hidden layers of 256, and its loss."""
    widths = [784, *[256] * layers]
    hidden = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
    model = nn.Sequential(*hidden, nn.Linear(256, 10))
    x, y = bx.zeros(batch, 784), bx.zeros(batch, dtype=bx.int64)
    return lambda: nn.functional.cross_entropy(model(x), y)


def by_layers() -> explain.Growth:
    """Memory over layers, at batch 64."""
    return explain.memory_growth(lambda n: make(n, 64), [1, 2, 4, 8], "layers")


def by_batch() -> explain.Growth:
    """Memory over the batch, at 4 layers."""
    return explain.memory_growth(lambda n: make(4, n), [32, 64, 128, 256], "batch")


def table() -> str:
    """Both as one Markdown table."""
    lines = ["| layers | batch | prediction, peak | training, kept | of it activations |"]
    lines.append("|---|---|---|---|---|")
    for growth, sizes in ((by_layers(), lambda n: (n, 64)), (by_batch(), lambda n: (4, n))):
        for row in growth.rows:
            cells = [*sizes(row.size), row.prediction, row.training, row.activations]
            lines.append("| " + " | ".join(f"{cell:,}" for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write, or with --check compare the table."""
    page = PAGE.read_text(encoding="utf-8")
    made = MARKS.sub(lambda found: found[1] + table() + found[2], page)
    if "--check" in sys.argv:
        return int(made != page)
    PAGE.write_text(made, encoding="utf-8")
    (DOCS / "explain.svg").write_text(neuron().svg() + "\n", encoding="utf-8")
    (DOCS / "explain-layers.svg").write_text(by_layers().svg() + "\n", encoding="utf-8")
    (DOCS / "explain-batch.svg").write_text(by_batch().svg() + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
