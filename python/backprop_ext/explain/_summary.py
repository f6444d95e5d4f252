"""`summary(model, input_size)`: layers, shapes, parameters, multiply-adds and kept bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import enable_grad
from ..nn.modules import conv, linear, rnn
from ..nn.modules._hooks import register_module_forward_hook, register_module_forward_pre_hook
from ..nn.modules.attention import MultiheadAttention
from ..random import get_rng_state, set_rng_state
from ._graph import LIVING
from ._memory import MemoryReport
from ._names import Names
from ._record import record
from ._tape import read
from ._text import columns, size_text
from ._value import shape_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..nn.modules.module import Module

__all__ = ["Row", "Summary", "summary"]


@dataclass
class Row:
    """One call of a module."""

    depth: int
    path: str
    kind: str
    output: tuple[int, ...] | None
    parameters: int  # its own, not those of modules inside
    multiply_adds: int
    kept: int  # bytes for the backward pass, by its own operations
    number: int


class Summary:
    """The calls of a forward pass in order, and their sums; printed as a table."""

    def __init__(self, rows: list[Row], model: Module, kept: int) -> None:
        self.rows = rows
        every = list(model.parameters())
        self.parameters = sum(p.numel() for p in every)
        self.trainable = sum(p.numel() for p in every if p.requires_grad)
        self.parameter_bytes = sum(p.nbytes for p in every)
        self.multiply_adds = sum(row.multiply_adds for row in rows)
        self.kept = kept

    def __str__(self) -> str:
        head = ["layer", "output shape", "parameters", "multiply-adds", "kept"]
        body = [
            [
                "  " * row.depth + row.kind + (f" ({row.path})" if row.path else ""),
                "-" if row.output is None else shape_text(row.output),
                f"{row.parameters:,}" if row.parameters else "-",
                f"{row.multiply_adds:,}" if row.multiply_adds else "-",
                size_text(row.kept) if row.kept else "-",
            ]
            for row in self.rows
        ]
        lines = columns([head, *body], frozenset({2, 3, 4}))
        rule = "-" * max(map(len, lines))
        sums = [
            f"parameters: {self.parameters:,}, trainable {self.trainable:,} "
            f"({size_text(self.parameter_bytes)})",
            f"multiply-adds: {self.multiply_adds:,}",
            f"kept for the backward pass: {size_text(self.kept)}",
        ]
        return "\n".join([lines[0], rule, *lines[1:], rule, *sums])

    __repr__ = __str__


def summary(
    model: Module,
    input_size: Sequence[int] | Sequence[Sequence[int]] | None = None,
    *,
    input_data: Any = None,
    dtype: Any = None,
    mode: str = "eval",
) -> Summary:
    """A forward pass over zeros of `input_size` (with the batch), or over `input_data`, as a table.

    Per call of a module: the shape of its output, its own parameters, the multiply-adds of its
    matrix products (linear, convolutions, recurrent layers, attention; nothing else counts), and
    the bytes that its operations keep. `input_size` may hold several sizes, for as many inputs.
    The model is run in `mode` ("eval" or "train"); modes, buffers and the generator are afterwards
    what they were. Raises ValueError for another mode, and where neither size nor data is given.
    """
    if mode not in ("eval", "train"):
        raise ValueError(f"[summary] mode={mode!r}; pass 'eval' or 'train'")
    if (input_size is None) == (input_data is None):
        raise ValueError("[summary] pass either input_size or input_data, one of the two")
    if input_size is not None:
        sizes = [input_size] if not input_size or isinstance(input_size[0], int) else input_size
        data = [_core.zeros(tuple(size), dtype=dtype) for size in sizes]  # type: ignore[arg-type]
    else:
        data = [*input_data] if isinstance(input_data, (list, tuple)) else [input_data]
    modes = [(m, m.training) for m in model.modules()]
    buffers = [(b, b.clone()) for b in model.buffers()]
    state = get_rng_state()
    model.train(mode == "train")
    try:
        return _run(model, data)
    finally:
        for module, training in modes:
            module.training = training
        for buffer, before in buffers:
            buffer.data.copy_(before)
        set_rng_state(state)


def _run(model: Module, data: list[Any]) -> Summary:
    rows: list[Row] = []
    open_: list[Row] = []

    def enter(module: Module, args: Any) -> None:
        active = record._active
        assert active is not None
        call = active.calls[-1]
        own = sum(p.numel() for p in module.parameters(recurse=False))
        rows.append(Row(len(call.chain()) - 1, call.path, call.kind, None, own, 0, 0, call.number))
        open_.append(rows[-1])

    def leave(module: Module, args: Any, output: Any) -> None:
        row = open_.pop()
        found = _first_tensor(output)
        if found is not None:
            row.output = tuple(found.shape)
            row.multiply_adds = _multiply_adds(module, _tensors(args), found)

    with record(), enable_grad():
        hooks = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave)]
        try:
            output = model(*data)
        finally:
            for hook in hooks:
                hook.remove()
    kept = _kept_by_call(output, rows)
    return Summary(rows, model, kept)


def _kept_by_call(output: Any, rows: list[Row]) -> int:
    """Fill in the rows, and give the sum: memory that is shared counts where it is first kept."""
    tensors = [t for t in _tensors(output) if t.grad_fn is not None]
    if not tensors:
        return 0
    by_number = {row.number: row for row in rows}
    root = (
        tensors[0] if len(tensors) == 1 else sum((t.sum() for t in tensors[1:]), tensors[0].sum())
    )
    report = MemoryReport(read(root, None, Names()))
    for op, kept, first in report.rows:
        if first and op.calls and kept.kind in LIVING:
            by_number[op.calls[-1][0]].kept += kept.bytes
    return sum(row.kept for row in rows)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [t for one in value for t in _tensors(one)]
    return []


def _first_tensor(value: Any) -> Tensor | None:
    return next(iter(_tensors(value)), None)


def _multiply_adds(module: Module, args: list[Tensor], y: Tensor) -> int:
    """Of the matrix products of a layer, for its inputs and its output y."""
    each = math.prod(getattr(module, "weight", y).shape[1:])
    if isinstance(module, linear.Linear):
        return y.numel() * module.in_features
    if isinstance(module, linear.Bilinear):
        return y.numel() * module.in1_features * (module.in2_features + 1)
    if isinstance(module, conv._ConvTransposeNd):
        return args[0].numel() * each
    if isinstance(module, conv._ConvNd):
        return y.numel() * each
    if isinstance(module, (rnn.RNNBase, rnn.RNNCellBase)):
        matrices = sum(p.numel() for p in module.parameters() if p.ndim == 2)
        return matrices * (args[0].numel() // args[0].shape[-1])
    if isinstance(module, MultiheadAttention):
        return _attention(module, *args[:3])
    return 0


def _attention(module: Any, query: Tensor, key: Tensor, value: Tensor) -> int:
    """Projections of query, key, value and result, then the scores and their use."""
    width, batched = module.embed_dim, query.ndim == 3
    at = 1 if module.batch_first and batched else 0
    batch = query.shape[1 - at] if batched else 1
    length, keys = query.shape[at], key.shape[at]
    projections = 2 * length * width + keys * (key.shape[-1] + value.shape[-1])
    return int(batch * width * (projections + 2 * length * keys))
