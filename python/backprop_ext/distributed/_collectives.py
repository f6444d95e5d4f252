"""What processes do together with tensors: each call is one exchange of messages, or two.

Values are combined in the order of the ranks, and each element in one process, so that all have
the same bits. Source of the names: https://docs.pytorch.org/docs/stable/distributed.html
"""

from __future__ import annotations

import warnings
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._bits import as_bits
from .._checks import the_tensor
from .._core import Tensor
from . import GroupMember, ReduceOp
from .distributed_c10d import Call, P2POp, Work, the_group, the_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

__all__ = [
    "all_gather",
    "all_gather_coalesced",
    "all_gather_into_tensor",
    "all_gather_single",
    "all_reduce",
    "all_reduce_coalesced",
    "all_to_all",
    "all_to_all_single",
    "barrier",
    "batch_isend_irecv",
    "broadcast",
    "gather",
    "irecv",
    "isend",
    "monitored_barrier",
    "recv",
    "reduce",
    "reduce_scatter",
    "reduce_scatter_single",
    "reduce_scatter_tensor",
    "scatter",
    "send",
]

_Given = dict[int, Tensor]  # by rank

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


def the_call(op: str, group: Any, number: int | None = None) -> Call | None:
    """A call of the group; None, with a warning, outside of it. RuntimeError in a recording."""
    if _core._recording():
        raise RuntimeError(
            f"[{op}] other processes have a part in it, which a replay of the captured step could "
            "not repeat; call it outside"
        )
    found = the_group(op, group)
    if found is GroupMember.NON_GROUP_MEMBER:
        warnings.warn(f"[{op}] this process is not in the group; nothing is done", stacklevel=3)
        return None
    return Call(op, found, number)


def _done(call: Call, run: Callable[[], Any], result: Any, async_op: bool) -> Work | None:
    if not async_op:
        run()
        return None

    def later() -> Any:
        run()
        return result

    return call.group.later(later)


def _dense(t: Tensor) -> Tensor:
    """Without a graph; its own memory where that is dense."""
    t = t.detach()
    return t if t.is_contiguous() else t.contiguous()


def _raw(t: Tensor) -> memoryview:
    return memoryview(as_bits(t).reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def _kind(t: Tensor) -> str:
    return str(t.dtype).rpartition(".")[2]


def _arrives(call: Call, source: int | None, t: Tensor) -> Any:
    """The slot of a message that t will hold, and what puts it there once it has come."""
    dense = t.detach() if t.is_contiguous() else _core.empty(tuple(t.shape), dtype=t.dtype)
    slot = call.post(source, _raw(dense), _kind(t))
    return slot, (lambda: None) if t.is_contiguous() else (lambda: t.detach().copy_(dense))


def exchange(call: Call, give: _Given, take: _Given) -> None:
    """Sends tensors to ranks, and receives tensors from ranks."""
    me, size = call.group.rank(), call.group.size()
    slots = [_arrives(call, rank, t) for rank, t in take.items() if rank != me]
    for rank in sorted(give, key=lambda rank: (rank - me) % size):  # not all to the same at once
        if rank != me:
            call.send(rank, _raw(_dense(give[rank])), _kind(give[rank]))
    if me in give and me in take:
        take[me].detach().copy_(give[me].detach())
    for slot, put in slots:
        slot.wait(call.group.timeout)
        put()


def _fold(op: ReduceOp, parts: Sequence[Tensor]) -> Tensor:
    *_, total = accumulate(parts, _FOLD[op])
    return total.clone().div_(len(parts)) if op is ReduceOp.AVG else total


def _combined(call: Call, op: ReduceOp, give: _Given) -> Tensor:
    """give[rank] goes to each rank; what all give to this one, combined."""
    me = call.group.rank()
    take = {rank: _core.empty_like(give[me]) for rank in call.others()}
    exchange(call, {rank: give[rank] for rank in take}, take)
    return _fold(op, [give[me] if rank == me else take[rank] for rank in range(len(give))])


def _strided(op: str, t: Any, argument: str) -> Tensor:
    if the_tensor(op, t, argument).is_sparse or t.is_sparse_csr:
        raise RuntimeError(f"[{op}] {argument} is sparse, dense tensors are sent; use to_dense()")
    return t  # type: ignore[no-any-return]


def _tensors(op: str, given: Any, argument: str) -> list[Tensor]:
    if not isinstance(given, (list, tuple)):
        raise TypeError(f"[{op}] {argument} is a {type(given).__name__}; pass a list of tensors")
    return [_strided(op, t, argument) for t in given]


def _as_many(op: str, given: Any, like: Tensor | None, size: int, argument: str) -> list[Tensor]:
    """given: a list with a tensor for each rank, of the shape and type of `like`."""
    tensors = _tensors(op, given, argument)
    if len(tensors) != size:
        raise RuntimeError(f"[{op}] {argument} has {len(tensors)} tensors; pass {size}, one a rank")
    for t in tensors if like is not None else ():
        if t.dtype != like.dtype:  # type: ignore[union-attr]
            raise ValueError(f"[{op}] {argument} has {t.dtype}, the tensor {like.dtype}; use one")  # type: ignore[union-attr]
        if t.shape != like.shape:  # type: ignore[union-attr]
            raise RuntimeError(
                f"[{op}] {argument} has shape {tuple(t.shape)}, the tensor {tuple(like.shape)}; "  # type: ignore[union-attr]
                "use one"
            )
    return tensors


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
    _strided("broadcast", tensor, "tensor")
    if (call := the_call("broadcast", group)) is None:
        return None
    root = the_rank("broadcast", call.group, src, group_src)

    def run() -> None:
        if call.group.rank() == root:
            exchange(call, dict.fromkeys(call.others(), _dense(tensor)), {})
        else:
            exchange(call, {}, {root: tensor})

    return _done(call, run, [tensor], async_op)


def all_reduce(
    tensor: Tensor, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """The tensors of all, combined; in place, the same bits in all. Complex: SUM and AVG."""
    op = _the_op("all_reduce", op, _strided("all_reduce", tensor, "tensor"))
    if (call := the_call("all_reduce", group)) is None:
        return None
    return _done(call, lambda: _all_reduce(call, tensor, op), [tensor], async_op)


def _all_reduce(call: Call, tensor: Tensor, op: ReduceOp) -> None:
    whole = _dense(tensor).reshape(-1)
    size, me = call.group.size(), call.group.rank()
    if whole.numel() < _LARGE or size == 1:
        whole = _combined(call, op, dict.fromkeys(range(size), whole))
    else:
        shares = dict(enumerate(whole.tensor_split(size)))
        mine = _combined(call, op, shares)
        shares[me].copy_(mine)
        exchange(call, dict.fromkeys(call.others(), mine), {r: shares[r] for r in call.others()})
    if whole.data_ptr() != tensor.data_ptr():
        tensor.detach().copy_(whole.view(tensor.shape))


def all_reduce_coalesced(
    tensors: Sequence[Tensor], op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """all_reduce of each."""
    each = _tensors("all_reduce", tensors, "tensors")
    for t in each:
        _the_op("all_reduce", op, t)
    calls = [the_call("all_reduce", group) for _ in each]
    if not calls or calls[0] is None:
        return None

    def run() -> None:
        for call, t in zip(calls, each, strict=True):
            _all_reduce(call, t, op)  # type: ignore[arg-type]

    return _done(calls[0], run, each, async_op)


def reduce(
    tensor: Tensor,
    dst: int | None = None,
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """The tensors of all, combined, in rank dst; those of the others stay."""
    op = _the_op("reduce", op, _strided("reduce", tensor, "tensor"))
    if (call := the_call("reduce", group)) is None:
        return None
    root = the_rank("reduce", call.group, dst, group_dst)

    def run() -> None:
        own = _dense(tensor)
        if (me := call.group.rank()) != root:
            return exchange(call, {root: own}, {})
        take = {
            rank: own if rank == me else _core.empty_like(own) for rank in range(call.group.size())
        }
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
    _strided(op, tensor, "tensor"), _tensors(op, outputs, "tensor_list")
    if (call := the_call(op, group)) is None:
        return None
    take = _as_many(op, outputs, tensor, call.group.size(), "tensor_list")

    def run() -> None:
        exchange(call, dict.fromkeys(range(len(take)), _dense(tensor)), dict(enumerate(take)))

    return _done(call, run, [result], async_op)


def all_gather_coalesced(
    output_tensor_lists: Any, input_tensor_list: Any, group: Any = None, async_op: bool = False
) -> Work | None:
    """all_gather of each."""
    work = None
    for outputs, tensor in zip(output_tensor_lists, input_tensor_list, strict=True):
        work = all_gather(outputs, tensor, group, async_op)
    return work


def _shared(op: str, whole: Any, part: Any, group: Any, dim: int = 0) -> list[Tensor]:
    """Views of `whole`, one a rank, of the shape of `part`: side by side, or stacked."""
    _strided(op, whole, "tensor"), _strided(op, part, "tensor")
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


all_gather_single = all_gather_into_tensor


def gather(
    tensor: Tensor,
    gather_list: Any = None,
    dst: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """gather_list[rank] of rank dst becomes the tensor of each rank."""
    _strided("gather", tensor, "tensor")
    if (call := the_call("gather", group)) is None:
        return None
    dst = 0 if dst is None and group_dst is None else dst
    root = the_rank("gather", call.group, dst, group_dst)
    here = root == call.group.rank()
    if here == (not gather_list):
        raise ValueError(
            f"[gather] gather_list is {'missing' if here else 'given'} in rank "
            f"{call.group.rank()}; pass it in rank {root}, and only there"
        )
    take = _as_many("gather", gather_list, tensor, call.group.size(), "gather_list") if here else []
    return _done(
        call,
        lambda: exchange(call, {root: _dense(tensor)}, dict(enumerate(take))),
        [take],
        async_op,
    )


def scatter(
    tensor: Tensor,
    scatter_list: Any = None,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """The tensor becomes scatter_list[rank] of rank src."""
    _strided("scatter", tensor, "tensor")
    if (call := the_call("scatter", group)) is None:
        return None
    src = 0 if src is None and group_src is None else src
    root = the_rank("scatter", call.group, src, group_src)
    here = root == call.group.rank()
    if here == (not scatter_list):
        raise ValueError(
            f"[scatter] scatter_list is {'missing' if here else 'given'} in rank "
            f"{call.group.rank()}; pass it in rank {root}, and only there"
        )
    size = call.group.size()
    give = _as_many("scatter", scatter_list, tensor, size, "scatter_list") if here else []
    return _done(
        call, lambda: exchange(call, dict(enumerate(give)), {root: tensor}), [tensor], async_op
    )


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
    op = _the_op(name, op, _strided(name, output, "output"))
    _tensors(name, inputs, "input_list")
    if (call := the_call(name, group)) is None:
        return None
    give = _as_many(name, inputs, output, call.group.size(), "input_list")

    def run() -> None:
        output.detach().copy_(_combined(call, op, dict(enumerate(map(_dense, give)))))

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


reduce_scatter_single = reduce_scatter_tensor


def all_to_all(
    output_tensor_list: Any, input_tensor_list: Any, group: Any = None, async_op: bool = False
) -> Work | None:
    """output_tensor_list[rank] becomes input_tensor_list[own rank] of each rank."""
    return _all_to_all("all_to_all", output_tensor_list, input_tensor_list, group, async_op)


def _all_to_all(name: str, outputs: Any, inputs: Any, group: Any, async_op: bool) -> Work | None:
    _tensors(name, outputs, "outputs"), _tensors(name, inputs, "inputs")
    if (call := the_call(name, group)) is None:
        return None
    take = _as_many(name, outputs, None, call.group.size(), "outputs")
    give = _as_many(name, inputs, None, call.group.size(), "inputs")
    run = lambda: exchange(call, dict(enumerate(give)), dict(enumerate(take)))  # noqa: E731
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
    name, found = "all_to_all_single", the_group("all_to_all_single", group)
    if found is GroupMember.NON_GROUP_MEMBER:
        return _all_to_all(name, [], [], group, async_op)

    def parts(t: Tensor, sizes: Sequence[int] | None) -> list[Tensor]:
        rows = len(_strided(name, t, "tensor").detach())
        each = list(sizes) if sizes else [rows // found.size()] * found.size()
        if len(each) != found.size() or sum(each) != rows:
            raise RuntimeError(
                f"[{name}] {rows} rows in parts of {each}; pass {found.size()} sizes that are all "
                "of it"
            )
        return [*t.detach().split(each)]

    takes, gives = parts(output, output_split_sizes), parts(input, input_split_sizes)
    return _all_to_all(name, takes, gives, group, async_op)


def barrier(
    group: Any = None,
    async_op: bool = False,
    device_ids: Any = None,
    timeout: timedelta | None = None,
) -> Work | None:
    """Returns once all processes have called it."""
    if (call := the_call("barrier", group)) is None:
        return None
    empty = dict.fromkeys(call.others(), _core.empty(0))
    return _done(call, lambda: exchange(call, empty, empty), [], async_op)


def monitored_barrier(
    group: Any = None, timeout: timedelta | None = None, wait_all_ranks: bool = False
) -> None:
    """barrier; rank 0 raises RuntimeError, with the ranks that did not come in time."""
    if (call := the_call("monitored_barrier", group)) is None:
        return
    limit = timeout or call.group.timeout
    if call.group.rank():
        call.send(0, b"")
        call.post(0, memoryview(bytearray())).wait(limit)
        return
    slots = [(rank, call.post(rank, memoryview(bytearray()))) for rank in call.others()]
    absent: list[int] = []
    for rank, slot in slots:
        if absent and not wait_all_ranks:
            break
        try:
            slot.wait(limit)
        except RuntimeError:
            absent.append(rank)
    if absent:
        raise RuntimeError(
            f"[monitored_barrier] ranks {absent} did not come within {limit.total_seconds():g} s; "
            "do they run, and call it?"
        )
    for rank in call.others():
        call.send(rank, b"")


def isend(
    tensor: Tensor,
    dst: int | None = None,
    group: Any = None,
    tag: int = 0,
    group_dst: int | None = None,
) -> Work | None:
    """The tensor goes to rank dst, which receives it under the same tag. It is sent on return."""
    return _isend(RuntimeError, tensor, dst, group, tag, group_dst)


def _isend(
    refused: type[Exception], tensor: Tensor, dst: Any, group: Any, tag: int, group_dst: Any
) -> Work | None:
    _strided("send", tensor, "tensor")
    if (call := the_call("send", group, -1 - tag)) is None:
        return None
    to = the_rank("send", call.group, dst, group_dst)
    if to == call.group.rank():
        raise refused(f"[send] rank {to} is this process itself; pass another, or copy_()")
    call.send(to, _raw(_dense(tensor)), _kind(tensor))
    work = Work(call.group.timeout)
    work._end([tensor])
    return work


def send(
    tensor: Tensor,
    dst: int | None = None,
    group: Any = None,
    tag: int = 0,
    group_dst: int | None = None,
) -> None:
    """isend."""
    _isend(ValueError, tensor, dst, group, tag, group_dst)


def irecv(
    tensor: Tensor,
    src: int | None = None,
    group: Any = None,
    tag: int = 0,
    group_src: int | None = None,
) -> Work | None:
    """The tensor becomes what rank src sends under the tag; any rank, for None."""
    _strided("recv", tensor, "tensor")
    if (call := the_call("send", group, -1 - tag)) is None:
        return None
    source = None
    if src is not None or group_src is not None:
        source = the_rank("recv", call.group, src, group_src)
        if source == call.group.rank():
            raise RuntimeError(f"[recv] rank {source} is this process itself; pass another")
    work = Work(call.group.timeout)
    slot, put = _arrives(call, source, tensor)
    work._slot = slot

    def end(done: Any) -> None:
        error = done.exception()
        if error is None:
            put()
        work._end([tensor], error)

    slot.done.add_done_callback(end)
    return work


def recv(
    tensor: Tensor,
    src: int | None = None,
    group: Any = None,
    tag: int = 0,
    group_src: int | None = None,
) -> int:
    """irecv, and waits. The rank that sent it; -1 outside of the group."""
    work = irecv(tensor, src, group, tag, group_src)
    if work is None:
        return -1
    work.wait()
    return work.source_rank()


def batch_isend_irecv(p2p_op_list: Sequence[P2POp]) -> list[Work]:
    """All of them at once."""
    if not all(isinstance(each, P2POp) for each in p2p_op_list):
        raise ValueError(f"[batch_isend_irecv] {p2p_op_list!r}; pass a list of P2POp")
    works = (
        each.op(each.tensor, group=each.group, tag=each.tag, **{_PEER[each.op]: each.group_peer})
        for each in p2p_op_list
    )
    return [work for work in works if work is not None]


_PEER = {isend: "group_dst", irecv: "group_src"}
