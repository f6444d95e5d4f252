"""How a process finds the store, its rank and the number of processes: env://, tcp://, file://."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from .store import FileStore, PrefixStore, Store, TCPStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

__all__ = ["register_rendezvous_handler", "rendezvous"]

_handlers: dict[str, Any] = {}
_served: dict[tuple[str, int], TCPStore] = {}  # a second group is set up over the same store


def register_rendezvous_handler(scheme: str, handler: Any) -> None:
    """handler(url, timeout=...) yields (store, rank, world_size) for urls of a scheme."""
    if scheme in _handlers:
        raise RuntimeError(f"[register_rendezvous_handler] {scheme}:// has a handler")
    _handlers[scheme] = handler


def rendezvous(
    url: str, rank: int = -1, world_size: int = -1, timeout: timedelta = Store._timeout
) -> Iterator[tuple[Store, int, int]]:
    """Yields (store, rank, world_size). Raises ValueError for what is missing.

    RuntimeError for another scheme.
    """
    parts = urlparse(url)
    if parts.scheme in _handlers:
        yield from _handlers[parts.scheme](url, timeout=timeout)
        return
    if parts.scheme not in ("env", "tcp", "file"):
        raise RuntimeError(
            f"[init_process_group] init_method is {url!r}; pass one of env://, tcp:// and file://"
        )
    query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    from_env = parts.scheme == "env"

    def setting(name: str, given: Any = None) -> str:
        """What was given, else in the url, else in the environment."""
        found = query.get(name) if given in (None, -1) else given
        found = os.environ.get(name.upper()) if found is None and from_env else found
        if found is None:
            where = f"environment variable {name.upper()}" if from_env else name
            raise ValueError(
                f"[init_process_group] {parts.scheme}:// needs {name}: {where} is not set; set it, "
                "pass rank and world_size, or start by `python -m backprop_ext.distributed.run`"
            )
        return str(found)

    rank, world_size = int(setting("rank", rank)), int(setting("world_size", world_size))
    store: Store
    if parts.scheme == "file":
        if not parts.path:
            raise ValueError(f"[init_process_group] {url!r} has no path; pass file:///a/path")
        store = FileStore(parts.netloc + parts.path, world_size)
        store.set_timeout(timeout)
    elif from_env:
        host, port = setting("master_addr"), int(setting("master_port"))
        agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        store = _tcp(host, port, rank == 0 and not agent, timeout)
        if agent:
            attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
            store = PrefixStore(f"attempt_{attempt}", store)
    else:
        if not parts.port:
            raise ValueError(f"[init_process_group] {url!r} has no port; pass tcp://host:port")
        store = _tcp(parts.hostname or "localhost", parts.port, rank == 0, timeout)
    yield store, rank, world_size


def _tcp(host: str, port: int, serve: bool, timeout: timedelta) -> TCPStore:
    if (host, port) not in _served:
        _served[host, port] = TCPStore(
            host, port, is_master=serve, timeout=timeout, wait_for_workers=False
        )
    store = _served[host, port]
    store.set_timeout(timeout)
    return store
