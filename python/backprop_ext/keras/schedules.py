"""BigDL's learning rate schedules. Names and settings are those of bigdl.optim.optimizer."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, Any

from .._choice import choose
from ..optim.lr_scheduler import LambdaLR, ReduceLROnPlateau
from ..training.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..optim import Optimizer

__all__ = [
    "Default",
    "EpochStep",
    "Exponential",
    "LearningRateSchedule",
    "MultiStep",
    "NaturalExp",
    "Plateau",
    "Poly",
    "SequentialSchedule",
    "Step",
    "Warmup",
]


class LearningRateSchedule:
    """lr = learningrate * factor(n), n the number of steps (or epochs) made before."""

    every = "iteration"

    def factor(self, n: int) -> float:
        """What the learning rate is multiplied by."""
        raise NotImplementedError(
            f"[{type(self).__name__}] has no factor(n); define it in the subclass"
        )

    def rate(self, n: int, learningrate: float) -> float:
        """The learning rate itself."""
        return learningrate * self.factor(n)

    def make(self, optimizer: Optimizer) -> Schedule:
        """The scheduler of an optimizer."""
        return Schedule(LambdaLR(optimizer, self.factor), self.every)


class Default(LearningRateSchedule):
    """learningrate / (1 + n learningrate_decay)."""

    def __init__(self, learningrate_decay: float = 0.0) -> None:
        self.learningrate_decay = learningrate_decay

    def factor(self, n: int) -> float:
        return 1.0 / (1.0 + n * self.learningrate_decay)


class Poly(LearningRateSchedule):
    """learningrate (1 - n / max_iteration)^power, 0 from max_iteration on."""

    def __init__(self, power: float, max_iteration: int) -> None:
        self.power, self.max_iteration = power, _positive("Poly", max_iteration=max_iteration)

    def factor(self, n: int) -> float:
        return float((1.0 - min(n, self.max_iteration) / self.max_iteration) ** self.power)


class Exponential(LearningRateSchedule):
    """learningrate decay_rate^(n / decay_step), the quotient rounded down if `stair_case`."""

    def __init__(self, decay_step: int, decay_rate: float, stair_case: bool = False) -> None:
        self.decay_step = _positive("Exponential", decay_step=decay_step)
        self.decay_rate, self.stair_case = decay_rate, stair_case

    def factor(self, n: int) -> float:
        power = n // self.decay_step if self.stair_case else n / self.decay_step
        return float(self.decay_rate**power)


class NaturalExp(LearningRateSchedule):
    """learningrate exp(-gamma floor(n / decay_step))."""

    def __init__(self, decay_step: int, gamma: float) -> None:
        self.decay_step, self.gamma = _positive("NaturalExp", decay_step=decay_step), gamma

    def factor(self, n: int) -> float:
        return exp(-self.gamma * (n // self.decay_step))


class Step(LearningRateSchedule):
    """learningrate gamma^floor(n / step_size)."""

    def __init__(self, step_size: int, gamma: float) -> None:
        self.step_size, self.gamma = _positive(type(self).__name__, step_size=step_size), gamma

    def factor(self, n: int) -> float:
        return float(self.gamma ** (n // self.step_size))


class EpochStep(Step):
    """learningrate gamma^floor(n / step_size), n the number of epochs."""

    every = "epoch"


class MultiStep(LearningRateSchedule):
    """learningrate gamma^(the number of step_sizes that are n or less)."""

    def __init__(self, step_sizes: Sequence[int], gamma: float) -> None:
        self.step_sizes, self.gamma = list(step_sizes), gamma

    def factor(self, n: int) -> float:
        return float(self.gamma ** sum(size <= n for size in self.step_sizes))


class _Additive(LearningRateSchedule):
    """A rate that is no multiple of the first."""

    def make(self, optimizer: Optimizer) -> Schedule:
        """The scheduler of an optimizer. Raises ValueError for a learning rate of 0."""
        first = float(optimizer.param_groups[0]["lr"])
        if first == 0.0:
            raise ValueError(f"[{type(self).__name__}] learningrate=0; start from another one")
        return Schedule(LambdaLR(optimizer, lambda n: self.rate(n, first) / first), self.every)


class Warmup(_Additive):
    """learningrate + n delta."""

    def __init__(self, delta: float) -> None:
        self.delta = delta

    def rate(self, n: int, learningrate: float) -> float:
        return learningrate + n * self.delta


class SequentialSchedule(_Additive):
    """One schedule after another, each from the rate at which the one before it ended.

    A schedule that is added with `max_iteration` rules for so many iterations, the last for ever;
    n counts from where it begins, but for Poly, which counts all. `iteration_per_epoch` turns n
    into epochs for those that count epochs. TypeError for Plateau, which is no function of n.
    """

    def __init__(self, iteration_per_epoch: int) -> None:
        self.iteration_per_epoch = _positive(
            "SequentialSchedule", iteration_per_epoch=iteration_per_epoch
        )
        self.parts: list[tuple[LearningRateSchedule, int]] = []

    def add(self, scheduler: LearningRateSchedule, max_iteration: int) -> SequentialSchedule:
        """Append a schedule; self, so that calls can be chained."""
        if not isinstance(scheduler, LearningRateSchedule) or isinstance(scheduler, Plateau):
            raise TypeError(
                f"[SequentialSchedule] a {type(scheduler).__name__} is no function of the "
                "iteration; add one such as Warmup(0.1) or Poly(0.5, 100)"
            )
        self.parts.append((scheduler, _positive("add", max_iteration=max_iteration)))
        return self

    def rate(self, n: int, learningrate: float) -> float:
        start = 0
        for schedule, length in self.parts[:-1]:
            if n <= start + length:
                return self._of(schedule, n, start, learningrate)
            learningrate = self._of(schedule, start + length, start, learningrate)
            start += length
        if not self.parts:
            raise ValueError("[SequentialSchedule] it is empty; add a schedule first")
        return self._of(self.parts[-1][0], n, start, learningrate)

    def _of(self, schedule: LearningRateSchedule, n: int, start: int, learningrate: float) -> float:
        count = n if isinstance(schedule, Poly) else n - start
        if schedule.every == "epoch":
            count //= self.iteration_per_epoch
        return schedule.rate(count, learningrate)


class Plateau(LearningRateSchedule):
    """learningrate *= factor after `patience` epochs in which `monitor` was no better.

    monitor: "Loss", the epoch's, or "score", the validation's. Better is by more than epsilon.
    """

    def __init__(
        self,
        monitor: str,
        factor: float = 0.1,
        patience: int = 10,
        mode: str = "min",
        epsilon: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        self.monitor = choose("Plateau", "monitor", monitor, {"loss": "loss", "score": "score"})
        self.settings: dict[str, Any] = {
            "mode": mode,
            "factor": factor,
            "patience": patience,
            "threshold": epsilon,
            "threshold_mode": "abs",
            "cooldown": cooldown,
            "min_lr": min_lr,
        }

    def make(self, optimizer: Optimizer) -> Schedule:
        """The scheduler of an optimizer."""
        return Schedule(ReduceLROnPlateau(optimizer, **self.settings), "epoch", self.monitor)


def _positive(op: str, **settings: int) -> int:
    ((name, value),) = settings.items()
    if value < 1:
        raise ValueError(f"[{op}] {name}={value}; 1 or more is needed")
    return value
