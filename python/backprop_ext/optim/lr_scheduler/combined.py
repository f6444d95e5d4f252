"""Several schedulers as one."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from ..._checks import WrongKindError
from .base import LRScheduler, entries
from .plateau import ReduceLROnPlateau

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...types import StateDict
    from ..optimizer import Optimizer

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Several(LRScheduler):
    """Holds the schedulers; they must be of one optimizer."""

    def _hold(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        op = type(self).__name__
        if not len(schedulers):
            raise ValueError(f"[{op}] schedulers is empty; pass one or more")
        self._schedulers = [*schedulers]
        for index, scheduler in enumerate(self._schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise WrongKindError(
                    f"[{op}] scheduler {index} is a {type(scheduler).__name__}, which has no "
                    "optimizer; pass schedulers"
                )
        first = schedulers[0].optimizer
        first = first if optimizer is None else optimizer
        for index, scheduler in enumerate(self._schedulers):
            if scheduler.optimizer is not first:
                raise ValueError(
                    f"[{op}] scheduler {index} belongs to another optimizer; make all of them for "
                    "one"
                )
        self._attach(first)

    def _undo(self) -> None:
        for scheduler in self._schedulers:
            scheduler._undo()

    def _advance(self) -> None:
        self.step()

    def state_dict(self) -> StateDict:
        """All but the optimizer, with the states of the schedulers."""
        return {
            **super().state_dict(),
            "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers],
        }

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Continue where a state_dict was taken."""
        states = entries(state_dict)["_schedulers"]
        super().load_state_dict(state_dict)
        for scheduler, saved in zip(self._schedulers, states, strict=True):
            scheduler.load_state_dict(saved)


class SequentialLR(_Several):
    """schedulers[i] from epoch milestones[i - 1] on, each beginning with its own epoch 0.

    Raises ValueError unless there is one milestone less than schedulers, all of one optimizer.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        if any(isinstance(scheduler, ReduceLROnPlateau) for scheduler in schedulers):
            raise ValueError(
                "[SequentialLR] a ReduceLROnPlateau is among the schedulers; it needs a metric in "
                "each step, step it by itself"
            )
        if optimizer is None:
            raise ValueError("[SequentialLR] optimizer=None; pass that of the schedulers")
        self._hold(schedulers, optimizer)
        if len(milestones) != len(self._schedulers) - 1:
            raise ValueError(
                f"[SequentialLR] {len(self._schedulers)} schedulers and {len(milestones)} "
                "milestones; pass one milestone less"
            )
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        # Making them has changed the rates: back to the first, and only the first one steps.
        self._set([group["initial_lr"] for group in self.optimizer.param_groups])
        self._undo()
        first = self._schedulers[0]
        first._step_count = 0
        first._advance()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:
        """The next epoch."""
        self.last_epoch += 1
        at = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[at]
        if at and self._milestones[at - 1] == self.last_epoch:
            scheduler._restart()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Several):
    """All of the schedulers at every step, one after another: their factors multiply.

    Raises ValueError for no schedulers, or several optimizers.
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        self._hold(schedulers, optimizer or None)
        self._last_lr = self._rates()

    def step(self) -> None:
        """The next epoch."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._rates()
