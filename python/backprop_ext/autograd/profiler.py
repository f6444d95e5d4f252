"""Wall-clock times of operations and of marked blocks.

    with profile() as prof:
        with record_function("forward"):
            model(x)
    print(prof.key_averages().table())

An event is a call of an operation, under PyTorch's name for it as "aten::linear" (one here may be
several there), the backward of one, an optimizer's step, or a block of record_function; what a
captured step replays is none. Operations of other threads are not seen. Times are microseconds.
Source of the names: https://docs.pytorch.org/docs/stable/profiler.html
"""

from __future__ import annotations

import json
import threading
from contextlib import ContextDecorator, ExitStack
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "profile", "record_function"]


def _time(us: float) -> str:
    scale, unit = (1e6, "s") if us >= 1e6 else (1e3, "ms") if us >= 1e3 else (1.0, "us")
    return f"{us / scale:.3f}{unit}"


def _text(name: str) -> Any:
    return property(lambda self: _time(getattr(self, name)), doc=f"{name} with its unit.")


class _Times:
    """What an event and the mean of several have in common."""

    device_time = device_time_total = self_device_time_total = 0.0
    cpu_time_str, cpu_time_total_str = _text("cpu_time"), _text("cpu_time_total")
    self_cpu_time_total_str = _text("self_cpu_time_total")


@dataclass(eq=False)
class FunctionEvent(_Times):
    """One event: when it began, how long it took, and how much of that in events inside it."""

    name: str
    start: float
    cpu_time_total: float = 0.0
    inside: float = 0.0
    input_shapes: list[list[int]] = field(default_factory=list)
    count = 1

    @property
    def key(self) -> str:
        """The name."""
        return self.name

    @property
    def self_cpu_time_total(self) -> float:
        """The time outside of events inside it."""
        return self.cpu_time_total - self.inside

    @property
    def cpu_time(self) -> float:
        """cpu_time_total."""
        return self.cpu_time_total


@dataclass(eq=False)
class FunctionEventAvg(_Times):
    """The events of one name: how many, and their times together."""

    key: str
    count: int = 0
    cpu_time_total: float = 0.0
    self_cpu_time_total: float = 0.0
    input_shapes: list[list[int]] = field(default_factory=list)

    @property
    def cpu_time(self) -> float:
        """The mean time of an event."""
        return self.cpu_time_total / max(1, self.count)

    def add(self, event: Any) -> FunctionEventAvg:
        """Count an event, or such a mean, too."""
        self.count += event.count
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        return self


_COLUMNS = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg"]


class EventList(list[Any]):
    """Events, or their means."""

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all."""
        return float(sum(event.self_cpu_time_total for event in self))

    def key_averages(self, group_by_input_shape: bool = False, *args: Any, **options: Any) -> Any:
        """The mean of each name (and input shapes), in the order of their first event."""
        found: dict[Any, FunctionEventAvg] = {}
        for event in sorted(self, key=lambda event: event.start):
            shapes = event.input_shapes if group_by_input_shape else []
            kind = (event.key, str(shapes))
            found.setdefault(kind, FunctionEventAvg(event.key, input_shapes=shapes)).add(event)
        return EventList(found.values())

    def total_average(self) -> FunctionEventAvg:
        """The sum over all events, under the name Total."""
        total = FunctionEventAvg("Total")
        for event in self:
            total.add(event)
        return total

    def table(self, sort_by: str | None = None, row_limit: int = 100, **options: Any) -> str:
        """Text: a row for each event, the greatest `sort_by` first (an attribute, without cuda)."""
        rows = [FunctionEventAvg(e.key, input_shapes=e.input_shapes).add(e) for e in self]
        if sort_by is not None:
            rows.sort(key=lambda row: getattr(row, sort_by, 0.0), reverse=True)
        whole = self.self_cpu_time_total or 1.0
        shapes = any(row.input_shapes for row in rows)
        lines = [[*_COLUMNS, "# of Calls", *["Input Shapes"] * shapes]] + [
            [
                row.key,
                f"{100 * row.self_cpu_time_total / whole:.2f}%",
                _time(row.self_cpu_time_total),
                f"{100 * row.cpu_time_total / whole:.2f}%",
                _time(row.cpu_time_total),
                _time(row.cpu_time),
                str(row.count),
                *[str(row.input_shapes)] * shapes,
            ]
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


class _Open(threading.local):
    """The events of this thread that have begun, the innermost last."""

    def __init__(self) -> None:
        self.events: list[FunctionEvent] = []


_listening: list[profile] = []
_open = _Open()


class record_function(ContextDecorator):  # noqa: N801 (PyTorch's name)
    """A `with` block or a decorator whose time the profiles around it record under a name."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._shapes: list[list[int]] = []

    def __enter__(self) -> record_function:
        self._event = FunctionEvent(self.name, 1e6 * perf_counter(), input_shapes=self._shapes)
        _open.events.append(self._event)
        return self

    def __exit__(self, *exception: object) -> None:
        event = self._event
        if event not in _open.events:
            return
        event.cpu_time_total = 1e6 * perf_counter() - event.start
        while _open.events.pop() is not event:
            pass  # one whose end an error left out
        if _open.events:
            _open.events[-1].inside += event.cpu_time_total
        for profiler in _listening:
            profiler.function_events.append(event)


_NAMES = {"__getitem__": "index", "__setitem__": "index_put_"}


class _Calls(TorchFunctionMode):
    """Each operation as a block, and its node's backward as another."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "__get__")
        if name == "__get__":
            return func(*args, **(kwargs or {}))
        block = record_function(f"aten::{_NAMES.get(name, name.strip('_'))}")
        if any(profiler.record_shapes for profiler in _listening):
            block._shapes = [list(getattr(value, "shape", ())) for value in args]
        with block:
            result = func(*args, **(kwargs or {}))
        self._follow(result)
        return result

    def _follow(self, result: Any) -> None:
        for value in result if isinstance(result, (tuple, list)) else [result]:
            node = getattr(value, "grad_fn", None)
            if node is None or node.metadata.get("profiled"):
                continue
            node.metadata["profiled"] = True
            block = record_function(f"autograd::engine::evaluate_function: {node.name()}")
            node.register_prehook(lambda grads, block=block: block.__enter__() and None)
            node.register_hook(lambda ins, outs, block=block: block.__exit__())


def _steps() -> Iterator[Any]:
    """Hooks that make each step of an optimizer a block; to be removed."""
    from ..optim import optimizer

    blocks: dict[int, record_function] = {}

    def begin(which: Any, args: Any, kwargs: Any) -> None:
        name = f"Optimizer.step#{type(which).__name__}.step"
        blocks[id(which)] = record_function(name).__enter__()

    def end(which: Any, args: Any, kwargs: Any) -> None:
        blocks.pop(id(which)).__exit__()

    yield optimizer.register_optimizer_step_pre_hook(begin)
    yield optimizer.register_optimizer_step_post_hook(end)


# What is told of operations and steps, while a profile listens.
_sources = ExitStack()


class profile:  # noqa: N801 (PyTorch's name)
    """A context that records the operations, and the blocks of record_function, in it.

    enabled=False records nothing; the other options of PyTorch's are accepted.
    """

    def __init__(
        self, enabled: bool = True, *, record_shapes: bool = False, **options: Any
    ) -> None:
        self.enabled, self.record_shapes = enabled, record_shapes
        self.function_events = EventList()

    def __enter__(self) -> Any:
        if self.enabled:
            if not _listening:
                _sources.enter_context(_Calls())
                for hook in _steps():
                    _sources.callback(hook.remove)
            _listening.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        if self.enabled:
            _listening.remove(self)
            if not _listening:
                _sources.close()

    def key_averages(self, group_by_input_shape: bool = False, *args: Any, **options: Any) -> Any:
        """The mean of each name."""
        return self.function_events.key_averages(group_by_input_shape)

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
