"""A rate that falls when a metric stalls."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from .base import LRScheduler, per_group

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import SupportsFloat

    from ..optimizer import Optimizer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """lr <- max(factor lr, min_lr) when a metric has not improved for more than `patience` epochs.

    An improvement is m < best (1 - threshold) ("rel"), m < best - threshold ("abs"), and the
    mirror image in mode "max". Raises ValueError for settings that make no sense.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        for name, value in (("mode", mode), ("threshold_mode", threshold_mode)):
            if not isinstance(value, str):
                raise TypeError(f"[ReduceLROnPlateau] {name}={value!r}; pass a str")
        if factor >= 1.0 or mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"[ReduceLROnPlateau] factor={factor}, mode={mode!r}, threshold_mode="
                f"{threshold_mode!r}; pass a factor below 1, 'min' or 'max', 'rel' or 'abs'"
            )
        self._attach(optimizer)
        # Named and ordered as in PyTorch's state_dict, whose files are loaded.
        self.factor = factor
        self.default_min_lr = min_lr if isinstance(min_lr, (int, float)) else None
        self.min_lrs: list[float] = per_group("ReduceLROnPlateau", "min_lr", min_lr, optimizer)
        self.patience, self.cooldown, self.eps = patience, cooldown, eps
        self.last_epoch = 0
        self._last_lr = self._rates()
        self.mode_worse = inf if mode == "min" else -inf
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.best = self.mode_worse
        self.cooldown_counter = self.num_bad_epochs = 0

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:
        """The next epoch, with the metric of the last one; `epoch` is for old scripts."""
        value = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(value, self.best):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._rates()

    def is_better(self, a: float, best: float) -> bool:
        """Whether a metric is an improvement on the best one."""
        sign = 1.0 if self.mode == "min" else -1.0
        margin = sign * self.threshold
        bound = best * (1.0 - margin) if self.threshold_mode == "rel" else best - margin
        return sign * a < sign * bound

    @property
    def in_cooldown(self) -> bool:
        """Whether it still waits after the last reduction."""
        return self.cooldown_counter > 0

    def _reduce(self) -> None:
        lower = [
            max(lr * self.factor, low) for lr, low in zip(self._rates(), self.min_lrs, strict=True)
        ]
        pairs = zip(self._rates(), lower, strict=True)
        self._set([low if lr - low > self.eps else lr for lr, low in pairs])
