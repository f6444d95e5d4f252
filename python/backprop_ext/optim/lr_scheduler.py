"""Learning rates that change with the epoch: call step() after the epoch's optimizer.step().

The rates are computed from those in force, as in PyTorch: schedulers combine, and a change by hand
stays. Source: https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
"""

from __future__ import annotations

import warnings
from collections import Counter
from math import cos, inf, pi
from typing import TYPE_CHECKING

from .optimizer import Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import SupportsFloat

    from ..types import StateDict

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "ReduceLROnPlateau",
    "StepLR",
]

# Passed to the constructor again, not saved.
_GIVEN = ("optimizer", "lr_lambdas")


class LRScheduler:
    """lr of epoch t from lr of epoch t - 1: a subclass defines get_lr().

    Raises TypeError without an optimizer, KeyError when last_epoch >= 0 and a group has no
    "initial_lr".
    """

    optimizer: Optimizer
    last_epoch: int
    _last_lr: list[float]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"[{type(self).__name__}] last_epoch={last_epoch}, but group {index} has "
                    "no 'initial_lr' to resume from; load the optimizer's state_dict first"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._advance()

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"[{type(self).__name__}] a {type(optimizer).__name__} is no Optimizer; "
                "pass the optimizer first"
            )
        self.optimizer = optimizer

    def get_lr(self) -> list[float]:
        """The rates of epoch `last_epoch`, one per group; _step_count is 0 in the first call."""
        raise NotImplementedError(f"[get_lr] {type(self).__name__} defines no get_lr(); define it")

    def get_last_lr(self) -> list[float]:
        """The rates in force, one per group."""
        return self._last_lr

    def step(self) -> None:
        """The next epoch."""
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(
                "[lr_scheduler] step() came before optimizer.step(): the first rate was not used; "
                "call optimizer.step() first",
                stacklevel=2,
            )
        self._advance()

    def _advance(self) -> None:
        self.last_epoch += 1
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = lr
        self._step_count += 1
        self._last_lr = self._rates()

    def _rates(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _scaled(self, factor: float) -> list[float]:
        return [lr * factor for lr in self._rates()]

    def state_dict(self) -> StateDict:
        """All but the optimizer and functions."""
        return {name: value for name, value in self.__dict__.items() if name not in _GIVEN}

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Continue where a state_dict was taken."""
        self.__dict__.update((n, value) for n, value in state_dict.items() if n not in _GIVEN)


class LambdaLR(LRScheduler):
    """lr = initial_lr f(t), f a function of the epoch, or one per group (else ValueError)."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        count = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * count if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != count:
            raise ValueError(
                f"[LambdaLR] {len(self.lr_lambdas)} functions for {count} groups; pass one for each"
            )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * factor(self.last_epoch) for base, factor in pairs]


class StepLR(LRScheduler):
    """lr <- gamma lr every `step_size` epochs."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        keep = self.last_epoch == 0 or self.last_epoch % self.step_size
        return self._rates() if keep else self._scaled(self.gamma)


class MultiStepLR(LRScheduler):
    """lr <- gamma lr at each epoch of `milestones`, once for each time it is listed."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._scaled(self.gamma ** self.milestones[self.last_epoch])


class ExponentialLR(LRScheduler):
    """lr <- gamma lr every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._scaled(self.gamma) if self._step_count else self._rates()


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (initial_lr - eta_min) (1 + cos(pi t / T_max)) / 2.

    Source: Loshchilov & Hutter, SGDR, arXiv:1608.03983, without the restarts.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        now, low = self._rates(), self.eta_min
        if self._step_count == 0:
            return now
        # At the bottom the ratio below is 0 / 0: the first rate after it is computed from the base.
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            rise = (1 - cos(pi / self.T_max)) / 2
            return [lr + (base - low) * rise for lr, base in zip(now, self.base_lrs, strict=True)]
        here = 1 + cos(pi * self.last_epoch / self.T_max)
        before = 1 + cos(pi * (self.last_epoch - 1) / self.T_max)
        return [here / before * (lr - low) + low for lr in now]


class LinearLR(LRScheduler):
    """lr = initial_lr f, with f from start_factor to end_factor in `total_iters` equal steps.

    Raises ValueError for a start_factor outside (0, 1] or an end_factor outside [0, 1].
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0.0 < start_factor <= 1.0 or not 0.0 <= end_factor <= 1.0:
            raise ValueError(
                f"[LinearLR] start_factor={start_factor} and end_factor={end_factor}; "
                "pass a start in (0, 1] and an end in [0, 1]"
            )
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._scaled(self.start_factor)
        if self._step_count == 0 or self.last_epoch > self.total_iters:
            return self._rates()
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return self._scaled(1.0 + rise / before)


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
        if factor >= 1.0 or mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"[ReduceLROnPlateau] factor={factor}, mode={mode!r}, threshold_mode="
                f"{threshold_mode!r}; pass a factor below 1, 'min' or 'max', 'rel' or 'abs'"
            )
        self._attach(optimizer)
        count = len(optimizer.param_groups)
        self.min_lrs = [*min_lr] if isinstance(min_lr, (list, tuple)) else [min_lr] * count
        if len(self.min_lrs) != count:
            raise ValueError(
                f"[ReduceLROnPlateau] {len(self.min_lrs)} min_lr for {count} groups; "
                "pass one for each"
            )
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.eps = cooldown, eps
        self.best = inf if mode == "min" else -inf
        self.last_epoch = self.num_bad_epochs = self.cooldown_counter = 0
        self._last_lr = self._rates()

    def step(self, metrics: SupportsFloat) -> None:  # type: ignore[override]
        """The next epoch, with the metric of the last one."""
        value = float(metrics)
        self.last_epoch += 1
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._rates()

    def _is_better(self, value: float) -> bool:
        sign = 1.0 if self.mode == "min" else -1.0
        margin = sign * self.threshold
        bound = self.best * (1.0 - margin) if self.threshold_mode == "rel" else self.best - margin
        return sign * value < sign * bound

    def _reduce(self) -> None:
        for group, low in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            lr = max(group["lr"] * self.factor, low)
            if group["lr"] - lr > self.eps:
                group["lr"] = lr
