"""What processes do together with tensors: each call is one exchange of messages, or two.

Values are combined in the order of the ranks, and each element in one process, so that all have
the same bits.
"""

from __future__ import annotations

from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from . import GroupMember, ReduceOp
from ._messages import Given, densely, exchange, strided
from .distributed_c10d import Call, Work, get_world_size, the_call, the_group, the_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

__all__ = [
    "all_gather",
    "all_gather_into_tensor",
    "all_reduce",
    "all_to_all",
    "all_to_all_single",
    "barrier",
    "broadcast",
    "gather",
    "monitored_barrier",
    "reduce",
    "reduce_scatter",
    "reduce_scatter_tensor",
    "scatter",
]

_FOLD: dict[ReduceOp, Callable[[Tensor, Tensor], Tensor]] = {
    ReduceOp.SUM: _core.add,
    ReduceOp.AVG: _core.add,
    ReduceOp.PRODUCT: _core.mul,
    ReduceOp.MIN: _core.minimum,
    ReduceOp.MAX: _core.maximum,
    ReduceOp.BAND: _core.bitwise_and,
    ReduceOp.BOR: _core.bitwise_or,
    ReduceOp.BXOR: _core.bitwise_xor,
}
_LARGE = 1 << 14  # elements from which on each process combines a share of its own


def _done(call: Call, run: Callable[[], Any], result: Any, async_op: bool) -> Work | None:
    if not async_op:
        run()
        return None

    def later() -> Any:
        run()
        return result

    return call.group.later(later)


def _fold(op: ReduceOp, parts: Sequence[Tensor]) -> Tensor:
    *_, total = accumulate(parts, _FOLD[op])
    return total.clone().div_(len(parts)) if op is ReduceOp.AVG else total


def _combined(call: Call, op: ReduceOp, give: Given) -> Tensor:
    """give[rank] goes to each rank; what all give to this one, combined."""
    me = call.me
    take = {rank: _core.empty_like(give[me]) for rank in call.others}
    exchange(call, {rank: give[rank] for rank in take}, take)
    return _fold(op, [give[me] if rank == me else take[rank] for rank in range(len(give))])


def _as_many(op: str, given: Any, like: Any, size: int, argument: str) -> list[Tensor]:
    """given: a list with a tensor for each rank, of the shape and type of `like`."""
    if not isinstance(given, (list, tuple)):
        raise TypeError(f"[{op}] {argument} is a {type(given).__name__}; pass a list of tensors")
    for t in given:
        strided(op, t, argument)
        if like is not None and t.dtype != like.dtype:
            raise ValueError(f"[{op}] {argument} has {t.dtype}, the tensor {like.dtype}; use one")
    wrong = like is not None and [tuple(t.shape) for t in given if t.shape != like.shape]
    if wrong or len(given) != size:
        raise RuntimeError(
            f"[{op}] {argument} has {len(given)} tensors of shapes {wrong or 'as needed'}; pass "
            f"{size}, one a rank, {like is not None and tuple(like.shape)}"
        )
    return [*given]


def _the_op(name: str, op: Any, t: Tensor) -> ReduceOp:
    if not isinstance(op, ReduceOp):
        raise TypeError(f"[{name}] op is {op!r}; pass one of ReduceOp")
    bits = op in (ReduceOp.BAND, ReduceOp.BOR, ReduceOp.BXOR)
    if t.is_complex() and op not in (ReduceOp.SUM, ReduceOp.AVG):
        raise ValueError(f"[{name}] {op} of {t.dtype}; complex numbers have SUM and AVG")
    if bits and t.is_floating_point():
        raise RuntimeError(f"[{name}] {op} of {t.dtype}; it is for integers and bools")
    if op is ReduceOp.AVG and not (t.is_floating_point() or t.is_complex()):
        raise RuntimeError(f"[{name}] {op} of {t.dtype}; sum, and divide")
    return op


def broadcast(
    tensor: Tensor,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """The tensor of rank src goes to all."""
    strided("broadcast", tensor, "tensor")
    if (call := the_call("broadcast", group)) is None:
        return None
    root = the_rank("broadcast", call.group, src, group_src)

    def run() -> None:
        if call.me == root:
            exchange(call, dict.fromkeys(call.others, densely(tensor)), {})
        else:
            exchange(call, {}, {root: tensor})

    return _done(call, run, [tensor], async_op)


def all_reduce(
    tensor: Tensor, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """The tensors of all, combined; in place, the same bits in all. Complex: SUM and AVG."""
    op = _the_op("all_reduce", op, strided("all_reduce", tensor, "tensor"))
    if (call := the_call("all_reduce", group)) is None:
        return None
    return _done(call, lambda: _all_reduce(call, tensor, op), [tensor], async_op)


def _all_reduce(call: Call, tensor: Tensor, op: ReduceOp) -> None:
    whole = densely(tensor).reshape(-1)
    size, me = call.size, call.me
    if whole.numel() < _LARGE or size == 1:
        whole = _combined(call, op, dict.fromkeys(range(size), whole))
    else:
        shares = dict(enumerate(whole.tensor_split(size)))
        mine = _combined(call, op, shares)
        shares[me].copy_(mine)
        exchange(call, dict.fromkeys(call.others, mine), {r: shares[r] for r in call.others})
    if whole.data_ptr() != tensor.data_ptr():
        tensor.detach().copy_(whole.view(tensor.shape))


def reduce(
    tensor: Tensor,
    dst: int | None = None,
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """The tensors of all, combined, in rank dst; those of the others stay."""
    op = _the_op("reduce", op, strided("reduce", tensor, "tensor"))
    if (call := the_call("reduce", group)) is None:
        return None
    root = the_rank("reduce", call.group, dst, group_dst)

    def run() -> None:
        own = densely(tensor)
        if (me := call.me) != root:
            return exchange(call, {root: own}, {})
        take = {rank: own if rank == me else _core.empty_like(own) for rank in range(call.size)}
        exchange(call, {}, take)
        tensor.detach().copy_(_fold(op, [*take.values()]))
        return None

    return _done(call, run, [tensor], async_op)


def all_gather(
    tensor_list: Any, tensor: Tensor, group: Any = None, async_op: bool = False
) -> Work | None:
    """tensor_list[rank] becomes the tensor of each rank."""
    return _all_gather("all_gather", tensor_list, tensor, group, async_op, tensor_list)


def _all_gather(
    op: str, outputs: Any, tensor: Tensor, group: Any, async_op: bool, result: Any
) -> Work | None:
    strided(op, tensor, "tensor")
    if (call := the_call(op, group)) is None:
        return None
    take = _as_many(op, outputs, tensor, call.size, "tensor_list")

    def run() -> None:
        exchange(call, dict.fromkeys(range(len(take)), densely(tensor)), dict(enumerate(take)))

    return _done(call, run, [result], async_op)


def _shared(op: str, whole: Any, part: Any, group: Any, dim: int = 0) -> list[Tensor]:
    """Views of `whole`, one a rank, of the shape of `part`: side by side, or stacked."""
    strided(op, whole, "tensor"), strided(op, part, "tensor")
    found = the_group(op, group)
    if found is GroupMember.NON_GROUP_MEMBER:
        return [part]
    size, shape = found.size(), tuple(part.shape)
    if whole.dtype != part.dtype:
        raise RuntimeError(f"[{op}] tensors of {whole.dtype} and {part.dtype}; use one type")
    if tuple(whole.shape) not in ((size, *shape), (size * (shape or (1,))[0], *shape[1:])):
        raise RuntimeError(
            f"[{op}] tensors of shapes {tuple(whole.shape)} and {shape} among {size} processes; "
            f"the first dimension of the larger one is {size} times the other"
        )
    if not whole.is_contiguous():
        raise RuntimeError(f"[{op}] the larger tensor is not contiguous; use contiguous()")
    return [*whole.detach().view(size, *shape).unbind(0)]


def all_gather_into_tensor(
    output_tensor: Tensor, input_tensor: Tensor, group: Any = None, async_op: bool = False
) -> Work | None:
    """The tensors of all, one after the other along dimension 0, or stacked."""
    op = "all_gather_into_tensor"
    outputs = _shared(op, output_tensor, input_tensor, group)
    return _all_gather(op, outputs, input_tensor, group, async_op, output_tensor)


def _root_only(call: Call, root: int, like: Tensor, given: Any, argument: str) -> Given:
    """given, by rank: in the root a tensor for each rank, elsewhere nothing."""
    if (call.me == root) == (not given):
        raise ValueError(
            f"[{call.op}] {argument} is {'given' if given else 'missing'} in rank {call.me}; pass "
            f"it in rank {root}, and only there"
        )
    return dict(enumerate(_as_many(call.op, given, like, call.size, argument))) if given else {}


def gather(
    tensor: Tensor,
    gather_list: Any = None,
    dst: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """gather_list[rank] of rank dst becomes the tensor of each rank."""
    strided("gather", tensor, "tensor")
    if (call := the_call("gather", group)) is None:
        return None
    root = 0 if dst is group_dst is None else the_rank("gather", call.group, dst, group_dst)
    take = _root_only(call, root, tensor, gather_list, "gather_list")
    run = partial(exchange, call, {root: densely(tensor)}, take)
    return _done(call, run, [*take.values()], async_op)


def scatter(
    tensor: Tensor,
    scatter_list: Any = None,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """The tensor becomes scatter_list[rank] of rank src."""
    strided("scatter", tensor, "tensor")
    if (call := the_call("scatter", group)) is None:
        return None
    root = 0 if src is group_src is None else the_rank("scatter", call.group, src, group_src)
    give = _root_only(call, root, tensor, scatter_list, "scatter_list")
    return _done(call, partial(exchange, call, give, {root: tensor}), [tensor], async_op)


def reduce_scatter(
    output: Tensor,
    input_list: Any,
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """The output becomes input_list[own rank] of all, combined."""
    return _reduce_scatter("reduce_scatter", output, input_list, op, group, async_op)


def _reduce_scatter(
    name: str, output: Tensor, inputs: Any, op: Any, group: Any, async_op: bool
) -> Work | None:
    op = _the_op(name, op, strided(name, output, "output"))
    if (call := the_call(name, group)) is None:
        return None
    give = _as_many(name, inputs, output, call.size, "input_list")

    def run() -> None:
        output.detach().copy_(_combined(call, op, dict(enumerate(map(densely, give)))))

    return _done(call, run, [output], async_op)


def reduce_scatter_tensor(
    output: Tensor,
    input: Tensor,
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """The output becomes its share of the inputs of all, combined."""
    name = "reduce_scatter_tensor"
    return _reduce_scatter(name, output, _shared(name, input, output, group), op, group, async_op)


def all_to_all(
    output_tensor_list: Any, input_tensor_list: Any, group: Any = None, async_op: bool = False
) -> Work | None:
    """output_tensor_list[rank] becomes input_tensor_list[own rank] of each rank."""
    if (call := the_call("all_to_all", group)) is None:
        return None
    take = _as_many(call.op, output_tensor_list, None, call.size, "output_tensor_list")
    give = _as_many(call.op, input_tensor_list, None, call.size, "input_tensor_list")
    run = partial(exchange, call, dict(enumerate(give)), dict(enumerate(take)))
    return _done(call, run, take, async_op)


def all_to_all_single(
    output: Tensor,
    input: Tensor,
    output_split_sizes: Sequence[int] | None = None,
    input_split_sizes: Sequence[int] | None = None,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """all_to_all of the parts along dimension 0, which are equal, or as long as is said."""
    size = max(get_world_size(group), 1)

    def parts(t: Tensor, sizes: Sequence[int] | None) -> list[Tensor]:
        rows = len(strided("all_to_all_single", t, "tensor"))
        each = [*sizes] if sizes else [rows // size] * size
        if len(each) != size or sum(each) != rows:
            raise RuntimeError(
                f"[all_to_all_single] {rows} rows in parts of {each}; pass {size} sizes, all of it"
            )
        return [*t.detach().split(each)]

    takes, gives = parts(output, output_split_sizes), parts(input, input_split_sizes)
    return all_to_all(takes, gives, group, async_op)


def barrier(
    group: Any = None,
    async_op: bool = False,
    device_ids: Any = None,
    timeout: timedelta | None = None,
) -> Work | None:
    """Returns once all processes have called it."""
    if (call := the_call("barrier", group)) is None:
        return None
    empty = dict.fromkeys(call.others, _core.empty(0))
    return _done(call, lambda: exchange(call, empty, empty), [], async_op)


def monitored_barrier(
    group: Any = None, timeout: timedelta | None = None, wait_all_ranks: bool = False
) -> None:
    """barrier; rank 0 raises RuntimeError, with the ranks that did not come in time."""
    if (call := the_call("monitored_barrier", group)) is None:
        return
    limit = timeout.total_seconds() if timeout else call.group.seconds
    if call.me:
        call.send(0, b"")
        call.post(0, None).wait(limit)
        return
    absent = []
    for slot in [call.post(rank, None) for rank in call.others]:
        try:
            slot.wait(limit)
        except RuntimeError:
            absent += slot.peers
    if absent:
        raise RuntimeError(
            f"[monitored_barrier] ranks {absent} did not come within {limit:g} s; do they run?"
        )
    for rank in call.others:
        call.send(rank, b"")
