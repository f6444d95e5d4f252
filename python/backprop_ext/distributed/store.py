"""Keys and values that processes have in common, by which they find each other.

Source of the names: https://docs.pytorch.org/docs/stable/distributed.html
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import DistNetworkError, DistStoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FileStore", "HashStore", "PrefixStore", "Store", "TCPStore"]

_Table = dict[bytes, bytes]


def _answer(table: _Table, op: bytes, *args: bytes) -> list[bytes] | None:
    """Does one request. None as long as a key of it is not there."""
    key = args[0] if args else b""
    if op in (b"get", b"wait"):
        if any(name not in table for name in args):
            return None
        return [table[name] for name in args] if op == b"get" else []
    if op == b"set":
        table.update(zip(args[::2], args[1::2], strict=True))
        return []
    if op == b"add":
        table[key] = b"%d" % (int(table.get(key, 0)) + int(args[1]))
    elif op == b"append":
        table[key] = table.get(key, b"") + args[1]
    elif op == b"swap":
        now = table.get(key, b"")
        if now != args[1]:
            return [table.get(key, args[1])]
        table[key] = args[2]
    elif op == b"check":
        return [b"%d" % all(name in table for name in args)]
    elif op == b"delete":
        return [b"%d" % (table.pop(key, None) is not None)]
    else:  # count
        return [b"%d" % len(table)]
    return [table[key]]


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


class Store:
    """set, get, add, ...: what a process sets, the others get. get and wait last up to `timeout`.

    Raises DistStoreError for keys that do not come, DistNetworkError for a store that has gone.
    """

    _timeout = timedelta(minutes=5)

    def _ask(self, timeout: float, op: bytes, *args: bytes) -> list[bytes] | None:
        """The answer; None where it is not there in time."""
        raise NotImplementedError

    def _here(self) -> str:
        """The address at which the other processes reach this one."""
        return "127.0.0.1"

    def _call(self, op: str, *args: str | bytes, timeout: timedelta | None = None) -> list[bytes]:
        seconds = (timeout or self._timeout).total_seconds()
        found = self._ask(seconds, op.encode(), *map(_bytes, args))
        if found is None:
            keys = [_bytes(key).decode() for key in args]
            raise DistStoreError(
                f"[{op}] none of the processes has set all of {keys} within {seconds:g} s; did one "
                "of them fail?"
            )
        return found

    @property
    def timeout(self) -> timedelta:
        """How long get and wait last."""
        return self._timeout

    def set_timeout(self, timeout: timedelta) -> None:
        """Sets `timeout`."""
        self._timeout = timeout

    def set(self, key: str, value: str | bytes) -> None:
        """Sets a key."""
        self._call("set", key, value)

    def multi_set(self, keys: Sequence[str], values: Sequence[str | bytes]) -> None:
        """Sets several keys."""
        pairs = zip(keys, values, strict=True)
        self._call("set", *(part for pair in pairs for part in pair))

    def get(self, key: str) -> bytes:
        """The value, once it is there."""
        return self._call("get", key)[0]

    def multi_get(self, keys: Sequence[str]) -> list[bytes]:
        """The values, once all are there."""
        return self._call("get", *keys)

    def add(self, key: str, amount: int) -> int:
        """Adds to a number, which begins at 0, and returns it."""
        return int(self._call("add", key, str(amount))[0])

    def append(self, key: str, value: str | bytes) -> None:
        """Adds to the end of a value."""
        self._call("append", key, value)

    def compare_set(self, key: str, expected_value: str, desired_value: str) -> bytes:
        """Sets the key where it has the expected value, or none for ""; returns what it has."""
        return self._call("swap", key, expected_value, desired_value)[0]

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        """Returns once all keys are there."""
        self._call("wait", *keys, timeout=timeout)

    def check(self, keys: Sequence[str]) -> bool:
        """Whether all keys are there."""
        return self._call("check", *keys) == [b"1"]

    def delete_key(self, key: str) -> bool:
        """Whether the key was there, and is no more."""
        return self._call("delete", key) == [b"1"]

    def num_keys(self) -> int:
        """How many keys there are."""
        return int(self._call("count")[0])


class HashStore(Store):
    """A store within one process."""

    def __init__(self) -> None:
        self._table: _Table = {}
        self._changed = threading.Condition()

    def _ask(self, timeout: float, op: bytes, *args: bytes) -> list[bytes] | None:
        with self._changed:
            found: list[bytes] | None = None

            def answer() -> bool:
                nonlocal found
                found = _answer(self._table, op, *args)
                return found is not None

            self._changed.wait_for(answer, timeout)
            self._changed.notify_all()
            return found


class PrefixStore(Store):
    """Another store, with a prefix before each key."""

    def __init__(self, prefix: str, store: Store) -> None:
        self.prefix, self.underlying_store = prefix, store
        self._timeout = store.timeout

    def _here(self) -> str:
        return self.underlying_store._here()

    def _call(self, op: str, *args: str | bytes, timeout: timedelta | None = None) -> list[bytes]:
        # Of pairs and of what follows a key, the values stay as they are.
        step = {"set": 2, "add": 2, "append": 2, "swap": 3}.get(op, 1)
        before = _bytes(f"{self.prefix}/")
        named = [arg if i % step else before + _bytes(arg) for i, arg in enumerate(args)]
        return self.underlying_store._call(op, *named, timeout=timeout or self._timeout)


class FileStore(Store):
    """A store in a file, which all processes see, and which must not be there before."""

    def __init__(self, file_name: str, world_size: int = -1) -> None:
        self.path = str(file_name)
        Path(self.path).touch()

    def _ask(self, timeout: float, op: bytes, *args: bytes) -> list[bytes] | None:
        end = time.monotonic() + timeout
        while (found := self._once(op, *args)) is None and time.monotonic() < end:
            time.sleep(0.01)
        return found

    def _once(self, op: bytes, *args: bytes) -> list[bytes] | None:
        with open(self.path, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            parts = _unpacked(file.read())
            before = dict(zip(parts[::2], parts[1::2], strict=True))
            table = dict(before)
            found = _answer(table, op, *args)
            if table != before:
                file.seek(0)
                file.truncate()
                file.write(_packed(*(part for pair in table.items() for part in pair)))
            return found


def _packed(*parts: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def _unpacked(data: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        parts.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return parts


def _send(sock: socket.socket, *parts: bytes) -> None:
    sock.sendall(_packed(_packed(*parts)))


def _receive(file: Any) -> list[bytes]:
    size = file.read(4)
    if len(size) < 4:
        raise ConnectionError("the other side has gone")
    return _unpacked(file.read(*struct.unpack("<I", size)))


class _Server:
    """The store behind an address, with a thread for each process that asks it."""

    def __init__(self, host: str, port: int) -> None:
        self._store = HashStore()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=1024)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                asking, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(asking,), daemon=True).start()

    def _answer(self, asking: socket.socket) -> None:
        asking.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError), asking, asking.makefile("rb") as file:
            while True:
                timeout, op, *args = _receive(file)
                try:
                    found = self._store._ask(float(timeout), op, *args)
                    answer = [b"late"] if found is None else [b"ok", *found]
                except ValueError as error:  # add() to what is no number
                    answer = [b"wrong", str(error).encode()]
                _send(asking, *answer)

    def close(self) -> None:
        """Listens no more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class TCPStore(Store):
    """A store that one process, the master, serves at host_name and port; 0 takes a free one.

    It listens at that address alone. Raises DistNetworkError where that cannot be, or nobody
    listens there within `timeout`.
    """

    def __init__(
        self,
        host_name: str,
        port: int,
        world_size: int | None = None,
        is_master: bool = False,
        timeout: timedelta = Store._timeout,
        wait_for_workers: bool = True,
        multi_tenant: bool = False,
        master_listen_fd: int | None = None,
        use_libuv: bool = True,
    ) -> None:
        self.host, self.port, self._timeout = host_name, port, timeout
        self._server: _Server | None = None
        if is_master:
            try:
                self._server = _Server(host_name, port)
            except OSError as error:
                raise DistNetworkError(
                    f"[TCPStore] cannot listen at {host_name}:{port}: {error.strerror}; take "
                    "another MASTER_PORT, or an address of this machine"
                ) from None
            self.port = self._server.port
        self._lock = threading.Lock()
        self._socket = self._connected(timeout.total_seconds())
        self._file = self._socket.makefile("rb")
        if wait_for_workers and world_size and world_size > 0:
            self.add("/workers", 1)
            end = time.monotonic() + timeout.total_seconds()
            while is_master and (joined := self.add("/workers", 0)) < world_size:
                if time.monotonic() > end:
                    raise DistStoreError(
                        f"[TCPStore] {joined} of {world_size} processes came within "
                        f"{timeout.total_seconds():g} s; start the others, or pass world_size"
                    )
                time.sleep(0.01)

    def _here(self) -> str:
        return str(self._socket.getsockname()[0])

    def _connected(self, timeout: float) -> socket.socket:
        end = time.monotonic() + timeout
        while True:
            try:
                sock = socket.create_connection((self.host, self.port), timeout)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
            except OSError as error:
                if time.monotonic() > end:
                    raise DistNetworkError(
                        f"[TCPStore] nobody listens at {self.host}:{self.port} within {timeout:g} "
                        f"s ({error.strerror}); does the process of rank 0 run?"
                    ) from None
                time.sleep(0.05)

    def _ask(self, timeout: float, op: bytes, *args: bytes) -> list[bytes] | None:
        with self._lock:
            self._socket.settimeout(timeout + 30)  # the store itself answers before
            try:
                _send(self._socket, str(timeout).encode(), op, *args)
                state, *found = _receive(self._file)
            except OSError as error:
                raise DistNetworkError(
                    f"[{op.decode()}] the store at {self.host}:{self.port} has gone ({error}); "
                    "did the process of rank 0 end?"
                ) from None
        if state == b"wrong":
            raise DistNetworkError(f"[{op.decode()}] {args[0].decode()!r}: {found[0].decode()}")
        return None if state == b"late" else found

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            for made in map(vars(self).get, ("_file", "_socket", "_server")):
                if made is not None:
                    made.close()
