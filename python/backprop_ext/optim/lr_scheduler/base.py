"""What all schedulers share: a rate for each group, computed from the one in force."""

from __future__ import annotations

import warnings
from functools import wraps
from typing import TYPE_CHECKING, Any

from ..._checks import WrongKindError
from ..._core import Tensor, _host_call, _NotANumberError, _recording
from ..optimizer import Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...types import StateDict

__all__ = ["LRScheduler"]

# Passed to the constructor again, not saved.
_GIVEN = ("optimizer", "lr_lambdas", "_schedulers", "_scale_fn")


def _replayed(step: Callable[..., None]) -> Callable[..., None]:
    """A step that a captured function's replays take as well, with numbers for arguments."""

    @wraps(step)
    def run(self: LRScheduler, *args: Any, **kwargs: Any) -> None:
        if not _recording():
            step(self, *args, **kwargs)
            return
        values = [float(a) if isinstance(a, Tensor) else a for a in args]
        named = {k: float(a) if isinstance(a, Tensor) else a for k, a in kwargs.items()}
        _host_call(type(self).__name__, lambda: step(self, *values, **named))

    return run


class LRScheduler:
    """lr of epoch t from lr of epoch t - 1: a subclass defines get_lr().

    Raises TypeError without an optimizer, KeyError when last_epoch >= 0 and a group has no
    "initial_lr".
    """

    optimizer: Optimizer
    last_epoch: int
    _last_lr: list[float]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _replayed(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                lr = group["lr"]
                group.setdefault("initial_lr", float(lr) if isinstance(lr, Tensor) else lr)
            elif "initial_lr" not in group:
                raise KeyError(
                    f"[{type(self).__name__}] last_epoch={last_epoch}, but group {index} has "
                    "no 'initial_lr' to resume from; load the optimizer's state_dict first"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._is_initial = True
        self.step()  # a subclass may have its own
        self._is_initial = False

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise WrongKindError(
                f"[{type(self).__name__}] a {type(optimizer).__name__} is no Optimizer; "
                "pass the optimizer first"
            )
        self.optimizer = optimizer

    @property
    def _is_first(self) -> bool:
        """Whether this is the first epoch, whose rate is the one in force."""
        return self._step_count == 1

    def get_lr(self) -> list[float]:
        """The rates of epoch `last_epoch`, one per group; _step_count is 1 in the first call."""
        raise NotImplementedError(f"[get_lr] {type(self).__name__} defines no get_lr(); define it")

    def get_last_lr(self) -> list[float]:
        """The rates in force, one per group."""
        return self._last_lr

    @_replayed
    def step(self, epoch: int | None = None) -> None:
        """The next epoch; or, as old scripts do, the one that is given, counted from the start."""
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(
                "[lr_scheduler] step() came before optimizer.step(): the first rate was not used; "
                "call optimizer.step() first",
                stacklevel=3,
            )
        if epoch is None:
            self._advance()
            return
        warnings.warn(
            f"[lr_scheduler] step({epoch}) is deprecated; call step() once in each epoch",
            stacklevel=3,
        )
        steps = self._step_count
        self._jump(epoch)
        self._step_count = steps + 1

    def _jump(self, epoch: int) -> None:
        if not hasattr(epoch, "__index__"):
            raise TypeError(f"[{type(self).__name__}] step({epoch!r}); pass a whole number")
        self._restart()
        for _ in range(epoch):
            self._advance()

    def _go_to(self, epoch: int) -> None:
        """An epoch whose rates need none of those before."""
        self.last_epoch = epoch - 1
        self._advance()

    def _advance(self) -> None:
        self.last_epoch += 1
        self._step_count += 1
        self._get_lr_called_within_step = True  # get_lr() of scripts' own schedulers asks
        try:
            self._set(self.get_lr())
        finally:
            self._get_lr_called_within_step = False
        self._last_lr = self._rates()

    def _set(self, rates: list[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            if isinstance(lr, Tensor) and lr.numel() != 1:
                raise _NotANumberError(
                    f"[{type(self).__name__}] a rate is a tensor of shape {tuple(lr.shape)}; make "
                    "it a number"
                )
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(float(lr))
            else:
                group["lr"] = lr

    def _undo(self) -> None:
        """Before epoch 0 again: a SequentialLR begins with its first scheduler."""
        self.last_epoch -= 1

    def _restart(self) -> None:
        """Epoch 0 again, from the rates at first: where a SequentialLR comes to this scheduler."""
        self._set(self.base_lrs)
        self.last_epoch, self._step_count = -1, 0
        self._advance()

    def _rates(self) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def _scaled(self, factor: float) -> list[float]:
        return [lr * factor for lr in self._rates()]

    def state_dict(self) -> StateDict:
        """All but the optimizer and functions."""
        return {name: value for name, value in self.__dict__.items() if name not in _GIVEN}

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Continue where a state_dict was taken."""
        self.__dict__.update((n, v) for n, v in entries(state_dict).items() if n not in _GIVEN)


def entries(state_dict: StateDict) -> StateDict:
    """state_dict; TypeError or ValueError for what is no dict, as dict() has them."""
    try:
        return dict(state_dict)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"[load_state_dict] a {type(state_dict).__name__} is no dict; pass what state_dict() "
            "returned"
        ) from None


def per_group(op: str, name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """A setting of each group. Raises ValueError for a list of another length."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"[{op}] {len(value)} {name} for {count} groups; pass one for each")
    return [*value]
