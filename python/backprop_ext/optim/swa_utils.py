"""Averages of a model's parameters over the training, and the rate that goes with them.

Source: Izmailov et al., Averaging weights leads to wider optima, arXiv:1803.05407;
https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema
"""

from __future__ import annotations

from copy import deepcopy
from itertools import chain
from math import cos, pi
from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor, _host_call
from ..autograd.grad_mode import no_grad
from ..nn.modules.module import Module
from .lr_scheduler.base import LRScheduler, per_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .optimizer import Optimizer

    Average = Callable[[Tensor, Tensor, Tensor | int], Tensor]
    AverageAll = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """average <- decay average + (1 - decay) p. Raises ValueError for a decay outside [0, 1]."""
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"[get_ema_avg_fn] decay={decay}; pass 0 to 1")

    @no_grad()
    def average(old: Tensor, p: Tensor, count: Tensor | int) -> Tensor:
        return decay * old + (1 - decay) * p

    return average


def get_swa_avg_fn() -> Average:
    """average <- average + (p - average) / (count + 1)."""

    @no_grad()
    def average(old: Tensor, p: Tensor, count: Tensor | int) -> Tensor:
        return old + (p - old) / (int(count) + 1)

    return average


def _each(average: Average) -> AverageAll:
    @no_grad()
    def average_all(old: Sequence[Tensor], ps: Sequence[Tensor], count: Tensor | int) -> None:
        for mean, p in zip(old, ps, strict=True):
            mean.copy_(average(mean, p, count))

    return average_all


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageAll:
    """get_ema_avg_fn for lists of tensors, in place."""
    return _each(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> AverageAll:
    """get_swa_avg_fn for lists of tensors, in place."""
    return _each(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model, `module`, whose parameters are the average over update_parameters calls.

    The plain average, or what avg_fn(average, p, count) or multi_avg_fn(averages, ps, count) says;
    use_buffers: buffers are averaged too, else copied. Raises ValueError for both functions.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: AverageAll | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("[AveragedModel] avg_fn and multi_avg_fn were given; pass one of them")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", _core.tensor(0, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model computes."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Enter the model's parameters into the average; the first time they are copied."""
        _host_call("AveragedModel", lambda: self._update(model))

    @no_grad()
    def _update(self, model: Module) -> None:
        ours, theirs = self._averaged(self.module), self._averaged(model)
        count = self.n_averaged
        if count.item() == 0:
            for mean, p in zip(ours, theirs, strict=True):
                mean.copy_(p)
        elif self.multi_avg_fn is not None:
            self.multi_avg_fn(ours, theirs, count)
        else:
            _each(self.avg_fn or get_swa_avg_fn())(ours, theirs, count)
        if not self.use_buffers:
            for mine, buffer in zip(self.module.buffers(), model.buffers(), strict=True):
                mine.copy_(buffer)
        self.n_averaged.add_(1)

    def _averaged(self, model: Module) -> list[Tensor]:
        buffers = model.buffers() if self.use_buffers else ()
        return [t.detach() for t in chain(model.parameters(), buffers) if t.is_floating_point()]


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the running means and variances of the batch norms of a model anew, from batches.

    A batch that is a list or tuple stands for its first item.
    """
    norms: list[Any] = [m for m in model.modules() if hasattr(m, "reset_running_stats")]
    if not norms:
        return
    momenta = [m.momentum for m in norms]
    training = model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    for batch in loader:
        model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """From the rate in force to swa_lr in anneal_epochs epochs, along a cosine or a line.

    Raises ValueError for another strategy, or a negative number of epochs.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        whole = isinstance(anneal_epochs, int)
        if anneal_strategy not in ("cos", "linear") or not whole or anneal_epochs < 0:
            raise ValueError(
                f"[SWALR] anneal_strategy={anneal_strategy!r} and anneal_epochs={anneal_epochs}; "
                "pass 'cos' or 'linear', and a whole number, 0 or more"
            )
        rates = per_group("SWALR", "swa_lr", swa_lr, optimizer)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        step = self._step_count - 1 if self.anneal_epochs else max(1, self._step_count - 1)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group, lr in zip(self.optimizer.param_groups, self._rates(), strict=True):
            goal = group["swa_lr"]
            first = goal if before == 1 else (lr - before * goal) / (1 - before)
            rates.append(goal * now + first * (1 - now))
        return rates

    def _share(self, step: int) -> float:
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - cos(pi * t)) / 2
