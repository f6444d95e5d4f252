"""When the loop steps a learning rate scheduler, and on what."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

if TYPE_CHECKING:
    from .state import State

__all__ = ["Schedule", "as_schedule"]


class Schedule(NamedTuple):
    """A scheduler that steps once per "epoch" or per "iteration".

    ReduceLROnPlateau looks at `monitor`: the validation's "score", the epoch's "loss", or, for
    None, the score where there is one and else the loss.
    """

    scheduler: LRScheduler
    every: str = "epoch"
    monitor: str | None = None

    def step(self, state: State) -> None:
        """Step, if it is time. Raises ValueError for a score that no validation has made."""
        if self.every == "epoch" and not state.epoch_finished:
            return
        if not isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step()
            return
        if self.monitor == "score" and state.score is None:
            raise ValueError(
                "[Schedule] monitor='score', but nothing has been validated; set a validation, or "
                "monitor='loss'"
            )
        on_loss = self.monitor == "loss" or state.score is None
        self.scheduler.step(state.epoch_loss if on_loss else state.score)  # type: ignore[arg-type]


def as_schedule(given: LRScheduler | Schedule | None) -> Schedule | None:
    """A scheduler alone steps every epoch. Raises TypeError and ValueError for what is none."""
    if given is None:
        return None
    schedule = given if isinstance(given, Schedule) else Schedule(given)
    if not isinstance(schedule.scheduler, LRScheduler):
        raise TypeError(
            f"[Loop] schedule is a {type(given).__name__}; pass a scheduler of "
            "backprop_ext.optim.lr_scheduler, or a Schedule of one"
        )
    for name, value, known in (
        ("every", schedule.every, ("epoch", "iteration")),
        ("monitor", schedule.monitor, ("loss", "score", None)),
    ):
        if value not in known:
            raise ValueError(f"[Schedule] {name}={value!r}; pass one of {known}")
    return schedule
