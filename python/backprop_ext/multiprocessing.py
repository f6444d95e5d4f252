"""Python's multiprocessing, and spawn. Tensors are sent as copies, unless share_memory_ has
moved them.

Source of the names: https://docs.pytorch.org/docs/stable/multiprocessing.html
"""

from __future__ import annotations

import multiprocessing
from multiprocessing import *  # noqa: F403
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn"]
__all__ += multiprocessing.__all__


def get_all_sharing_strategies() -> set[str]:
    """Those that PyTorch has on Linux."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """PyTorch's default: it changes nothing here."""
    return "file_descriptor"


def set_sharing_strategy(new_strategy: str) -> None:
    """Accepts one of get_all_sharing_strategies and changes nothing; AssertionError for others."""
    if new_strategy not in get_all_sharing_strategies():
        raise AssertionError(
            f"[set_sharing_strategy] {new_strategy!r}; one of {get_all_sharing_strategies()}"
        )


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> list[Any] | None:
    """Run fn(i, *args) in nprocs processes, i from 0; wait for them, or return them.

    Raises RuntimeError when a process ends with an error.
    """
    context: Any = multiprocessing.get_context(start_method)
    processes = [context.Process(target=fn, args=(i, *args), daemon=daemon) for i in range(nprocs)]
    for process in processes:
        process.start()
    if not join:
        return processes
    for process in processes:
        process.join()
    failed = [i for i, process in enumerate(processes) if process.exitcode]
    if failed:
        raise RuntimeError(f"[spawn] processes {failed} of {nprocs} ended with an error")
    return None
