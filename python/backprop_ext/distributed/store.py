"""Keys and values that processes have in common, by which they find each other."""

from __future__ import annotations

import contextlib
import fcntl
import json
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from . import DistNetworkError, DistStoreError

__all__ = ["FileStore", "HashStore", "PrefixStore", "Store", "TCPStore"]


def _answer(table: dict[str, str], op: str, *args: str) -> list[str] | None:
    """Does one request. None as long as a key of it is not there."""
    here = all(key in table for key in args)
    if op in ("get", "wait"):
        return [table[key] for key in args] if here else None
    if op == "check":
        return [str(int(here))]
    if op == "num_keys":
        return [str(len(table))]
    key, *values = args
    now = table.get(key, "")
    if op == "delete_key":
        return [str(int(table.pop(key, None) is not None))]
    if op == "add":
        table[key] = str(int(now or 0) + int(values[0]))
    elif op == "set" or now == values[0]:
        table[key] = values[-1]
    return [table.get(key, values[0])]


class Store:
    """What a process sets, the others get, and wait for up to `timeout`: else DistStoreError."""

    timeout = timedelta(minutes=5)

    def _ask(self, seconds: float, op: str, *args: str) -> list[str] | None:
        """The answer; None where it is not there in time."""
        raise NotImplementedError

    def _call(self, op: str, *args: Any, timeout: timedelta | None = None) -> list[str]:
        seconds = (timeout or self.timeout).total_seconds()
        sent = (a.decode("latin-1") if isinstance(a, bytes) else str(a) for a in args)
        found = self._ask(seconds, op, *sent)
        if found is None:
            raise DistStoreError(
                f"[{op}] {args} did not come within {seconds:g} s; did a process fail?"
            )
        return found

    def _here(self) -> str:
        """The address at which the other processes reach this one."""
        return "127.0.0.1"

    def set_timeout(self, timeout: timedelta) -> None:
        """Sets `timeout`."""
        self.timeout = timeout

    def set(self, key: str, value: str | bytes) -> None:
        """Sets a key."""
        self._call("set", key, value)

    def get(self, key: str) -> bytes:
        """The value, once it is there."""
        return self._call("get", key)[0].encode("latin-1")

    def add(self, key: str, amount: int) -> int:
        """Adds to a number, which begins at 0, and returns it."""
        return int(self._call("add", key, amount)[0])

    def compare_set(self, key: str, expected_value: str, desired_value: str) -> bytes:
        """Sets a key that has the expected value, or none for ""; returns what it has."""
        found = self._call("compare_set", key, expected_value, desired_value)
        return found[0].encode("latin-1")

    def wait(self, keys: list[str], timeout: timedelta | None = None) -> None:
        """Returns once all keys are there."""
        self._call("wait", *keys, timeout=timeout)

    def check(self, keys: list[str]) -> bool:
        """Whether all keys are there."""
        return self._call("check", *keys) == ["1"]

    def delete_key(self, key: str) -> bool:
        """Whether the key was there, and is no more."""
        return self._call("delete_key", key) == ["1"]

    def num_keys(self) -> int:
        """How many keys there are."""
        return int(self._call("num_keys")[0])


class HashStore(Store):
    """A store within one process."""

    def __init__(self) -> None:
        self._table: dict[str, str] = {}
        self._changed = threading.Condition()

    def _ask(self, seconds: float, op: str, *args: str) -> list[str] | None:
        found: list[list[str] | None] = []

        def answer() -> bool:
            found.append(_answer(self._table, op, *args))
            return found[-1] is not None

        with self._changed:
            self._changed.wait_for(answer, seconds)
            self._changed.notify_all()
        return found[-1]


class PrefixStore(Store):
    """Another store, with a prefix before each key."""

    def __init__(self, prefix: str, store: Store) -> None:
        self.prefix, self.underlying_store, self.timeout = prefix, store, store.timeout
        self._here = store._here  # type: ignore[method-assign]

    def _ask(self, seconds: float, op: str, *args: str) -> list[str] | None:
        keys = len(args) if op in ("get", "wait", "check") else 1
        named = [f"{self.prefix}/{key}" for key in args[:keys]]
        return self.underlying_store._ask(seconds, op, *named, *args[keys:])


class FileStore(Store):
    """A store in a file that all processes see."""

    def __init__(self, file_name: str, world_size: int = -1) -> None:
        self.path = file_name
        Path(file_name).touch()

    def _ask(self, seconds: float, op: str, *args: str) -> list[str] | None:
        end = time.monotonic() + seconds
        while True:
            with open(self.path, "r+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                table = json.loads(file.read() or "{}")
                found = _answer(table, op, *args)
                file.seek(0)
                json.dump(table, file)
                file.truncate()
            if found is not None or time.monotonic() > end:
                return found
            time.sleep(0.01)


def _message(parts: list[Any]) -> bytes:
    return json.dumps(parts).encode() + b"\n"


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
                threading.Thread(target=self._serve, args=(asking,), daemon=True).start()

    def _serve(self, asking: socket.socket) -> None:
        with contextlib.suppress(OSError), asking, asking.makefile("rb") as lines:
            for line in lines:
                try:
                    answer = [self._store._ask(*json.loads(line))]
                except ValueError as error:  # add() to what is no number
                    answer = [None, str(error)]  # type: ignore[list-item]
                asking.sendall(_message(answer))

    def close(self) -> None:
        """Listens no more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class TCPStore(Store):
    """A store that the master serves at host_name and port, there alone; port 0 takes a free one.

    DistNetworkError where that cannot be, or nobody listens there within `timeout`.
    """

    def __init__(
        self,
        host_name: str,
        port: int,
        world_size: int | None = None,
        is_master: bool = False,
        timeout: timedelta = Store.timeout,
        wait_for_workers: bool = True,
        multi_tenant: bool = False,
        master_listen_fd: int | None = None,
        use_libuv: bool = True,
    ) -> None:
        self.host, self.port, self.timeout = host_name, port, timeout
        end = time.monotonic() + timeout.total_seconds()
        if is_master:
            try:
                self._server = _Server(host_name, port)
            except OSError as error:
                raise self._failed(f"cannot be listened at ({error}); take another") from None
            self.port = self._server.port
        self._lock = threading.Lock()
        while True:
            try:
                self._socket = socket.create_connection((host_name, self.port), 30)
                break
            except OSError as error:
                if time.monotonic() > end:
                    raise self._failed(f"{error}; does the process of rank 0 run?") from None
                time.sleep(0.05)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        if wait_for_workers and world_size:
            self.add("workers", 1)
            while is_master and self.add("workers", 0) < world_size:
                if time.monotonic() > end:
                    raise DistStoreError(f"[TCPStore] not all of {world_size} came; do they run?")
                time.sleep(0.01)

    def _failed(self, why: object) -> DistNetworkError:
        return DistNetworkError(f"[TCPStore] {self.host}:{self.port}: {why}")

    def _here(self) -> str:
        return str(self._socket.getsockname()[0])

    def _ask(self, seconds: float, op: str, *args: str) -> list[str] | None:
        with self._lock:
            self._socket.settimeout(seconds + 30)  # the store itself answers before
            try:
                self._socket.sendall(_message([seconds, op, *args]))
                found, *wrong = json.loads(self._file.readline())
            except (OSError, ValueError) as error:
                raise self._failed(f"{error}; did the process of rank 0 end?") from None
        if wrong:
            raise self._failed(wrong[0])
        return found  # type: ignore[no-any-return]

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            for made in map(vars(self).get, ("_file", "_socket", "_server")):
                if made is not None:
                    made.close()
