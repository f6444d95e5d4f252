"""Which operation keeps which tensor for the backward pass, and how many bytes that is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .. import _stories
from ._graph import LIVING
from ._names import Names
from ._tape import read
from ._text import ROWS, columns, size_text
from ._value import shape_text

if TYPE_CHECKING:
    from .._core import Tensor
    from ..nn.modules.module import Module
    from ._graph import Graph, Kept, Op

__all__ = ["MemoryReport", "memory_report"]

_KINDS = {
    "activation": "activations: results that the forward pass computed",
    "constant": "constants: data, targets, masks and statistics",
    "parameter": "parameters: there for prediction too",
    "borrowed": "borrowed: the memory of NumPy arrays and other libraries",
}


class MemoryReport:
    """Bytes kept for the backward pass; memory that several tensors share is counted once.

    A view keeps the whole memory that it looks at. `bytes` has the kinds: "activation",
    "constant", "parameter", and "borrowed" for what the allocator does not own.
    """

    def __init__(self, graph: Graph) -> None:
        self.rows: list[tuple[Op, Kept, bool]] = []  # with: whether it is the first of its memory
        self.bytes = dict.fromkeys(_KINDS, 0)
        self.packed = 0
        seen: set[int] = set()
        for op in graph.ops():
            for kept in op.kept:
                if kept.memory is None:
                    self.packed += 1
                    continue
                first = kept.memory not in seen
                seen.add(kept.memory)
                self.rows.append((op, kept, first))
                self.bytes[kept.kind] += kept.bytes if first else 0

    @property
    def total(self) -> int:
        """Bytes that live as long as the graph does: all but parameters and borrowed memory."""
        return sum(self.bytes[kind] for kind in LIVING)

    def by_module(self) -> dict[str, int]:
        """The same by module path, "" for what is outside of modules."""
        found: dict[str, int] = {}
        for op, kept, first in self.rows:
            if first and kept.kind in LIVING:
                found[op.path] = found.get(op.path, 0) + kept.bytes
        return found

    def text(self, limit: int | None = ROWS) -> str:
        """One line per tensor that is kept, then the sums."""
        head = ["operation", "", "module", "keeps", "shape", "dtype", "bytes"]
        rows = [head] + [_cells(*row) for row in self.rows[:limit]]
        lines = columns(rows, frozenset({6}))
        if limit is not None and len(self.rows) > limit:
            lines.append(f"... {len(self.rows) - limit:,} more; .text(limit=None) has all")
        lines.append("")
        sums = [(self.total, "bytes kept until the backward pass")]
        sums += [(self.bytes[kind], text) for kind, text in _KINDS.items() if self.bytes[kind]]
        if len(sums) > 1:
            lines += columns([[f"{n:,}", text] for n, text in sums], frozenset({0}))
        else:
            lines.append("nothing is kept")
        if self.packed:
            lines.append(f"{self.packed} tensors are packed by a hook: their bytes are not known")
        lines += [
            "",
            "Prediction, under no_grad(), keeps nothing: a result is freed when the next one is",
            "there. Training keeps one for each operation whose derivative reads it, so memory",
            f"grows with the number of layers and with the batch ({size_text(self.total)} here).",
        ]
        return "\n".join(lines)

    __str__ = text
    __repr__ = text

    def as_dict(self) -> dict[str, Any]:
        """The numbers: total, bytes by kind, and the rows."""
        rows = [
            {"op": op.name, "name": op.label, "module": op.path, "first": first, **vars(kept)}
            for op, kept, first in self.rows
        ]
        return {"total": self.total, "bytes": self.bytes, "packed": self.packed, "rows": rows}


def _cells(op: Op, kept: Kept, first: bool) -> list[str]:
    name = kept.kind + (f" {kept.name}" if kept.name else "")
    return [
        op.label,
        op.name,
        op.path,
        name,
        shape_text(kept.shape),
        kept.dtype,
        f"{kept.bytes:,}" if first else "(above)",
    ]


def memory_report(loss: Tensor, *, model: Module | None = None) -> MemoryReport:
    """What the graph of a tensor of any shape keeps for its backward pass, op by op.

    Module paths are there after `record()`, or with a `model` in sight. Raises RuntimeError for a
    tensor without a graph and for a freed graph. Values that a Python hook has packed are counted
    apart, in tensors.
    """
    frame = next(_stories.call_frames(), None) or sys._getframe(1)
    names = Names()
    if model is not None:
        names.add_module(model)
    names.add_frame(frame)
    return MemoryReport(read(loss, None, names))
