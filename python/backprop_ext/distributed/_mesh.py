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
import weakref
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import DistBackendError, DistNetworkError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from .store import Store

__all__ = ["Mesh", "Slot"]

# Group, number of the call, bytes that follow, and what the call is.
_HEADER = struct.Struct("<8sqQ40s")
_Key = tuple[int, bytes, int]  # the other process, group, number of the call


@dataclass(eq=False)
class Slot:
    """What waits for a message: memory, or None for a message of any size. From any of `peers`."""

    what: str
    peers: list[int]
    memory: memoryview | None
    taken: bool = False
    done: Future[tuple[int, Any]] = field(default_factory=Future)

    def fill(self, peer: int, what: str, size: int, read: Callable[[memoryview], None]) -> None:
        """The message is here: read(memory) takes it. It has to be what is waited for."""
        memory = memoryview(bytearray(size)) if self.memory is None else self.memory
        if what != self.what or len(memory) != size:
            read(memoryview(bytearray(size)))
            self.done.set_exception(
                DistBackendError(
                    f"[{self.what.split()[0]}] rank {peer} sends {size} bytes of {what!r}, "
                    f"{len(memory)} bytes of {self.what!r} are expected; call the same with the "
                    "same shapes and types in all processes"
                )
            )
            return
        read(memory)
        self.done.set_result((peer, memory))

    def wait(self, timeout: timedelta) -> tuple[int, Any]:
        """(the other process, memory). Raises DistBackendError."""
        try:
            return self.done.result(timeout.total_seconds())
        except FutureTimeoutError:
            self.taken = True
            raise DistBackendError(
                f"[{self.what.split()[0]}] nothing came from rank "
                f"{' or '.join(map(str, self.peers))} within {timeout.total_seconds():g} s; does "
                "each process call it? A timeout= may be given to init_process_group"
            ) from None


class Mesh:
    """The connections of process `rank` to all the others, which meet in a store."""

    def __init__(self, store: Store, rank: int, size: int, timeout: timedelta) -> None:
        self._lock = threading.Lock()
        self._slots: dict[_Key, deque[Slot]] = {}
        self._early: dict[_Key, deque[tuple[str, bytearray]]] = {}
        self._gone: dict[int, str] = {}
        self._sockets = _connect(store, rank, size, timeout)
        self._sending = {peer: threading.Lock() for peer in self._sockets}
        for peer, sock in self._sockets.items():
            threading.Thread(target=self._read, args=(peer, sock), daemon=True).start()
        _meshes.add(self)

    def send(self, peer: int, group: bytes, number: int, what: str, message: Any) -> None:
        """Sends bytes. Raises DistBackendError where the other process has gone."""
        header = _HEADER.pack(group, number, len(message), what.encode()[:40])
        try:
            with self._sending[peer]:
                self._sockets[peer].sendall(header)
                self._sockets[peer].sendall(message)
        except OSError as error:
            raise _gone(what, peer, str(error)) from None

    def post(self, group: bytes, number: int, slot: Slot) -> Slot:
        """The slot, which will be given the next such message, or has it."""
        with self._lock:
            for peer in slot.peers:
                key = (peer, group, number)
                if early := self._early.get(key):
                    what, message = early.popleft()
                    if not early:
                        del self._early[key]
                    slot.taken = True
                    slot.fill(peer, what, len(message), _copy_of(message))
                    return slot
            if all(peer in self._gone for peer in slot.peers):
                peer = slot.peers[0]
                slot.done.set_exception(_gone(slot.what, peer, self._gone[peer]))
                return slot
            for peer in slot.peers:
                self._slots.setdefault((peer, group, number), deque()).append(slot)
        return slot

    def _claim(self, key: _Key) -> Slot | None:
        slots = self._slots.get(key, deque())
        while slots:
            slot = slots.popleft()
            if not slots:
                del self._slots[key]
            if not slot.taken:
                slot.taken = True
                return slot
        return None

    def _read(self, peer: int, sock: socket.socket) -> None:
        def read(memory: memoryview) -> None:
            while memory:
                if not (count := sock.recv_into(memory)):
                    raise ConnectionError("it ended")
                memory = memory[count:]

        header = bytearray(_HEADER.size)
        slot = None
        try:
            while True:
                slot = None
                read(memoryview(header))
                group, number, size, text = _HEADER.unpack(header)
                key, what = (peer, group, number), text.rstrip(b"\0").decode()
                with self._lock:
                    slot = self._claim(key)
                if slot:
                    slot.fill(peer, what, size, read)
                    continue
                message = bytearray(size)
                read(memoryview(message))
                with self._lock:  # it may be waited for by now
                    slot = self._claim(key)
                    if slot is None:
                        self._early.setdefault(key, deque()).append((what, message))
                if slot:
                    slot.fill(peer, what, size, _copy_of(message))
        except (OSError, ValueError) as error:
            self._lose(peer, str(error), slot)

    def _lose(self, peer: int, why: str, slot: Slot | None) -> None:
        with self._lock:
            self._gone[peer] = why
            lost = [slot] if slot and not slot.done.done() else []
            for key in [key for key in self._slots if key[0] == peer]:
                lost += [s for s in self._slots.pop(key) if not s.taken]
            for slot in lost:
                if all(other in self._gone for other in slot.peers):
                    slot.taken = True
                    slot.done.set_exception(_gone(slot.what, peer, why))

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


def _gone(what: str, peer: int, why: str) -> DistBackendError:
    return DistBackendError(
        f"[{what.split()[0]}] rank {peer} has gone ({why}); the first error is in its output"
    )


_meshes: weakref.WeakSet[Mesh] = weakref.WeakSet()


def _close_in_child() -> None:
    # Else a worker of a DataLoader holds the connections of a process that has died.
    for mesh in _meshes:
        for sock in mesh._sockets.values():
            os.close(sock.detach())


os.register_at_fork(after_in_child=_close_in_child)


def _connect(store: Store, rank: int, size: int, timeout: timedelta) -> dict[int, socket.socket]:
    """Connections to all others: each process calls those of lower rank, and waits for the rest."""
    host = store._here()
    sockets: dict[int, socket.socket] = {}
    if size == 1:
        return sockets
    seconds = timeout.total_seconds()
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
                sock.settimeout(seconds)
                (peer,) = struct.unpack("<q", sock.recv(8, socket.MSG_WAITALL))
            except TimeoutError:
                absent = sorted({*range(size)} - {rank, *sockets})
                raise DistNetworkError(
                    f"[init_process_group] ranks {absent} of {size} did not come within "
                    f"{seconds:g} s; do they run?"
                ) from None
            sockets[peer] = sock
    for sock in sockets.values():
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(seconds), 0))
    return sockets
