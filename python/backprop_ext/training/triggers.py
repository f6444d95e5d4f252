"""When to stop, to validate, to save: functions of the State after an iteration."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .state import State

__all__ = [
    "EveryEpoch",
    "MaxEpoch",
    "MaxIteration",
    "MaxScore",
    "MinLoss",
    "Never",
    "Patience",
    "SeveralIteration",
    "Trigger",
    "TriggerAnd",
    "TriggerOr",
]


class Trigger:
    """trigger(state) -> bool. A subclass with memory has it in `state_dict`, for checkpoints.

    Source of the names: BigDL's bigdl.optim.optimizer.
    """

    def __call__(self, state: State) -> bool:
        raise NotImplementedError(
            f"[Trigger] {type(self).__name__} has no __call__; define it in the subclass"
        )

    def state_dict(self) -> dict[str, Any]:
        """What the trigger remembers."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""


class Never(Trigger):
    """Never."""

    def __call__(self, state: State) -> bool:
        return False


class EveryEpoch(Trigger):
    """After the last iteration of each epoch."""

    def __call__(self, state: State) -> bool:
        return state.epoch_finished


class MaxEpoch(Trigger):
    """epoch >= max_epoch: that many epochs are finished. Raises ValueError below 0."""

    def __init__(self, max_epoch: int) -> None:
        self.max_epoch = _count("MaxEpoch", "max_epoch", max_epoch, 0)

    def __call__(self, state: State) -> bool:
        return state.epoch >= self.max_epoch


class MaxIteration(Trigger):
    """iteration >= max: that many steps are made. Raises ValueError below 0."""

    def __init__(self, max: int) -> None:
        self.max = _count("MaxIteration", "max", max, 0)

    def __call__(self, state: State) -> bool:
        return state.iteration >= self.max


class SeveralIteration(Trigger):
    """After each `interval` iterations. Raises ValueError below 1."""

    def __init__(self, interval: int) -> None:
        self.interval = _count("SeveralIteration", "interval", interval, 1)

    def __call__(self, state: State) -> bool:
        return state.iteration > 0 and state.iteration % self.interval == 0


class MinLoss(Trigger):
    """loss < min, the loss being that of the last step."""

    def __init__(self, min: float) -> None:
        self.min = float(min)

    def __call__(self, state: State) -> bool:
        return state.loss < self.min


class MaxScore(Trigger):
    """score > max, the score being the first of the last validation."""

    def __init__(self, max: float) -> None:
        self.max = float(max)

    def __call__(self, state: State) -> bool:
        return state.score is not None and state.score > self.max


class Patience(Trigger):
    """No gain of more than `tol` on the best value for `epochs` epochs on end.

    The value is the validation's `score` (of which more is better if `higher_is_better`), or
    without `on_score` the epoch's mean loss. `best_epoch` is the one with the best value. Raises
    ValueError for epochs below 1, and when called on a score that no validation has made.
    """

    def __init__(
        self, epochs: int, tol: float = 0.0, on_score: bool = False, higher_is_better: bool = False
    ) -> None:
        self.epochs = _count("Patience", "epochs", epochs, 1)
        self.tol = float(tol)
        self.on_score = on_score
        self.sign = -1.0 if on_score and higher_is_better else 1.0
        self.best, self.best_epoch, self.since = inf, 0, 0
        self.seen = 0

    def __call__(self, state: State) -> bool:
        if state.epoch_finished and state.epoch > self.seen:
            self.seen = state.epoch
            self._count(state)
        return self.since >= self.epochs

    def _count(self, state: State) -> None:
        value = state.score if self.on_score else state.epoch_loss
        if value is None:
            raise ValueError(
                "[Patience] on_score=True, but nothing has been validated; set a validation "
                "with EveryEpoch(), or pass on_score=False"
            )
        value = self.sign * value
        self.since = 0 if value < self.best - self.tol else self.since + 1
        if value < self.best:
            self.best, self.best_epoch = value, state.epoch

    def state_dict(self) -> dict[str, Any]:
        """The best value, its epoch, and the epochs since."""
        names = ("best", "best_epoch", "since", "seen")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.__dict__.update(state_dict)


class _Several(Trigger):
    def __init__(self, first: Trigger, *other: Trigger) -> None:
        for trigger in (first, *other):
            if not callable(trigger):
                raise TypeError(
                    f"[{type(self).__name__}] a {type(trigger).__name__} is no trigger; pass "
                    "triggers such as MaxEpoch(5)"
                )
        self.triggers = (first, *other)

    def state_dict(self) -> dict[str, Any]:
        """Those of its triggers."""
        return {"triggers": [memory(trigger) for trigger in self.triggers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """To each of its triggers its own."""
        for trigger, state in zip(self.triggers, state_dict["triggers"], strict=True):
            remember(trigger, state)


class TriggerAnd(_Several):
    """When all of its triggers say so; every one of them is asked."""

    def __call__(self, state: State) -> bool:
        answers = [trigger(state) for trigger in self.triggers]
        return all(answers)


class TriggerOr(_Several):
    """When one of its triggers says so; every one of them is asked."""

    def __call__(self, state: State) -> bool:
        answers = [trigger(state) for trigger in self.triggers]
        return any(answers)


def memory(trigger: Any) -> dict[str, Any]:
    """The state_dict of a trigger; a plain function has none."""
    return trigger.state_dict() if hasattr(trigger, "state_dict") else {}


def remember(trigger: Any, state_dict: dict[str, Any]) -> None:
    """Give a trigger back its state_dict."""
    if hasattr(trigger, "load_state_dict"):
        trigger.load_state_dict(state_dict)


def _count(op: str, name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise ValueError(f"[{op}] {name}={value!r}; an int of {least} or more is needed")
    return int(value)
