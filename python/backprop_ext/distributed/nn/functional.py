"""Collectives that backward() goes through: each process has to call it.

Source of the names: PyTorch's torch.distributed.nn.functional.
"""

from __future__ import annotations

from typing import Any

from ... import _core
from ..._core import Tensor
from ...autograd.function import Function
from .. import ReduceOp
from .. import _collectives as c
from ..distributed_c10d import get_rank, get_world_size

__all__ = ["all_gather", "all_reduce", "broadcast", "reduce", "reduce_scatter"]


class _AllReduce(Function):
    """The gradient of each input is the sum of those of all outputs."""

    @staticmethod
    def forward(ctx: Any, op: Any, group: Any, tensor: Tensor) -> Tensor:
        ctx.op, ctx.group = op, group
        result = tensor.clone()
        c.all_reduce(result, op, group)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return None, None, _AllReduce.apply(ctx.op, ctx.group, grad)


class _Broadcast(Function):
    """The gradient of the one input is the sum of those of all outputs."""

    @staticmethod
    def forward(ctx: Any, src: int, group: Any, tensor: Tensor) -> Tensor:
        ctx.src, ctx.group = src, group
        result = tensor.clone()
        c.broadcast(result, src, group)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return None, None, _Reduce.apply(ctx.src, ReduceOp.SUM, ctx.group, grad)


class _Reduce(Function):
    """The gradient of each input is that of the one output; what is elsewhere is 0."""

    @staticmethod
    def forward(ctx: Any, dst: int, op: Any, group: Any, tensor: Tensor) -> Tensor:
        ctx.dst, ctx.group = dst, group
        result = tensor.clone()
        c.reduce(result, dst, op, group)
        return result if get_rank() == dst else _core.zeros_like(result)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return None, None, None, _Broadcast.apply(ctx.dst, ctx.group, grad)


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
        return None, _ReduceScatter.apply(ReduceOp.SUM, ctx.group, grad)


class _ReduceScatter(Function):
    """The gradient of each share is that of the output it went to."""

    @staticmethod
    def forward(ctx: Any, op: Any, group: Any, tensors: Tensor) -> Tensor:
        ctx.group = group
        result = _core.empty(tuple(tensors.shape[1:]), dtype=tensors.dtype)
        c.reduce_scatter(result, [*tensors.detach().unbind(0)], op, group)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return None, None, _AllGather.apply(ctx.group, grad)


def all_reduce(tensor: Tensor, op: Any = ReduceOp.SUM, group: Any = None) -> Tensor:
    """The tensors of all, combined, as a new tensor."""
    return _AllReduce.apply(op, group, tensor)  # type: ignore[no-any-return]


def broadcast(tensor: Tensor, src: int, group: Any = None) -> Tensor:
    """The tensor of rank src, as a new tensor."""
    return _Broadcast.apply(src, group, tensor)  # type: ignore[no-any-return]


def reduce(tensor: Tensor, dst: int, op: Any = ReduceOp.SUM, group: Any = None) -> Tensor:
    """The tensors of all, combined, in rank dst."""
    return _Reduce.apply(dst, op, group, tensor)  # type: ignore[no-any-return]


def all_gather(tensor: Tensor, group: Any = None) -> tuple[Tensor, ...]:
    """The tensors of all."""
    return tuple(_AllGather.apply(group, tensor).unbind(0))


def reduce_scatter(
    output: Tensor, input_list: list[Tensor], op: Any = ReduceOp.SUM, group: Any = None
) -> Tensor:
    """input_list[own rank] of all, combined; `output` says nothing more."""
    return _ReduceScatter.apply(op, group, _core.stack(input_list))  # type: ignore[no-any-return]
