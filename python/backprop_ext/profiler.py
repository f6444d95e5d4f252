"""Wall-clock times of operations and of marked blocks, over the steps of a schedule.

See `autograd.profiler` for what is timed and what is not.
Source of the names: https://docs.pytorch.org/docs/stable/profiler.html
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._names import missing_from
from .autograd import profiler as _blocks
from .autograd.profiler import EventList, record_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "ProfilerAction",
    "ProfilerActivity",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]

__getattr__ = missing_from("torch.profiler", globals())


class ProfilerActivity(Enum):
    """Where time is spent: on the CPU alone."""

    CPU = 0
    XPU = 1
    CUDA = 2


class ProfilerAction(Enum):
    """What a schedule says of a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """The CPU."""
    return {ProfilerActivity.CPU}


def schedule(
    *,
    wait: int,
    warmup: int,
    active: int,
    repeat: int = 0,
    skip_first: int = 0,
    skip_first_wait: int = 0,
) -> Callable[[int], ProfilerAction]:
    """step -> action: skip_first steps, then `repeat` times (0: always) wait, warmup, active.

    With skip_first_wait, the first wait is left out.
    Raises AssertionError for negative numbers, and for no active step.
    """
    counts = (wait, warmup, active, repeat, skip_first)
    if min(counts) < 0 or active == 0:
        raise AssertionError(f"[schedule] {counts}; pass numbers from 0, and active from 1")
    cycle = wait + warmup + active
    first = skip_first - (wait if skip_first_wait else 0)

    def action(step: int) -> ProfilerAction:
        turn, place = divmod(step - first, cycle)
        if step < skip_first or (repeat and turn >= repeat) or place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        last = place == cycle - 1
        return ProfilerAction.RECORD_AND_SAVE if last else ProfilerAction.RECORD

    return action


class profile(_blocks.profile):  # noqa: N801 (PyTorch's name)
    """A context that records operations and marked blocks in it, by the steps of a schedule.

    on_trace_ready(profile) is called after the last active step of each cycle, or at the end where
    there is no schedule. activities and other options of PyTorch's are accepted.
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(record_shapes=record_shapes)
        self.schedule, self.on_trace_ready = schedule, on_trace_ready
        self.step_num = 0
        self._finished = EventList()
        self._begin()

    def _begin(self) -> None:
        """Whether the step that begins is recorded."""
        chosen = self.schedule
        self.current_action = chosen(self.step_num) if chosen else ProfilerAction.RECORD_AND_SAVE
        recording = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        self.enabled = self.current_action in recording

    def start(self) -> None:
        """What `with` does at its begin."""
        super().__enter__()

    def stop(self) -> None:
        """What `with` does at its end."""
        super().__exit__()
        if self.current_action is ProfilerAction.RECORD_AND_SAVE:
            self._save()

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def step(self) -> None:
        """The next step of the schedule begins."""
        if self.schedule is None:
            self.step_num += 1
            return
        self.stop()
        self.step_num += 1
        self._begin()
        self.start()

    def _save(self) -> None:
        self._finished, self.function_events = self.function_events, EventList()
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def events(self) -> EventList:
        """The events of the cycle that was finished last, or of the one that runs."""
        return self._finished or self.function_events

    def key_averages(self, group_by_input_shape: bool = False, *args: Any, **options: Any) -> Any:
        """The mean of each name (and input shapes) in `events`."""
        return self.events().key_averages(group_by_input_shape)

    def export_chrome_trace(self, path: str) -> None:
        """Write `events` for chrome://tracing or ui.perfetto.dev."""
        self.events().export_chrome_trace(path)


def tensorboard_trace_handler(dir_name: str, *args: Any, **options: Any) -> Callable[..., None]:
    """For on_trace_ready: write each trace into a folder, as step_3.pt.trace.json."""

    def write(prof: profile) -> None:
        folder = Path(dir_name)
        folder.mkdir(parents=True, exist_ok=True)
        prof.export_chrome_trace(str(folder / f"step_{prof.step_num}.pt.trace.json"))

    return write
