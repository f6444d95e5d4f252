"""Objects of any kind from process to process: pickled, so only among processes one trusts."""

from __future__ import annotations

import pickle
from typing import Any

from .distributed_c10d import Call, the_call, the_rank

__all__ = [
    "all_gather_object",
    "broadcast_object_list",
    "gather_object",
    "recv_object_list",
    "scatter_object_list",
    "send_object_list",
]


def _give(call: Call, rank: int, obj: Any) -> None:
    call.send(rank, pickle.dumps(obj, pickle.HIGHEST_PROTOCOL))


def _take(call: Call, rank: int | None) -> tuple[int, Any]:
    source, data = call.post(rank, None).wait(call.group.seconds)
    return source, pickle.loads(data)


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """object_list[rank] becomes the object of each rank."""
    if (call := the_call("all_gather_object", group)) is None:
        return
    data = pickle.dumps(obj, pickle.HIGHEST_PROTOCOL)
    for rank in call.others:
        call.send(rank, data)
    for rank in call.others:
        object_list[rank] = _take(call, rank)[1]
    object_list[call.me] = pickle.loads(data)


def gather_object(
    obj: Any,
    object_gather_list: list[Any] | None = None,
    dst: int | None = None,
    group: Any = None,
    group_dst: int | None = None,
) -> None:
    """object_gather_list[rank] of rank dst becomes the object of each rank."""
    if (call := the_call("gather_object", group)) is None:
        return
    dst = 0 if dst is None and group_dst is None else dst
    root = the_rank("gather_object", call.group, dst, group_dst)
    here = root == call.me
    if here == (not object_gather_list):
        raise ValueError(
            f"[gather_object] object_gather_list is {'missing' if here else 'given'} in rank "
            f"{call.me}; pass it in rank {root}, and only there"
        )
    if not here:
        _give(call, root, obj)
        return
    for rank in call.others:
        object_gather_list[rank] = _take(call, rank)[1]  # type: ignore[index]
    object_gather_list[root] = obj  # type: ignore[index]


def broadcast_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: Any = None,
    device: Any = None,
    group_src: int | None = None,
) -> None:
    """object_list becomes that of rank src, which is as long."""
    if (call := the_call("broadcast_object_list", group)) is None:
        return
    src = 0 if src is None and group_src is None else src
    root = the_rank("broadcast_object_list", call.group, src, group_src)
    if root == call.me:
        for rank in call.others:
            _give(call, rank, object_list)
    else:
        _fill("broadcast_object_list", object_list, _take(call, root)[1])


def _fill(op: str, have: list[Any], got: list[Any]) -> None:
    if len(have) != len(got):
        raise RuntimeError(f"[{op}] {len(got)} objects for a list of {len(have)}; make it as long")
    have[:] = got


def scatter_object_list(
    scatter_object_output_list: list[Any],
    scatter_object_input_list: list[Any] | None = None,
    src: int | None = None,
    group: Any = None,
    group_src: int | None = None,
) -> None:
    """scatter_object_output_list[0] becomes scatter_object_input_list[own rank] of rank src."""
    op = "scatter_object_list"
    if not isinstance(scatter_object_output_list, list) or not scatter_object_output_list:
        raise ValueError(f"[{op}] the output is {scatter_object_output_list!r}; pass [None]")
    if (call := the_call(op, group)) is None:
        return
    src = 0 if src is None and group_src is None else src
    root = the_rank(op, call.group, src, group_src)
    if root != call.me:
        scatter_object_output_list[0] = _take(call, root)[1]
        return
    given = scatter_object_input_list or []
    if len(given) != call.size:
        raise ValueError(f"[{op}] {len(given)} objects; pass {call.size}, one a rank")
    for rank in call.others:
        _give(call, rank, given[rank])
    scatter_object_output_list[0] = given[root]


def send_object_list(
    object_list: list[Any],
    dst: int | None = None,
    group: Any = None,
    device: Any = None,
    group_dst: int | None = None,
    use_batch: bool = False,
) -> None:
    """The objects go to rank dst, which calls recv_object_list."""
    if (call := the_call("send_object_list", group, -1)) is not None:
        _give(call, the_rank("send_object_list", call.group, dst, group_dst), object_list)


def recv_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: Any = None,
    device: Any = None,
    group_src: int | None = None,
    use_batch: bool = False,
) -> int:
    """object_list becomes what rank src sends; any rank, for None. Returns the rank."""
    if (call := the_call("send_object_list", group, -1)) is None:
        return -1
    given = src is not None or group_src is not None
    source = the_rank("recv_object_list", call.group, src, group_src) if given else None
    found, objects = _take(call, source)
    _fill("recv_object_list", object_list, objects)
    return found
