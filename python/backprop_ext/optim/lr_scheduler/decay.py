"""Rates that fall, or rise once, with the epoch."""

from __future__ import annotations

from collections import Counter
from math import cos, pi
from typing import TYPE_CHECKING, Any

from .base import LRScheduler, entries, per_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ...types import StateDict
    from ..optimizer import Optimizer

    Factor = Callable[[int], float]

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "StepLR",
]


class _WithFunctions(LRScheduler):
    """A function of the epoch for each group; of objects that can be called, the state is saved."""

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        self._attach(optimizer)
        op = type(self).__name__
        self.lr_lambdas: list[Factor] = per_group(op, "functions", lr_lambda, optimizer)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"[{op}] lr_lambda={function!r}; pass a function of the epoch")
        super().__init__(optimizer, last_epoch)

    _jump = LRScheduler._go_to

    def state_dict(self) -> StateDict:
        """All but the optimizer; of the functions, the attributes."""
        return {**super().state_dict(), "lr_lambdas": [_attributes(f) for f in self.lr_lambdas]}

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Continue where a state_dict was taken."""
        functions = entries(state_dict)["lr_lambdas"]
        super().load_state_dict(state_dict)
        for function, saved in zip(self.lr_lambdas, functions, strict=False):
            if saved is not None:
                function.__dict__.update(saved)


def _attributes(function: Any) -> dict[str, Any] | None:
    return None if hasattr(function, "__code__") else dict(getattr(function, "__dict__", {}))


class LambdaLR(_WithFunctions):
    """lr = initial_lr f(t), f a function of the epoch, or one per group (else ValueError)."""

    def get_lr(self) -> list[float]:
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * factor(self.last_epoch) for base, factor in pairs]


class MultiplicativeLR(_WithFunctions):
    """lr <- lr f(t) from epoch 1 on, f a function of the epoch, or one per group."""

    def get_lr(self) -> list[float]:
        if self._is_first:
            return self._rates()
        pairs = zip(self._rates(), self.lr_lambdas, strict=True)
        return [lr * factor(self.last_epoch) for lr, factor in pairs]

    def _restart(self) -> None:
        self._go_to(0)


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
        return self._rates() if self._is_first else self._scaled(self.gamma)


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
        if self._is_first:
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
        if self._is_first or self.last_epoch > self.total_iters:
            return self._rates()
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return self._scaled(1.0 + rise / before)


class ConstantLR(LRScheduler):
    """lr = factor initial_lr for `total_iters` epochs, initial_lr after. ValueError: factor not in
    [0, 1]."""

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0.0 <= factor <= 1.0:
            raise ValueError(f"[ConstantLR] factor={factor}; pass 0 to 1")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._scaled(self.factor)
        return self._scaled(1.0 / self.factor if self.last_epoch == self.total_iters else 1.0)


class PolynomialLR(LRScheduler):
    """lr = initial_lr (1 - t / total_iters)^power until epoch total_iters, 0 after."""

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._is_first or self.last_epoch > self.total_iters:
            return self._rates()
        left = 1.0 - self.last_epoch / self.total_iters
        before = 1.0 - (self.last_epoch - 1) / self.total_iters
        return self._scaled((left / before) ** self.power)
