"""Collectives that backward() goes through: each process has to call it."""

from __future__ import annotations

from typing import Any

from .. import _core
from .._core import Tensor
from .._names import keep_also
from ..autograd.function import Function
from . import ReduceOp
from . import _collectives as c
from .distributed_c10d import get_rank, get_world_size

__all__ = ["all_gather", "all_reduce"]


class _AllReduce(Function):
    """The gradient of each input is the sum of those of all outputs."""

    @staticmethod
    def forward(ctx: Any, op: Any, group: Any, tensor: Tensor) -> Tensor:
        ctx.op, ctx.group, result = op, group, tensor.clone()
        c.all_reduce(result, op, group)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return None, None, _AllReduce.apply(ctx.op, ctx.group, grad)


class _AllGather(Function):
    """The gradient of an input is the sum of those of its copies."""

    @staticmethod
    def forward(ctx: Any, group: Any, tensor: Tensor) -> Tensor:
        ctx.group = group
        result = _core.empty((get_world_size(group), *tensor.shape), dtype=tensor.dtype)
        c.all_gather_into_tensor(result, tensor.contiguous(), group)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        total = _AllReduce.apply(ReduceOp.SUM, ctx.group, grad)
        return None, total[get_rank(ctx.group)]


def all_reduce(tensor: Tensor, op: Any = ReduceOp.SUM, group: Any = None) -> Tensor:
    """The tensors of all, combined, as a new tensor."""
    return _AllReduce.apply(op, group, tensor)  # type: ignore[no-any-return]


def all_gather(tensor: Tensor, group: Any = None) -> tuple[Tensor, ...]:
    """The tensors of all."""
    return tuple(_AllGather.apply(group, tensor).unbind(0))


keep_also(globals(), {"functional": "all_gather all_reduce"})
