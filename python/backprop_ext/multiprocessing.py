"""Python's multiprocessing, and spawn. Tensors are sent as copies, unless share_memory_ has
moved them.

Source of the names: https://docs.pytorch.org/docs/stable/multiprocessing.html
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import tempfile
from multiprocessing import *  # noqa: F403
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
]
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


class ProcessException(Exception):  # noqa: N818
    """A process of spawn failed: its index and id."""

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg, error_index, error_pid)
        self.msg, self.error_index, self.error_pid = msg, error_index, error_pid

    def __str__(self) -> str:
        return self.msg


class ProcessRaisedException(ProcessException):
    """It raised; the text has the traceback."""


class ProcessExitedException(ProcessException):
    """It ended by a signal, or with an exit code."""

    def __init__(
        self,
        msg: str,
        error_index: int,
        error_pid: int,
        exit_code: int,
        signal_name: str | None = None,
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.args = (msg, error_index, error_pid, exit_code, signal_name)
        self.exit_code, self.signal_name = exit_code, signal_name


def _run(fn: Callable[..., Any], i: int, args: tuple[Any, ...], error_file: str) -> None:
    with contextlib.suppress(AttributeError, OSError):  # Linux: not to outlive the parent
        ctypes.CDLL(None).prctl(1, signal.SIGINT)
    try:
        fn(i, *args)
    except KeyboardInterrupt:
        pass  # the parent was told too
    except Exception:
        import traceback

        with open(error_file, "w", encoding="utf-8") as file:
            file.write(traceback.format_exc())
        sys.exit(1)


class ProcessContext:
    """The processes of start_processes."""

    def __init__(self, processes: list[Any], error_files: list[str]) -> None:
        self.processes, self.error_files = processes, error_files
        self.sentinels = {process.sentinel: i for i, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """The processes' ids."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Waits for one of them to end, and returns whether all have.

        Where one failed it ends the others, which have grace_period seconds to do so themselves,
        and raises ProcessRaisedException or ProcessExitedException.
        """
        failed = None
        for ended in connection.wait([*self.sentinels], timeout) if self.sentinels else []:
            index = self.sentinels.pop(ended)
            self.processes[index].join()
            if self.processes[index].exitcode:
                failed = index
                break
        if failed is None:
            return not self.sentinels
        if grace_period is not None:
            self._wait(grace_period)
        for end in ("terminate", "kill"):
            for process in self.processes:
                if process.is_alive():
                    getattr(process, end)()
            self._wait(30 if grace_period is None else grace_period)
        raise self._error(failed)

    def _wait(self, seconds: float) -> None:
        from time import monotonic

        end = monotonic() + seconds
        for process in self.processes:
            process.join(max(0, end - monotonic()))

    def _error(self, index: int) -> ProcessException:
        pid, code = self.processes[index].pid, self.processes[index].exitcode
        try:
            with open(self.error_files[index], encoding="utf-8") as file:
                text = file.read()
        except OSError:
            if code >= 0:
                text = f"[spawn] process {index} terminated with exit code {code}; see its output"
                return ProcessExitedException(text, index, pid, code)
            names = {number.value: number.name for number in signal.Signals}
            name = names.get(-code, f"<unknown signal {-code}>")
            text = f"[spawn] process {index} terminated with signal {name}; see its output"
            return ProcessExitedException(text, index, pid, code, name)
        os.unlink(self.error_files[index])
        text = f"\n\n-- Process {index} terminated with the following error:\n{text}"
        return ProcessRaisedException(text, index, pid)


SpawnContext = ProcessContext


def start_processes(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Run fn(i, *args) in nprocs processes, i from 0; wait for them, or return their context.

    Where one fails, the others are ended. Raises what ProcessContext.join does.
    """
    context: Any = multiprocessing.get_context(start_method)
    processes, error_files = [], []
    for i in range(nprocs):
        descriptor, name = tempfile.mkstemp(prefix="spawn-", suffix=".txt")
        os.close(descriptor)
        os.unlink(name)  # it will be there if there is an error
        process = context.Process(target=_run, args=(fn, i, args, name), daemon=daemon)
        process.start()
        processes.append(process)
        error_files.append(name)
    started = ProcessContext(processes, error_files)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """start_processes."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)
