"""Timers of small programs: what they count and print, never how long it took."""

from __future__ import annotations

import backprop_ext as bx
from backprop_ext.utils import benchmark


def test_timer_runs_the_statement_with_its_threads_and_names() -> None:
    seen: list[int] = []
    note = lambda: seen.append(bx.get_num_threads())  # noqa: E731
    before = bx.get_num_threads()
    timer = benchmark.Timer("f()", "seen.clear()", globals={"f": note, "seen": seen}, num_threads=1)
    found = timer.timeit(10)
    assert seen == [1] * 10
    assert bx.get_num_threads() == before
    assert (found.number_per_run, len(found.raw_times)) == (10, 1)
    assert found.task_spec.num_threads == 1
    assert found.median == found.mean > 0
    assert repr(found).splitlines()[1:3] == ["f()", "setup: seen.clear()"]
    assert repr(found).endswith("1 measurement, 10 runs , 1 thread")


def test_runs_fill_the_time_that_was_asked_for() -> None:
    clock = iter(range(10**6))
    timer = benchmark.Timer(timer=lambda: float(next(clock)))  # each run takes a second
    seen: list[float] = []
    found = timer.blocked_autorange(lambda number, seconds: seen.append(seconds), min_run_time=5.0)
    assert found.raw_times == seen == [1.0] * 5
    assert found.median == 1.0
