"""Groups of processes. Source: https://docs.pytorch.org/docs/stable/distributed.html"""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import timedelta
from hashlib import blake2b
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from .._core import Tensor
from .._names import missing_from
from ..futures import Future
from . import DistBackendError, GroupMember, ReduceOp, _lazy, group, is_initialized
from ._mesh import Mesh, Slot
from .rendezvous import rendezvous
from .store import PrefixStore, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import ThreadPoolExecutor

__all__ = [
    "Backend",
    "GroupMember",
    "P2POp",
    "ProcessGroup",
    "ReduceOp",
    "Work",
    "default_pg_timeout",
    "destroy_process_group",
    "get_backend",
    "get_backend_config",
    "get_default_backend_for_device",
    "get_global_rank",
    "get_group_rank",
    "get_node_local_rank",
    "get_pg_count",
    "get_process_group_ranks",
    "get_rank",
    "get_world_size",
    "group",
    "init_process_group",
    "is_backend_available",
    "is_initialized",
    "is_torchelastic_launched",
    "new_group",
    "new_subgroups",
    "new_subgroups_by_enumeration",
]

__getattr__ = missing_from(
    "torch.distributed", globals(), {k: v for k, v in _lazy.items() if v != ".distributed_c10d"}
)

default_pg_timeout: Final = timedelta(minutes=30)


class Backend(str):
    """The name of a backend, in small letters: there is gloo."""

    GLOO = "gloo"
    NCCL = "nccl"
    MPI = "mpi"
    UCC = "ucc"
    XCCL = "xccl"
    UNDEFINED = "undefined"

    def __new__(cls, name: str) -> Backend:
        if not isinstance(name, str):
            raise ValueError(f"[Backend] {name!r}; pass a name, such as 'gloo'")
        return super().__new__(cls, name.lower())


class ProcessGroup:
    """Some of the processes, in an order. Made by init_process_group and new_group."""

    def __init__(
        self, mesh: Mesh, ranks: list[int], me: int, name: str, timeout: timedelta
    ) -> None:
        self.mesh, self.ranks, self.timeout = mesh, ranks, timeout
        self.group_name = self.group_desc = name
        self._me = ranks.index(me)
        self._id = blake2b(name.encode(), digest_size=8).digest()
        self._calls = count()
        self._worker: ThreadPoolExecutor | None = None

    def rank(self) -> int:
        """Of this process, in the group."""
        return self._me

    def size(self) -> int:
        """How many processes are in the group."""
        return len(self.ranks)

    def name(self) -> str:
        """The backend."""
        return "gloo"

    def later(self, run: Callable[[], Any]) -> Work:
        """Runs a call beside what else the process does, after those before it."""
        if self._worker is None:
            from concurrent.futures import ThreadPoolExecutor

            self._worker = ThreadPoolExecutor(1, "distributed")
        work = Work(self.timeout)

        def work_off() -> None:
            try:
                work._end(run())
            except Exception as error:
                work._end(None, error)

        self._worker.submit(work_off)
        return work

    def __deepcopy__(self, memo: Any) -> ProcessGroup:
        return self


class Call:
    """One call of a group: messages among its processes, under one number."""

    def __init__(self, op: str, group: ProcessGroup, number: int | None = None) -> None:
        self.op, self.group = op, group
        self.number = next(group._calls) if number is None else number

    def send(self, to: int, message: Any, what: object = "") -> None:
        """Sends bytes to a rank of the group."""
        g = self.group
        g.mesh.send(g.ranks[to], g._id, self.number, f"{self.op} {what}"[:40].rstrip(), message)

    def post(self, source: int | None, memory: memoryview | None, what: object = "") -> Slot:
        """What a rank sends will be in the memory, or of any size; None: what any rank sends."""
        g = self.group
        peers = (
            [g.ranks[source]] if source is not None else [r for r in g.ranks if r != g.ranks[g._me]]
        )
        slot = Slot(f"{self.op} {what}"[:40].rstrip(), peers, memory)
        return g.mesh.post(g._id, self.number, slot)

    def others(self) -> list[int]:
        """The other ranks."""
        return [rank for rank in range(self.group.size()) if rank != self.group.rank()]


class Work:
    """A call under way."""

    def __init__(self, timeout: timedelta) -> None:
        self._timeout = timeout
        self._future: Future[Any] = Future()
        self._slot: Slot | None = None

    def _end(self, result: Any, error: Exception | None = None) -> None:
        if error is None:
            self._future.set_result(result)
        else:
            self._future.set_exception(error)

    def wait(self, timeout: timedelta | None = None) -> bool:
        """True, once it is done. Raises what it raised, DistBackendError where it lasts."""
        try:
            self._future._future.result((timeout or self._timeout).total_seconds())
        except FutureTimeoutError:
            raise DistBackendError(
                f"[wait] not done within {timeout or self._timeout}; does each process call it?"
            ) from None
        return True

    synchronize = wait

    def is_completed(self) -> bool:
        """Whether it is done."""
        return self._future.done()

    def is_success(self) -> bool:
        """Whether it is done, and raised nothing."""
        return self._future.done() and self.exception() is None

    def exception(self) -> BaseException | None:
        """What it raised."""
        return self._future._future.exception() if self._future.done() else None

    def get_future(self) -> Future[Any]:
        """A Future of the list of tensors."""
        return self._future

    def result(self) -> Any:
        """The list of tensors."""
        return self._future.wait()

    def source_rank(self) -> int:
        """Who sent what was received."""
        return self._slot.wait(self._timeout)[0] if self._slot else -1


class P2POp:
    """isend or irecv of a tensor, for batch_isend_irecv."""

    def __init__(
        self,
        op: Callable[..., Any],
        tensor: Tensor,
        peer: int | None = None,
        group: ProcessGroup | None = None,
        tag: int = 0,
        group_peer: int | None = None,
    ) -> None:
        if getattr(op, "__name__", "") not in ("isend", "irecv"):
            raise ValueError(f"[P2POp] op is {op!r}; pass isend or irecv")
        self.op, self.tensor, self.group, self.tag = op, tensor, group, tag
        self.group_peer = the_rank("P2POp", the_group("P2POp", group), peer, group_peer)


_started = count()
_groups: list[ProcessGroup] = []
_made: Counter[str] = Counter()


def the_group(op: str, group: Any = None) -> Any:
    """group, by default that of all. ValueError where there is none."""
    found = GroupMember.WORLD if group is None else group
    if found is None:
        raise ValueError(f"[{op}] there is no group of processes; call init_process_group() before")
    return found


_get_default_group = lambda: the_group("_get_default_group")  # noqa: E731


def the_rank(op: str, group: ProcessGroup, rank: int | None, group_rank: int | None) -> int:
    """A rank in the group, given as one among all or in the group. ValueError, RuntimeError."""
    if (rank is None) == (group_rank is None):
        raise ValueError(
            f"[{op}] rank {rank} and rank in the group {group_rank}; pass one of the two"
        )
    found = get_group_rank(group, rank) if group_rank is None else group_rank  # type: ignore[arg-type]
    if not 0 <= found < group.size():
        raise RuntimeError(f"[{op}] rank {found} of {group.size()}; pass 0 to {group.size() - 1}")
    return found


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: timedelta | None = None,
    world_size: int = -1,
    rank: int = -1,
    store: Store | None = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
) -> None:
    """Makes the group of all processes, once all have called it.

    init_method is env:// (MASTER_ADDR, MASTER_PORT, RANK, WORLD_SIZE), tcp://host:port or
    file:///path; else a store. ValueError for what is missing, and for a second call; RuntimeError
    for a backend that is not there, DistNetworkError for processes that do not come.
    """
    if is_initialized():
        raise ValueError(
            "[init_process_group] there is a group already; destroy_process_group() before"
        )
    for name in Backend(backend).split(",") if backend is not None else ["gloo"]:
        device, _, kind = name.rpartition(":")
        if device in ("", "cpu") and kind != "gloo":
            known = kind in ("nccl", "mpi", "ucc", "xccl")
            raise (RuntimeError if known else ValueError)(
                f"[init_process_group] the backend {kind!r} is not there; use 'gloo'"
            )
    if timeout is not None and not isinstance(timeout, timedelta):
        raise TypeError(f"[init_process_group] timeout is {timeout!r}; pass a datetime.timedelta")
    timeout = default_pg_timeout if timeout is None else timeout
    if store is None:
        store, rank, world_size = next(
            rendezvous(init_method or "env://", rank, world_size, timeout)
        )
    elif init_method is not None or world_size < 1 or rank < 0:
        raise AssertionError(
            f"[init_process_group] a store, init_method {init_method!r}, rank {rank} of "
            f"{world_size}; with a store pass rank and world_size, and no init_method"
        )
    if not 0 <= rank < world_size:
        raise ValueError(
            f"[init_process_group] rank {rank} of {world_size}; pass 0 to {world_size - 1}"
        )
    mesh = Mesh(PrefixStore(f"group_{next(_started)}", store), rank, world_size, timeout)
    world = ProcessGroup(mesh, [*range(world_size)], rank, group_name or "default_pg", timeout)
    world.store = store  # type: ignore[attr-defined]
    GroupMember.WORLD = world
    _groups.append(world)
    from ._collectives import barrier

    barrier()  # the store may end from here on


def destroy_process_group(group: ProcessGroup | None = None) -> None:
    """Ends a group; that of all, and so all groups, by default. AssertionError for none."""
    found = GroupMember.WORLD if group is None else group
    if found is None:
        raise AssertionError(
            "[destroy_process_group] there is no group; init_process_group() first"
        )
    ended = list(_groups) if found is GroupMember.WORLD else [found]
    for one in ended:
        if one._worker is not None:
            one._worker.shutdown()
        if one in _groups:
            _groups.remove(one)
    if found is GroupMember.WORLD:
        GroupMember.WORLD = None
        _made.clear()
        found.mesh.close()


def new_group(
    ranks: Sequence[int] | None = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    use_local_synchronization: bool = False,
    group_desc: str | None = None,
    device_id: Any = None,
    sort_ranks: bool = True,
) -> Any:
    """A group of some ranks; GroupMember.NON_GROUP_MEMBER where this process is not in it.

    ValueError for ranks that are not there, or there twice.
    """
    world = the_group("new_group")
    chosen = [*range(world.size())] if ranks is None else [int(rank) for rank in ranks]
    if len({*chosen}) < len(chosen) or any(not 0 <= rank < world.size() for rank in chosen):
        raise ValueError(
            f"[new_group] ranks {chosen} of {world.size()}; pass different ones, 0 to "
            f"{world.size() - 1}"
        )
    if sort_ranks:
        chosen.sort()
    # Its members count the groups of the same ranks alike, whoever else calls.
    _made[str(chosen)] += 1
    if world.rank() not in chosen:
        return GroupMember.NON_GROUP_MEMBER
    name = f"{chosen} {_made[str(chosen)]}"
    made = ProcessGroup(world.mesh, chosen, world.rank(), name, timeout or world.timeout)
    _groups.append(made)
    return made


def new_subgroups_by_enumeration(
    ranks_per_subgroup_list: Sequence[Sequence[int]],
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    group_desc: str | None = None,
) -> tuple[Any, list[Any]]:
    """(the group that this process is in, all groups)."""
    groups = [new_group(ranks, timeout, backend) for ranks in ranks_per_subgroup_list]
    mine = [one for one in groups if one is not GroupMember.NON_GROUP_MEMBER]
    if len(mine) > 1:
        raise ValueError(
            f"[new_subgroups_by_enumeration] {ranks_per_subgroup_list} names rank {get_rank()} "
            f"{len(mine)} times; once at most"
        )
    return (mine[0] if mine else None), groups


def new_subgroups(
    group_size: int | None = None,
    group: Any = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    group_desc: str | None = None,
) -> tuple[Any, list[Any]]:
    """(the group that this process is in, all groups) of group_size neighbours."""
    size = get_world_size()
    each = int(os.environ.get("LOCAL_WORLD_SIZE", size)) if group_size is None else group_size
    if each < 1 or size % each:
        raise ValueError(f"[new_subgroups] group_size {each}; pass a divisor of {size}")
    ranks = [range(first, first + each) for first in range(0, size, each)]
    return new_subgroups_by_enumeration(ranks, timeout, backend)


def get_rank(group: ProcessGroup | None = None) -> int:
    """Of this process in the group; -1 outside of it."""
    found = the_group("get_rank", group)
    return -1 if found is GroupMember.NON_GROUP_MEMBER else found.rank()


def get_world_size(group: ProcessGroup | None = None) -> int:
    """How many processes are in the group; -1 outside of it."""
    found = the_group("get_world_size", group)
    return -1 if found is GroupMember.NON_GROUP_MEMBER else found.size()


def get_backend(group: ProcessGroup | None = None) -> Backend:
    """gloo."""
    return Backend(the_group("get_backend", group).name())


def get_backend_config(group: ProcessGroup | None = None) -> str:
    """cpu:gloo."""
    return f"cpu:{get_backend(group)}"


def get_default_backend_for_device(device: Any) -> str:
    """gloo."""
    return "gloo"


def is_backend_available(backend: str) -> bool:
    """Whether it is gloo."""
    return backend.lower() == "gloo"


def is_torchelastic_launched() -> bool:
    """Whether `python -m backprop_ext.distributed.run` has started the process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """LOCAL_RANK of the environment. RuntimeError where neither is there."""
    found = os.environ.get("LOCAL_RANK", fallback_rank)
    if found is None:
        raise RuntimeError("[get_node_local_rank] LOCAL_RANK is not set; pass fallback_rank")
    return int(found)


def get_pg_count() -> int:
    """How many groups there are."""
    return len(_groups)


def get_process_group_ranks(group: ProcessGroup | None) -> list[int]:
    """The ranks of a group's processes among all."""
    return list(the_group("get_process_group_ranks", group).ranks)


def get_group_rank(group: ProcessGroup, global_rank: int) -> int:
    """The rank in the group. ValueError outside of it."""
    if group is GroupMember.WORLD:
        return global_rank
    if global_rank not in group.ranks:
        raise ValueError(f"[get_group_rank] rank {global_rank} is not in {group.ranks}")
    return group.ranks.index(global_rank)


def get_global_rank(group: ProcessGroup, group_rank: int) -> int:
    """The rank among all. ValueError outside of the group."""
    if group is GroupMember.WORLD:
        return group_rank
    if not 0 <= group_rank < group.size():
        raise ValueError(f"[get_global_rank] rank {group_rank} of {group.size()}")
    return group.ranks[group_rank]
