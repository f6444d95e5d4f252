"""What one process sends to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._messages import arrival, bytes_of, densely, kind_of, strided
from .distributed_c10d import P2POp, Work, the_call, the_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core import Tensor

__all__ = ["batch_isend_irecv", "irecv", "isend", "recv", "send"]


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
    strided("send", tensor, "tensor")
    if (call := the_call("send", group, -1 - tag)) is None:
        return None
    to = the_rank("send", call.group, dst, group_dst)
    if to == call.me:
        raise refused(f"[send] rank {to} is this process itself; pass another, or copy_()")
    call.send(to, bytes_of(densely(tensor)), kind_of(tensor))
    work = Work(call.group.seconds)
    work.future.set_result([tensor])
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
    strided("recv", tensor, "tensor")
    if (call := the_call("send", group, -1 - tag)) is None:
        return None
    source = None
    if src is not None or group_src is not None:
        source = the_rank("recv", call.group, src, group_src)
        if source == call.me:
            raise RuntimeError(f"[recv] rank {source} is this process itself; pass another")
    slot, put = arrival(call, source, tensor)
    work = Work(call.group.seconds, slot)

    def end(done: Any) -> None:
        if error := done.exception():
            work.future.set_exception(error)
            return
        put()
        work.future.set_result([tensor])

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
    return work.source_rank() if work is not None and work.wait() else -1


def batch_isend_irecv(p2p_op_list: Sequence[P2POp]) -> list[Work]:
    """All of them at once."""
    if not all(isinstance(each, P2POp) for each in p2p_op_list):
        raise ValueError(f"[batch_isend_irecv] {p2p_op_list!r}; pass a list of P2POp")
    works = (
        each.op(each.tensor, None, each.group, each.tag, each.group_peer) for each in p2p_op_list
    )
    return [work for work in works if work is not None]
