"""Times of small programs: Timer runs one, Compare sets results side by side.

Source of the names: https://docs.pytorch.org/docs/stable/benchmark_utils.html
"""

from __future__ import annotations

import timeit
from dataclasses import dataclass, field
from statistics import mean, median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .. import _core
from .._names import missing_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Compare", "Measurement", "TaskSpec", "Timer"]

__getattr__ = missing_from("torch.utils.benchmark", globals())

_UNITS = (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0))


def _unit(seconds: float) -> tuple[str, float]:
    return max((u for u in _UNITS if u[1] <= seconds), key=lambda u: u[1], default=_UNITS[0])


@dataclass(frozen=True)
class TaskSpec:
    """What was timed, and how it is called in a table."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """label: sub_label, or the statement."""
        name = self.label or self.stmt
        return name + (f": {self.sub_label}" if self.sub_label else "")

    def summarize(self) -> str:
        """The title, the description and the setup, line by line."""
        setup = f"setup: {self.setup}" if self.setup not in ("", "pass") else None
        return "\n".join(filter(None, (self.title, self.description, setup)))


@dataclass(eq=False, repr=False)
class Measurement:
    """Times of several runs, each of number_per_run calls, in seconds."""

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = field(default=None)

    @property
    def times(self) -> list[float]:
        """Seconds of one call, from each run."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def mean(self) -> float:
        """The mean of times."""
        return mean(self.times)

    @property
    def median(self) -> float:
        """The median of times."""
        return median(self.times)

    @property
    def iqr(self) -> float:
        """From the first to the third quartile of times; 0 for one run."""
        if len(self.raw_times) < 2:
            return 0.0
        low, _, high = quantiles(self.times, n=4, method="inclusive")
        return high - low

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["task_spec"], name)  # label, sub_label, stmt, ...

    def __repr__(self) -> str:
        unit, scale = _unit(self.median)
        runs = len(self.raw_times)
        several = runs > 1
        spread = f"\n  IQR:    {self.iqr / scale:.2f} {unit}" if runs > 3 else ""
        return (
            f"{object.__repr__(self)}\n{self.task_spec.summarize()}\n"
            f"  {'Median: ' * several}{self.median / scale:.2f} {unit}{spread}\n"
            f"  {runs} measurement{'s' * several}, {self.number_per_run} runs "
            f"{'per measurement' * several}, {self.num_threads} thread"
            f"{'s' * (self.num_threads > 1)}"
        )


class Timer:
    """Times a statement, after setup, with num_threads threads; `globals` has its names."""

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = perf_counter,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
    ) -> None:
        self._spec = TaskSpec(
            stmt, setup, global_setup, label, sub_label, description, env, num_threads
        )
        self._timer = timeit.Timer(stmt, setup, timer, {**(globals or {})})

    def _run(self, number: int) -> float:
        before = _core.get_num_threads()
        _core.set_num_threads(self._spec.num_threads)
        try:
            return max(self._timer.timeit(number), 1e-9)
        finally:
            _core.set_num_threads(before)

    def _measured(self, number: int, times: list[float]) -> Measurement:
        return Measurement(number, times, self._spec)

    def timeit(self, number: int = 1000000) -> Measurement:
        """The time of `number` calls in one run."""
        self._run(max(number // 100, 2))
        return self._measured(number, [self._run(number)])

    def repeat(self, repeat: int = -1, number: int = -1) -> None:
        """Raises NotImplementedError, as in PyTorch."""
        raise NotImplementedError("[repeat] there is none; use blocked_autorange()")

    def blocked_autorange(
        self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Runs until min_run_time seconds are full, each of so many calls that the clock is fine.

        callback(number, seconds) is called after each run.
        """
        number = 1
        while number < 10**9 and self._run(number) < min_run_time / 1000:
            number *= 10
        times: list[float] = []
        while not times or sum(times) < min_run_time:
            times.append(self._run(number))
            if callback is not None:
                callback(number, times[-1])
        return self._measured(number, times)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:
        """blocked_autorange for longer and longer, until iqr is under threshold * median."""
        while True:
            found = self.blocked_autorange(callback, min_run_time)
            if min_run_time >= max_run_time or found.iqr < threshold * found.median:
                return found
            min_run_time *= 4


class Compare:
    """A table of measurements: a row for each sub_label, a column for each description."""

    def __init__(self, results: Sequence[Measurement]) -> None:
        self._results = [*results]

    def extend_results(self, results: Sequence[Measurement]) -> None:
        """Take more measurements in."""
        self._results.extend(results)

    def trim_significant_figures(self) -> None:
        """Nothing: all times have three or more figures."""

    def colorize(self, rowwise: bool = False) -> None:
        """Nothing: tables are in black and white."""

    def print(self) -> None:
        """Print the table."""
        print(str(self))

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for label in dict.fromkeys(m.label or "" for m in self._results):
            part = [m for m in self._results if (m.label or "") == label]
            unit, scale = _unit(min(m.median for m in part))
            columns = [*dict.fromkeys(m.description or "" for m in part)]
            rows = [*dict.fromkeys((m.num_threads, m.sub_label or m.stmt) for m in part)]
            cells = {
                ((m.num_threads, m.sub_label or m.stmt), m.description or ""): m.median
                for m in part
            }
            width = max(len(str(name)) for _, name in rows)
            widths = [max(len(c), 10) for c in columns]
            head = "  ".join(c.rjust(w) for c, w in zip(columns, widths, strict=True))
            yield f"[{f' {label} '.center(width + len(head) + 4, '-')}]"
            yield f"{'':{width + 6}}{head}"
            for threads in dict.fromkeys(t for t, _ in rows):
                yield f"{threads} threads: ".ljust(width + len(head) + 6, "-")
                for row in (r for r in rows if r[0] == threads):
                    found = [cells.get((row, c)) for c in columns]
                    texts = ["" if t is None else f"{t / scale:.2f}" for t in found]
                    shown = "  ".join(t.rjust(w) for t, w in zip(texts, widths, strict=True))
                    yield f"      {row[1]:{width}}{shown}"
            yield f"\nTimes are in {unit}."
