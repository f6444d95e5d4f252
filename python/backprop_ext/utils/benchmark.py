"""Timer runs a small program again and again, and says how long it took.

Source of the names: https://docs.pytorch.org/docs/stable/benchmark_utils.html
"""

from __future__ import annotations

import timeit
from dataclasses import dataclass
from statistics import mean, median
from time import perf_counter
from types import SimpleNamespace
from typing import Any

from .. import _core
from .._names import missing_from

__all__ = ["Measurement", "Timer"]

__getattr__ = missing_from("torch.utils.benchmark", globals())


@dataclass(eq=False, repr=False)
class Measurement:
    """Seconds of some runs, each of number_per_run calls; task_spec has Timer's arguments."""

    number_per_run: int
    raw_times: list[float]
    task_spec: SimpleNamespace

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

    def __repr__(self) -> str:
        spec, runs, scale, unit = self.task_spec, len(self.raw_times), 1.0, "s"
        for smaller in ("ms", "us", "ns"):
            if self.median < scale:
                scale, unit = scale / 1000, smaller
        return (
            f"{object.__repr__(self)}\n{spec.label or spec.stmt}\nsetup: {spec.setup}\n"
            f"  {'Median: ' * (runs > 1)}{self.median / scale:.2f} {unit}\n"
            f"  {runs} measurement{'s' * (runs > 1)}, {self.number_per_run} runs "
            f"{'per measurement' * (runs > 1)}, {spec.num_threads} thread"
            f"{'s' * (spec.num_threads > 1)}"
        )


class Timer:
    """Times a statement, after setup, with num_threads threads; `globals` has its names."""

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Any = perf_counter,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
    ) -> None:
        self._timer = timeit.Timer(stmt, setup, timer, {**(globals or {})})
        self._spec = SimpleNamespace(
            stmt=stmt,
            setup=setup,
            label=label,
            sub_label=sub_label,
            description=description,
            num_threads=num_threads,
        )

    def _run(self, number: int) -> float:
        before = _core.get_num_threads()
        _core.set_num_threads(self._spec.num_threads)
        try:
            return max(self._timer.timeit(number), 1e-9)
        finally:
            _core.set_num_threads(before)

    def timeit(self, number: int = 1000000) -> Measurement:
        """The time of `number` calls in one run."""
        self._run(max(number // 100, 2))
        return Measurement(number, [self._run(number)], self._spec)

    def blocked_autorange(self, callback: Any = None, min_run_time: float = 0.2) -> Measurement:
        """Runs until min_run_time seconds are full; callback(number, seconds) after each."""
        number = 1
        while number < 10**9 and self._run(number) < min_run_time / 1000:
            number *= 10
        times: list[float] = []
        while not times or sum(times) < min_run_time:
            times.append(self._run(number))
            if callback is not None:
                callback(number, times[-1])
        return Measurement(number, times, self._spec)
