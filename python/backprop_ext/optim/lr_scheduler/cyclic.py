"""Rates, and momenta, that go up and down."""

from __future__ import annotations

from math import cos, floor, log, pi
from typing import TYPE_CHECKING, Any

from .._compiled import the_number
from .base import LRScheduler, entries, per_group

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...types import StateDict
    from ..optimizer import Optimizer

__all__ = ["CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


class CosineAnnealingWarmRestarts(LRScheduler):
    """lr = eta_min + (initial_lr - eta_min) (1 + cos(pi T_cur / T_i)) / 2.

    T_cur epochs since the last restart; the first one comes after T_i = T_0 epochs, each next one
    T_mult times as many later. Raises ValueError for T_0 < 1 or T_mult < 1.
    Source: Loshchilov & Hutter, SGDR, arXiv:1608.03983.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            the_number("CosineAnnealingWarmRestarts", name, value)
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"[CosineAnnealingWarmRestarts] {name}={value}; pass an integer of 1 or more"
                )
        if not isinstance(eta_min, (float, int)):
            raise ValueError(f"[CosineAnnealingWarmRestarts] {eta_min=}; pass a float or an int")
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        share = (1 + cos(pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """The next epoch, or `epoch`, which may lie between two. ValueError: a negative one."""
        if epoch is None:
            super().step()
            return
        if epoch < 0:
            raise ValueError(f"[CosineAnnealingWarmRestarts] epoch={epoch}; pass 0 or more")
        self.T_cur, self.T_i = epoch, self.T_0
        if epoch >= self.T_0 and self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        elif epoch >= self.T_0:
            n = int(log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**n
        self.last_epoch = floor(epoch) - 1
        self._step()

    def _step(self) -> None:
        super()._advance()
        self._step_count = 0  # PyTorch does not count here

    def _advance(self) -> None:
        self.T_cur = self.T_cur + 1 if self.last_epoch >= 0 else 0
        if self.T_cur >= self.T_i:
            self.T_cur -= self.T_i
            self.T_i *= self.T_mult
        self._step()

    def _restart(self) -> None:
        self.step(0)


class _WithMomentum(LRScheduler):
    """Rates whose momentum (beta1, of an optimizer with betas) goes the other way."""

    cycle_momentum: bool
    use_beta1: bool

    def _prepare_momentum(self, base: Any, most: Any, last_epoch: int) -> tuple[list[float], ...]:
        """Checks the optimizer, and starts its momentum with the greatest."""
        op, defaults = type(self).__name__, self.optimizer.defaults
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(
                f"[{op}] {type(self.optimizer).__name__} has no momentum and no betas; pass "
                "cycle_momentum=False"
            )
        self.use_beta1 = "betas" in defaults
        bases = per_group(op, "base_momentum", base, self.optimizer)
        mosts = per_group(op, "max_momentum", most, self.optimizer)
        if last_epoch == -1:
            for group, low, high in zip(self.optimizer.param_groups, bases, mosts, strict=True):
                self._set_momentum(group, high)
                group["max_momentum"], group["base_momentum"] = high, low
        return bases, mosts

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value

    _jump = LRScheduler._go_to

    def _restart(self) -> None:
        self._go_to(0)


class OneCycleLR(_WithMomentum):
    """Up from max_lr / div_factor to max_lr, then down to 1 / final_div_factor of the first rate.

    The rise takes `pct_start` of the total_steps (or epochs * steps_per_epoch); three_phase: down
    to the first rate in as many, then to the last. The momentum goes from max_momentum to
    base_momentum and back. Step after every batch. Raises ValueError for settings out of range, and
    for a step after the last. Source: Smith & Topin, Super-convergence, arXiv:1708.07120.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(
                    f"[OneCycleLR] total_steps=None, epochs={epochs}, steps_per_epoch="
                    f"{steps_per_epoch}; pass total_steps, or both others"
                )
            total_steps = epochs * steps_per_epoch
        if total_steps <= 0 or not isinstance(total_steps, int):
            raise ValueError(f"[OneCycleLR] {total_steps} steps; pass an integer of 1 or more")
        top, last = float(pct_start * total_steps) - 1, total_steps - 1
        if not isinstance(pct_start, float) or not 0.0 <= pct_start <= 1.0:
            raise ValueError(f"[OneCycleLR] pct_start={pct_start}; pass a float of 0 to 1")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"[OneCycleLR] anneal_strategy={anneal_strategy!r}; pass 'cos' or 'linear'"
            )
        # Named and ordered as in PyTorch's state_dict, whose files are loaded.
        self.total_steps = total_steps
        down = float(2 * pct_start * total_steps) - 2
        ends = [(top, "max_lr"), (down, "initial_lr")] if three_phase else [(top, "max_lr")]
        self._schedule_phases: list[dict[str, Any]] = []
        lr, momentum = "initial_lr", "max_momentum"
        for end, next_lr in (*ends, (last, "min_lr")):
            next_momentum = "base_momentum" if next_lr == "max_lr" else "max_momentum"
            self._schedule_phases.append(
                {
                    "end_step": end,
                    "start_lr": lr,
                    "end_lr": next_lr,
                    "start_momentum": momentum,
                    "end_momentum": next_momentum,
                }
            )
            lr, momentum = next_lr, next_momentum
        self._anneal_func_type = anneal_strategy
        self.cycle_momentum = cycle_momentum
        if last_epoch == -1:
            most = per_group("OneCycleLR", "max_lr", max_lr, optimizer)
            for group, high in zip(optimizer.param_groups, most, strict=True):
                group["initial_lr"] = high / div_factor
                group["max_lr"] = high
                group["min_lr"] = group["initial_lr"] / final_div_factor
        if cycle_momentum:
            self._prepare_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"[OneCycleLR] step {step} of {self.total_steps}; make it with more total_steps"
            )
        rates = []
        for group in self.optimizer.param_groups:
            begin = 0.0
            for phase in self._schedule_phases:
                end = phase["end_step"]
                if step <= end or phase is self._schedule_phases[-1]:
                    break
                begin = end
            share = (step - begin) / (end - begin)
            rates.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], share))
            if self.cycle_momentum:
                momenta = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, self._between(*momenta, share))
        return rates

    def _between(self, start: float, end: float, share: float) -> float:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (1 + cos(pi * share))
        return (end - start) * share + start


class CyclicLR(_WithMomentum):
    """Up from base_lr to max_lr in step_size_up steps, and down in step_size_down, again and again.

    The height of a cycle is scaled: mode "triangular" by 1, "triangular2" by 1/2 more each cycle,
    "exp_range" by gamma^t; or by scale_fn of the cycle (from 1) or of t, as scale_mode "cycle" or
    "iterations" says. The momentum goes from max_momentum to base_momentum and back. Step after
    every batch. Raises ValueError for another mode.
    Source: Smith, Cyclical learning rates, arXiv:1506.01186.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(
                f"[CyclicLR] mode={mode!r}; pass 'triangular', 'triangular2' or 'exp_range', or a "
                "scale_fn"
            )
        bases = per_group("CyclicLR", "base_lr", base_lr, optimizer)
        self.max_lrs: list[float] = per_group("CyclicLR", "max_lr", max_lr, optimizer)
        if last_epoch == -1:
            self._set(bases)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        self.mode, self.gamma, self._scale_fn = mode, gamma, scale_fn
        self.scale_mode = "iterations" if scale_fn is None and mode == "exp_range" else scale_mode
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = self._prepare_momentum(
                base_momentum, max_momentum, last_epoch
            )
        super().__init__(optimizer, last_epoch)
        self.base_lrs = bases

    def state_dict(self) -> StateDict:
        """All but the optimizer and functions; of a scale_fn that is an object its attributes."""
        of_object = dict(getattr(self._scale_fn, "__dict__", {}))
        return super().state_dict() | {"_scale_fn_custom": of_object or None}

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Continue where a state_dict was taken."""
        state = entries(state_dict)
        if of_object := state.pop("_scale_fn_custom", None):
            vars(self._scale_fn).update(of_object)
        super().load_state_dict(state)

    def scale_fn(self, x: float) -> float:
        """The height of a cycle, as a factor."""
        if self._scale_fn is not None:
            return self._scale_fn(x)
        if self.mode == "exp_range":
            return float(self.gamma**x)
        return 1.0 if self.mode == "triangular" else float(2.0 ** (1 - x))

    def get_lr(self) -> list[float]:
        cycle = floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        rises = x <= self.step_ratio
        height = x / self.step_ratio if rises else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            triples = zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            )
            for group, low, high in triples:
                self._set_momentum(group, high - (high - low) * height)
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [base + (most - base) * height for base, most in pairs]
