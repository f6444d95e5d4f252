"""Groups of processes, and how they find each other."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import timedelta
from hashlib import blake2b
from itertools import count
from typing import Any, Final
from urllib.parse import parse_qsl, urlparse

from .. import _core
from .._names import missing_from
from ..futures import Future
from . import DistBackendError, GroupMember, _lazy, is_initialized
from ._mesh import Mesh, Slot
from .store import FileStore, PrefixStore, Store, TCPStore

__all__ = [
    "Backend",
    "P2POp",
    "ProcessGroup",
    "Work",
    "default_pg_timeout",
    "destroy_process_group",
    "get_backend",
    "get_global_rank",
    "get_group_rank",
    "get_process_group_ranks",
    "get_rank",
    "get_world_size",
    "init_process_group",
    "is_backend_available",
    "is_torchelastic_launched",
    "new_group",
]

_elsewhere = {name: place for name, place in _lazy.items() if place != ".distributed_c10d"}
__getattr__ = missing_from("torch.distributed", globals(), _elsewhere)

default_pg_timeout: Final = timedelta(minutes=30)


class Backend(str):
    """The name of a backend, in small letters."""

    GLOO = "gloo"
    NCCL = "nccl"
    MPI = "mpi"

    def __new__(cls, name: str) -> Backend:
        return super().__new__(cls, name.lower())


class ProcessGroup:
    """Some of the processes, in an order: init_process_group and new_group make them."""

    def __init__(
        self, mesh: Mesh, ranks: list[int], me: int, name: str, timeout: timedelta
    ) -> None:
        self.mesh, self.ranks = mesh, ranks
        self.seconds = timeout.total_seconds()
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
        self._worker = self._worker or ThreadPoolExecutor(1)
        work = Work(self.seconds)

        def work_off() -> None:
            try:
                work.future.set_result(run())
            except Exception as error:
                work.future.set_exception(error)

        self._worker.submit(work_off)
        return work

    def __deepcopy__(self, memo: Any) -> ProcessGroup:
        return self


class Call:
    """One call of a group: messages among its processes, under one number."""

    def __init__(self, op: str, group: ProcessGroup, number: int | None) -> None:
        self.op, self.group = op, group
        self.me, self.size = group.rank(), group.size()
        self.others = [rank for rank in range(self.size) if rank != self.me]
        self._number = next(group._calls) if number is None else number

    def send(self, to: int, message: Any, what: str = "object") -> None:
        """Sends bytes to a rank of the group."""
        g = self.group
        g.mesh.send(g.ranks[to], g._id, self._number, f"{self.op} {what}", message)

    def post(self, source: int | None, memory: memoryview | None, what: str = "object") -> Slot:
        """What waits for bytes of a rank, of any rank for None."""
        g = self.group
        peers = [g.ranks[rank] for rank in (self.others if source is None else [source])]
        return g.mesh.post(g._id, self._number, Slot(f"{self.op} {what}", peers, memory))


def the_call(op: str, group: Any, number: int | None = None) -> Call | None:
    """A call of the group; None, with a warning, outside of it. RuntimeError in a recording."""
    if _core._recording():
        raise RuntimeError(
            f"[{op}] other processes have a part in it, which a replay of the captured step could "
            "not repeat; call it outside"
        )
    found = the_group(op, group)
    if found == GroupMember.NON_GROUP_MEMBER:
        warnings.warn(f"[{op}] this process is not in the group; nothing is done", stacklevel=3)
        return None
    return Call(op, found, number)


class Work:
    """A call under way."""

    def __init__(self, seconds: float, slot: Slot | None = None) -> None:
        self._seconds, self._slot = seconds, slot
        self.future: Future[Any] = Future()

    def wait(self, timeout: timedelta | None = None) -> bool:
        """True, once it is done. Raises what it raised, DistBackendError where it lasts."""
        seconds = timeout.total_seconds() if timeout else self._seconds
        if self._slot:
            self._slot.wait(seconds)
        try:
            self.future._future.result(seconds)
        except FutureTimeoutError:
            raise DistBackendError(f"[wait] not done within {seconds:g} s") from None
        return True

    def is_completed(self) -> bool:
        """Whether it is done."""
        return self.future.done()

    def is_success(self) -> bool:
        """Whether it is done, and raised nothing."""
        return self.is_completed() and self.exception() is None

    def exception(self) -> BaseException | None:
        """What it raised."""
        return self.future._future.exception()

    def get_future(self) -> Future[Any]:
        """A Future of the list of tensors."""
        return self.future

    def result(self) -> Any:
        """The list of tensors."""
        return self.future.wait()

    def source_rank(self) -> int:
        """Who sent what was received."""
        return self._slot.wait(self._seconds)[0] if self._slot else -1


class P2POp:
    """isend or irecv of a tensor, for batch_isend_irecv."""

    def __init__(
        self,
        op: Callable[..., Any],
        tensor: Any,
        peer: int | None = None,
        group: Any = None,
        tag: int = 0,
        group_peer: int | None = None,
    ) -> None:
        if getattr(op, "__name__", "") not in ("isend", "irecv"):
            raise ValueError(f"[P2POp] op is {op!r}; pass isend or irecv")
        self.op, self.tensor, self.peer, self.group, self.tag = op, tensor, peer, group, tag
        self.group_peer = the_rank("P2POp", the_group("P2POp", group), peer, group_peer)


def the_group(op: str, group: Any = None) -> Any:
    """group, by default that of all. ValueError where there is none."""
    found = GroupMember.WORLD if group is None else group
    if found is None:
        raise ValueError(f"[{op}] there is no group of processes; call init_process_group() first")
    return found


def _get_default_group() -> Any:
    return the_group("_get_default_group")


def the_rank(op: str, group: Any, rank: Any, group_rank: int | None) -> int:
    """The rank in the group, of one among all or in the group. ValueError, RuntimeError."""
    if (rank is None) == (group_rank is None):
        raise ValueError(f"[{op}] rank {rank}, rank in the group {group_rank}; pass one of the two")
    found = get_group_rank(group, rank) if group_rank is None else group_rank
    if not 0 <= found < group.size():
        raise RuntimeError(f"[{op}] rank {found} of {group.size()}; pass 0 to {group.size() - 1}")
    return found


_served: dict[Any, TCPStore] = {}  # later groups meet there too
_started = count()
_made: Counter[str] = Counter()


def _meet(url: str, rank: int, size: int, timeout: timedelta) -> tuple[Store, int, int]:
    """(store, rank, world_size) for an init_method. ValueError for what is missing."""
    parts = urlparse(url)
    kind, query = parts.scheme, dict(parse_qsl(parts.query))
    if kind not in ("env", "tcp", "file"):
        raise RuntimeError(f"[init_process_group] {url!r}; pass env://, tcp:// or file://")

    def setting(name: str, given: Any = None) -> Any:
        found = query.get(name, os.environ.get(name.upper()) if kind == "env" else None)
        if given not in (None, -1):
            found = given
        if found is None:
            name = f"environment variable {name.upper()}" if kind == "env" else name
            raise ValueError(f"[init_process_group] {kind}:// needs {name}; set it, or pass it")
        return found

    rank, size = int(setting("rank", rank)), int(setting("world_size", size))
    store: Store
    if kind == "file":
        store = FileStore(parts.netloc + parts.path)
        store.timeout = timeout
        return store, rank, size
    env = os.environ if kind == "env" else {}
    host = setting("master_addr", parts.hostname)
    port = int(setting("master_port", parts.port))
    # The launcher serves the store, where it is that of distributed.run.
    serve = rank == 0 and env.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    if (host, port) not in _served:
        _served[host, port] = TCPStore(host, port, None, serve, timeout)
    attempt = env.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(f"attempt_{attempt}", _served[host, port]), rank, size


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

    They meet by init_method, env:// (MASTER_ADDR, MASTER_PORT, RANK, WORLD_SIZE), tcp://host:port
    or file:///path, or in a store. ValueError for what is missing, and for a second call;
    RuntimeError for another backend than gloo.
    """
    op = "init_process_group"
    if is_initialized():
        raise ValueError(f"[{op}] there is a group already; destroy_process_group() first")
    for name in (backend or "gloo").lower().split(","):
        device, _, kind = name.rpartition(":")
        if kind != "gloo" and device in ("", "cpu"):
            wrong = RuntimeError if kind in ("nccl", "mpi", "ucc", "xccl") else ValueError
            raise wrong(f"[{op}] the backend {kind!r} is not there; use 'gloo'")
    timeout = default_pg_timeout if timeout is None else timeout
    if not isinstance(timeout, timedelta):
        raise TypeError(f"[{op}] timeout is {timeout!r}; pass a datetime.timedelta")
    if store is None:
        store, rank, world_size = _meet(init_method or "env://", rank, world_size, timeout)
    elif init_method is not None or world_size < 1 or rank < 0:
        raise AssertionError(
            f"[{op}] a store, init_method {init_method!r}, rank {rank} of {world_size}; with a "
            "store pass rank and world_size, and no init_method"
        )
    if not 0 <= rank < world_size:
        raise ValueError(f"[{op}] rank {rank} of {world_size}; pass 0 to {world_size - 1}")
    store = PrefixStore(str(next(_started)), store)
    mesh = Mesh(store, rank, world_size, timeout.total_seconds())
    GroupMember.WORLD = ProcessGroup(mesh, [*range(world_size)], rank, "world", timeout)
    from ._collectives import barrier

    barrier()  # the store may end from here on


def destroy_process_group(group: Any = None) -> None:
    """Ends a group; that of all, and so all groups, by default. AssertionError for none."""
    found: Any = GroupMember.WORLD if group is None else group
    if found is None:
        raise AssertionError("[destroy_process_group] there is none; init_process_group() first")
    if found._worker is not None:
        found._worker.shutdown()
    if group is None or found is GroupMember.WORLD:
        found.mesh.close()
        GroupMember.WORLD = None
        _made.clear()


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
    chosen = world.ranks if ranks is None else [int(rank) for rank in ranks]
    if len({*chosen}) < len(chosen) or not {*chosen} <= {*world.ranks}:
        raise ValueError(f"[new_group] ranks {chosen} of {world.size()}; pass some, each once")
    chosen = sorted(chosen) if sort_ranks else chosen
    # Its members count the groups of the same ranks alike, whoever else calls.
    _made[str(chosen)] += 1
    if world.rank() not in chosen:
        return GroupMember.NON_GROUP_MEMBER
    name = f"{chosen} {_made[str(chosen)]}"
    each = timeout or timedelta(seconds=world.seconds)
    return ProcessGroup(world.mesh, chosen, world.rank(), name, each)


def get_rank(group: Any = None) -> int:
    """Of this process in the group; -1 outside of it."""
    found = the_group("get_rank", group)
    return -1 if found == GroupMember.NON_GROUP_MEMBER else found.rank()


def get_world_size(group: Any = None) -> int:
    """How many processes are in the group; -1 outside of it."""
    found = the_group("get_world_size", group)
    return -1 if found == GroupMember.NON_GROUP_MEMBER else found.size()


def get_backend(group: Any = None) -> Backend:
    """gloo."""
    return Backend(the_group("get_backend", group).name())


def is_backend_available(backend: str) -> bool:
    """Whether it is gloo."""
    return backend.lower() == "gloo"


def is_torchelastic_launched() -> bool:
    """Whether `python -m backprop_ext.distributed.run` has started the process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def get_process_group_ranks(group: Any) -> list[int]:
    """The ranks of a group's processes among all."""
    return [*the_group("get_process_group_ranks", group).ranks]


def get_group_rank(group: ProcessGroup, global_rank: int) -> int:
    """The rank in the group. ValueError outside of it."""
    if group is not GroupMember.WORLD and global_rank not in group.ranks:
        raise ValueError(f"[get_group_rank] rank {global_rank} is not in {group.ranks}")
    return global_rank if group is GroupMember.WORLD else group.ranks.index(global_rank)


def get_global_rank(group: ProcessGroup, group_rank: int) -> int:
    """The rank among all. ValueError outside of the group."""
    if group is not GroupMember.WORLD and not 0 <= group_rank < group.size():
        raise ValueError(f"[get_global_rank] rank {group_rank} of {group.size()}")
    return group_rank if group is GroupMember.WORLD else group.ranks[group_rank]
