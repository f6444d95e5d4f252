"""Connections from each process to each, and messages that are matched by what they are for.

A thread for each connection reads always, so that who sends never waits for who is to receive. It
reads into the memory that is to receive the message, where that is known already.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections import defaultdict, deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from . import DistBackendError, DistNetworkError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .store import Store

__all__ = ["Mesh", "Slot"]

# Group, number of the call, bytes that follow, and what the call is.
_HEADER = struct.Struct("<8sqQ40s")


class Slot:
    """What waits for a message of one of `peers`: memory, or None for a message of any size."""

    def __init__(self, what: str, peers: list[int], memory: memoryview | None) -> None:
        self.what, self.peers, self.memory = what, peers, memory
        self.taken = False
        self.done: Future[tuple[int, Any]] = Future()

    def fill(self, peer: int, what: str, size: int, read: Callable[[memoryview], None]) -> None:
        """read(memory) takes the message. It has to be what is waited for."""
        memory = memoryview(bytearray(size)) if self.memory is None else self.memory
        if what == self.what and len(memory) == size:
            read(memory)
            self.done.set_result((peer, memory))
            return
        read(memoryview(bytearray(size)))
        self.fail(
            f"rank {peer} is at {what} of {size} bytes, this one at {self.what} of "
            f"{len(memory)}; all have to call the same, with the same shapes and types"
        )

    def fail(self, why: str) -> None:
        """wait() will raise it."""
        self.done.set_exception(DistBackendError(f"[{self.what.split()[0]}] {why}"))

    def wait(self, seconds: float) -> tuple[int, Any]:
        """(who sent it, memory). Raises DistBackendError."""
        try:
            return self.done.result(seconds)
        except FutureTimeoutError:
            self.taken = True
            raise DistBackendError(
                f"[{self.what.split()[0]}] nothing from ranks {self.peers} within {seconds:g} s; "
                "does each process call it?"
            ) from None


class Mesh:
    """The connections of process `rank` to all the others, which meet in a store."""

    def __init__(self, store: Store, rank: int, size: int, seconds: float) -> None:
        self._lock = threading.Lock()
        # By the other process, group and number of the call.
        self._slots: defaultdict[Any, deque[Slot]] = defaultdict(deque)
        self._early: defaultdict[Any, deque[tuple[str, bytearray]]] = defaultdict(deque)
        self._gone: set[int] = set()
        self._sockets = _connect(store, rank, size, seconds)
        self._sending = {peer: threading.Lock() for peer in self._sockets}
        for peer in self._sockets:
            threading.Thread(target=self._read, args=(peer,), daemon=True).start()
        _meshes.add(self)

    def send(self, peer: int, group: bytes, number: int, what: str, message: Any) -> None:
        """Sends bytes. DistBackendError where the other process has gone."""
        try:
            with self._sending[peer]:
                header = _HEADER.pack(group, number, len(message), what.encode())
                self._sockets[peer].sendall(header)
                self._sockets[peer].sendall(message)
        except OSError as error:
            with contextlib.suppress(OSError):  # half of a message may have left
                self._sockets[peer].shutdown(socket.SHUT_RDWR)
            text = f"[{what.split()[0]}] rank {peer} has gone ({error}); see its output"
            raise DistBackendError(text) from None

    def post(self, group: bytes, number: int, slot: Slot) -> Slot:
        """The slot, which will be given the next such message, or has it."""
        with self._lock:
            for key in [(peer, group, number) for peer in slot.peers]:
                if early := self._early.get(key):
                    what, message = early.popleft()
                    if not early:
                        del self._early[key]
                    slot.taken = True
                    slot.fill(key[0], what, len(message), _copy_of(message))
                    break
                self._slots[key].append(slot)
            else:
                self._fail_lost([slot])
        return slot

    def _claim(self, key: Any) -> Slot | None:
        slots = self._slots.get(key)
        while slots:
            slot = slots.popleft()
            if not slots:
                del self._slots[key]
            if not slot.taken:
                slot.taken = True
                return slot
        return None

    def _read(self, peer: int) -> None:
        def read(memory: memoryview) -> None:
            while memory:
                if not (count := self._sockets[peer].recv_into(memory)):
                    raise ConnectionError
                memory = memory[count:]

        header, slot = bytearray(_HEADER.size), None
        try:
            while True:
                slot = None
                read(memoryview(header))
                group, number, size, text = _HEADER.unpack(header)
                key, what = (peer, group, number), text.rstrip(b"\0").decode()
                with self._lock:
                    slot = self._claim(key)
                take: Callable[[memoryview], None] = read
                if slot is None:
                    message = bytearray(size)
                    read(memoryview(message))
                    take = _copy_of(message)
                    with self._lock:  # it may be waited for by now
                        slot = self._claim(key)
                        if slot is None:
                            self._early[key].append((what, message))
                if slot is not None:
                    slot.fill(peer, what, size, take)
        except (OSError, ValueError):
            with self._lock:
                self._gone.add(peer)
                waiting = [s for key, all_ in self._slots.items() if key[0] == peer for s in all_]
                if slot is not None and not slot.done.done():
                    slot.taken, slot.peers = False, [peer]
                    waiting.append(slot)
                self._fail_lost(waiting)

    def _fail_lost(self, slots: list[Slot]) -> None:
        for slot in slots:
            if not slot.taken and self._gone.issuperset(slot.peers):
                slot.taken = True
                slot.fail(f"ranks {slot.peers} have gone; see their output")

    def close(self) -> None:
        """Ends the connections; what was sent before arrives."""
        for sock in self._sockets.values():
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


def _copy_of(message: bytearray) -> Callable[[memoryview], None]:
    def read(memory: memoryview) -> None:
        memory[:] = message

    return read


_meshes: WeakSet[Mesh] = WeakSet()


def _close_in_child() -> None:
    # Else a worker of a DataLoader holds the connections of a process that has died.
    for mesh in _meshes:
        for sock in mesh._sockets.values():
            os.close(sock.detach())


os.register_at_fork(after_in_child=_close_in_child)


def _connect(store: Store, rank: int, size: int, seconds: float) -> dict[int, socket.socket]:
    """Each process calls those of lower rank, and waits for the rest."""
    sockets: dict[int, socket.socket] = {}
    host = store._here()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, backlog=size) as server:
        server.settimeout(seconds)
        store.set(f"address/{rank}", f"{host} {server.getsockname()[1]}")
        for peer in range(rank):
            to, port = store.get(f"address/{peer}").decode().split()
            sockets[peer] = socket.create_connection((to, int(port)), seconds)
            sockets[peer].sendall(struct.pack("<q", rank))
        while len(sockets) < size - 1:
            try:
                sock, _ = server.accept()
            except TimeoutError:
                absent = {*range(size)} - {rank, *sockets}
                raise DistNetworkError(
                    f"[init_process_group] ranks {absent} of {size} did not come within "
                    f"{seconds:g} s; do they run?"
                ) from None
            sock.settimeout(seconds)
            sockets[struct.unpack("<q", sock.recv(8, socket.MSG_WAITALL))[0]] = sock
    for sock in sockets.values():
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(None)
        limit = struct.pack("ll", max(1, int(seconds)), 0)  # 0 is for ever
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    return sockets
