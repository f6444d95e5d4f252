"""Tensors as the messages of processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._bits import as_bits
from .._checks import the_tensor
from .._core import Tensor

if TYPE_CHECKING:
    from .distributed_c10d import Call

__all__ = ["Given", "arrival", "bytes_of", "densely", "exchange", "kind_of", "strided"]

Given = dict[int, Tensor]  # by rank


def strided(op: str, t: Any, argument: str) -> Tensor:
    """t. TypeError where it is no tensor, RuntimeError where it is sparse."""
    if the_tensor(op, t, argument).is_sparse or t.is_sparse_csr:
        raise RuntimeError(f"[{op}] {argument} is sparse, dense tensors are sent; use to_dense()")
    return t  # type: ignore[no-any-return]


def densely(t: Tensor) -> Tensor:
    """Without a graph; its own memory where that is dense."""
    t = t.detach()
    return t if t.is_contiguous() else t.contiguous()


def bytes_of(t: Tensor) -> memoryview:
    """The memory of a dense tensor."""
    return memoryview(as_bits(t).reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def kind_of(t: Tensor) -> str:
    """The name of its type, which both sides must have."""
    return str(t.dtype).rpartition(".")[2]


def arrival(call: Call, source: int | None, t: Tensor) -> Any:
    """The slot of a message that t will hold, and what puts it there once it has come."""
    dense = t.detach() if t.is_contiguous() else _core.empty(tuple(t.shape), dtype=t.dtype)
    slot = call.post(source, bytes_of(dense), kind_of(t))
    return slot, (lambda: None) if t.is_contiguous() else (lambda: t.detach().copy_(dense))


def exchange(call: Call, give: Given, take: Given) -> None:
    """Sends tensors to ranks, and receives tensors from ranks."""
    me, size = call.me, call.size
    slots = [arrival(call, rank, t) for rank, t in take.items() if rank != me]
    for rank in sorted(give, key=lambda rank: (rank - me) % size):  # not all to the same at once
        if rank != me:
            call.send(rank, bytes_of(densely(give[rank])), kind_of(give[rank]))
    if me in give and me in take:
        take[me].detach().copy_(give[me].detach())
    for slot, put in slots:
        slot.wait(call.group.seconds)
        put()
