"""The workers of a DataLoader: threads that load ahead, each with its own generator."""

from __future__ import annotations

import threading
from copy import copy
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from .... import _core
from ...._core import Generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["WorkerInfo", "Workers", "get_worker_info"]

_this_thread = threading.local()
_END = object()


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this is: `id` of `num_workers`, its `seed`, and its copy of the `dataset`."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


def get_worker_info() -> WorkerInfo | None:
    """The worker that the caller runs in, None outside of a DataLoader's workers."""
    return getattr(_this_thread, "info", None)


@dataclass
class _Failure:
    error: BaseException


class Workers:
    """Threads that answer tasks in turn: task i goes to worker i mod n.

    PyTorch has processes; a thread needs no copy of the data, and the kernels free Python's lock.
    A worker has PyTorch's seed, base_seed + id, and a shallow copy of the dataset.
    """

    def __init__(
        self,
        count: int,
        dataset: Any,
        fetch_from: Callable[[Any], Callable[[Any], Any]],
        init: Callable[[int], Any] | None,
        base_seed: int,
    ) -> None:
        self._results: SimpleQueue[Any] = SimpleQueue()
        self._tasks: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(count)]
        self._pass = 0
        self.persistent = False
        for i, tasks in enumerate(self._tasks):
            info = WorkerInfo(i, count, base_seed + i, copy(dataset))
            arguments = (info, tasks, self._results, fetch_from, init)
            threading.Thread(target=_work, args=arguments, daemon=True).start()

    def __del__(self) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the threads after what they are doing."""
        for tasks in self._tasks:
            tasks.put(None)

    def run(
        self, numbers: Iterator[Any], ahead: int, timeout: float | None, in_order: bool
    ) -> Iterator[Any]:
        """The answers to all tasks, `ahead` of which are given out at any time."""
        try:
            yield from self._answers(numbers, ahead, timeout, in_order)
        finally:
            if not self.persistent:
                self.stop()

    def _answers(
        self, numbers: Iterator[Any], ahead: int, timeout: float | None, in_order: bool
    ) -> Iterator[Any]:
        self._pass += 1  # answers to tasks of a pass that was left early are dropped
        for tasks in self._tasks:
            tasks.put((self._pass, -1, None))
        active = [True] * len(self._tasks)
        owner: dict[int, int] = {}
        done: dict[int, Any] = {}
        sent = received = turn = 0

        def send() -> None:
            nonlocal sent, turn
            for _ in active:
                worker, turn = turn, (turn + 1) % len(active)
                if active[worker]:
                    break
            else:
                return
            try:
                task = next(numbers)
            except StopIteration:
                return
            self._tasks[worker].put((self._pass, sent, task))
            owner[sent] = worker
            sent += 1

        for _ in range(ahead):
            send()
        while received < sent:
            index = received if in_order else next(iter(done), -1)
            if index not in done:
                number, answer = self._receive(timeout)
                done[number] = answer
                continue
            answer, worker = done.pop(index), owner.pop(index)
            received += 1
            if answer is _END:
                active[worker] = False
            send()
            if isinstance(answer, _Failure):
                raise answer.error
            if answer is not _END:
                yield answer

    def _receive(self, timeout: float | None) -> tuple[int, Any]:
        while True:
            try:
                of, index, answer = self._results.get(timeout=timeout)
            except Empty:
                raise RuntimeError(
                    f"[DataLoader] timed out after {timeout} seconds without a batch; raise "
                    "timeout, or look at what the dataset waits for"
                ) from None
            if of == self._pass:
                return index, answer


def _work(
    info: WorkerInfo,
    tasks: SimpleQueue[Any],
    results: SimpleQueue[Any],
    fetch_from: Callable[[Any], Callable[[Any], Any]],
    init: Callable[[int], Any] | None,
) -> None:
    _this_thread.info = info
    generator = Generator().manual_seed(info.seed)
    _core._use_generator(generator)
    failure: _Failure | None = None
    fetch: Callable[[Any], Any] | None = None
    try:
        if init is not None:
            init(info.id)
    except BaseException as error:
        failure = _Failure(error)
    for of, index, task in iter(tasks.get, None):
        answer: Any = failure
        if failure is None:
            try:
                if fetch is None or index < 0:  # a new pass
                    fetch = fetch_from(info.dataset)
                answer = fetch(task) if index >= 0 else None
            except StopIteration:
                answer = _END
            except BaseException as error:
                answer = _Failure(error)
                if index < 0:
                    fetch = None
        if index >= 0:
            results.put((of, index, answer))
    _core._use_generator(None)
