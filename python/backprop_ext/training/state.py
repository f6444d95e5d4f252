"""What a training run is at after an iteration: read by triggers, kept in checkpoints."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import nan
from typing import Any

__all__ = ["State"]


@dataclass
class State:
    """Counts and scores of a run.

    `epoch` epochs and `iteration` steps are finished; `epoch_finished` says that the last step
    ended an epoch, and `started` is the epoch at which the present run began. `loss` is that of
    the last step, `epoch_loss` the mean over the samples of the last epoch. `scores` are those of
    the last validation, `score` the first of them, `best` the best `score` so far, that of
    iteration `best_iteration`.
    """

    epoch: int = 0
    iteration: int = 0
    started: int = 0
    epoch_finished: bool = False
    loss: float = nan
    epoch_loss: float = nan
    score: float | None = None
    best: float | None = None
    best_iteration: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    # Of the epoch that is running: batches and samples so far, and the sum of their losses.
    position: int = 0
    samples: int = 0
    total: float = 0.0

    def step(self, loss: float, samples: int, last: bool) -> None:
        """One more iteration, over that many samples; `last` of its epoch."""
        self.iteration += 1
        self.position += 1
        self.loss = loss
        self.samples += samples
        self.total += loss * samples
        self.epoch_finished = last
        if last:
            self.epoch += 1
            self.epoch_loss = self.total / self.samples
            self.position, self.samples, self.total = 0, 0, 0.0

    def validated(self, scores: dict[str, float], higher_is_better: bool) -> None:
        """The scores of a validation, the first being the one that counts."""
        self.scores = dict(scores)
        self.score = next(iter(scores.values()))
        sign = 1.0 if higher_is_better else -1.0
        if self.best is None or sign * self.score > sign * self.best:
            self.best, self.best_iteration = self.score, self.iteration

    def state_dict(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a state_dict was taken."""
        for name in asdict(self):
            setattr(self, name, state_dict[name])
