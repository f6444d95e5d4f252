"""Wall-clock times of marked blocks.

    with profile() as prof:
        with record_function("forward"):
            model(x)
    print(prof.key_averages().table())

What is not marked is not timed apart: operations are launched without a record of each, and only
record_function and the profile itself are events here. Times are microseconds.
Source of the names: https://docs.pytorch.org/docs/stable/profiler.html
"""

from __future__ import annotations

import json
from contextlib import ContextDecorator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "profile", "record_function"]


@dataclass
class FunctionEvent:
    """One block: when it began, how long it took, and how much of that in blocks inside it."""

    name: str
    start: float
    cpu_time_total: float = 0.0
    inside: float = 0.0

    @property
    def key(self) -> str:
        """The name."""
        return self.name

    @property
    def self_cpu_time_total(self) -> float:
        """The time outside of blocks inside it."""
        return self.cpu_time_total - self.inside


@dataclass
class FunctionEventAvg:
    """The blocks of one name: how many, and their times together."""

    key: str
    count: int = 0
    cpu_time_total: float = 0.0
    self_cpu_time_total: float = 0.0

    @property
    def cpu_time(self) -> float:
        """The mean time of a block."""
        return self.cpu_time_total / max(1, self.count)

    def add(self, event: Any) -> FunctionEventAvg:
        """Count an event, or such a mean, too."""
        self.count += getattr(event, "count", 1)
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        return self


_COLUMNS = ("Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# Calls")


class EventList(list[Any]):
    """Events, or their means."""

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all."""
        return float(sum(event.self_cpu_time_total for event in self))

    def key_averages(self, *args: Any, **options: Any) -> EventList:
        """The mean of each name, in the order of their first block."""
        found: dict[str, FunctionEventAvg] = {}
        for event in self:
            found.setdefault(event.key, FunctionEventAvg(event.key)).add(event)
        return EventList(found.values())

    def total_average(self) -> FunctionEventAvg:
        """The sum over all events, under the name Total."""
        total = FunctionEventAvg("Total")
        for event in self:
            total.add(event)
        return total

    def table(self, sort_by: str | None = None, row_limit: int = 100, **options: Any) -> str:
        """Text: a row for each event, the greatest `sort_by` first (an attribute, without cuda)."""
        rows = [FunctionEventAvg(event.key).add(event) for event in self]
        if sort_by is not None:
            rows.sort(key=lambda row: getattr(row, sort_by, 0.0), reverse=True)
        whole = self.self_cpu_time_total or 1.0
        lines = [_COLUMNS] + [
            (
                row.key,
                f"{100 * row.self_cpu_time_total / whole:.2f}%",
                _time(row.self_cpu_time_total),
                f"{100 * row.cpu_time_total / whole:.2f}%",
                _time(row.cpu_time_total),
                _time(row.cpu_time),
                str(row.count),
            )
            for row in (rows if row_limit < 0 else rows[:row_limit])
        ]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        rule = "  ".join("-" * width for width in widths)
        shown = ["  ".join(map(str.rjust, line, widths)) for line in lines]
        total = f"Self CPU time total: {_time(self.self_cpu_time_total)}"
        return "\n".join([rule, shown[0], rule, *shown[1:], rule, total, ""])

    def __str__(self) -> str:
        return self.table()

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for chrome://tracing or ui.perfetto.dev."""
        events = [
            {"name": e.key, "ph": "X", "ts": e.start, "dur": e.cpu_time_total, "pid": 0, "tid": 0}
            for e in self
        ]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": events}, file)


def _time(us: float) -> str:
    scale, unit = (1e6, "s") if us >= 1e6 else (1e3, "ms") if us >= 1e3 else (1.0, "us")
    return f"{us / scale:.3f}{unit}"


_listening: list[profile] = []
_open: list[FunctionEvent] = []


class record_function(ContextDecorator):  # noqa: N801 (PyTorch's name)
    """A `with` block or a decorator whose time the profiles around it record under a name."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args

    def __enter__(self) -> record_function:
        _open.append(FunctionEvent(self.name, 1e6 * perf_counter()))
        return self

    def __exit__(self, *exception: object) -> None:
        event = _open.pop()
        event.cpu_time_total = 1e6 * perf_counter() - event.start
        if _open:
            _open[-1].inside += event.cpu_time_total
        for profiler in _listening:
            profiler.function_events.append(event)


class profile:  # noqa: N801 (PyTorch's name)
    """A context that records the blocks of record_function in it, and itself as "profile".

    enabled=False records nothing; the other options of PyTorch's are accepted.
    """

    def __init__(self, enabled: bool = True, **options: Any) -> None:
        self.enabled = enabled
        self.function_events = EventList()

    def __enter__(self) -> Any:
        if self.enabled:
            self._whole = record_function("profile")
            _listening.append(self)
            self._whole.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.enabled:
            self._whole.__exit__()
            _listening.remove(self)

    def key_averages(self, *args: Any, **options: Any) -> EventList:
        """The mean of each name."""
        return self.function_events.key_averages()

    def table(self, *args: Any, **options: Any) -> str:
        """The events as text, see EventList.table."""
        return self.function_events.table(*args, **options)

    def total_average(self) -> FunctionEventAvg:
        """The sum over all events."""
        return self.function_events.total_average()

    @property
    def self_cpu_time_total(self) -> float:
        """The time recorded."""
        return self.function_events.self_cpu_time_total

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for chrome://tracing or ui.perfetto.dev."""
        self.function_events.export_chrome_trace(path)

    def __str__(self) -> str:
        return self.table()
