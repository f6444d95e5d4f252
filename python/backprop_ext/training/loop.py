"""The training loop: epochs of batches, and what happens between two of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..autograd.grad_mode import enable_grad
from ..optim import Optimizer
from .batches import Batches, parts
from .evaluate import mode
from .schedule import as_schedule
from .snapshot import restore, snapshot
from .state import State
from .step import DivergedError, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .._core import Tensor
    from ..nn.modules.module import Module
    from ..optim.lr_scheduler import LRScheduler
    from .checkpoint import Checkpoint
    from .evaluate import Validation
    from .schedule import Schedule
    from .summary import TrainSummary, ValidationSummary

__all__ = ["Loop"]


class Loop:
    """p <- update(p, d loss(module(*inputs), target) / d p) for batches (*inputs, target).

    `optimizer` holds the module's parameters; `penalty()` is added to the loss; `clip(parameters)`
    changes the gradients before the update; `schedule` is a scheduler that steps once per epoch,
    or a Schedule of one. With `targets` = 2, batches are (*inputs, target, weight), say, and the
    loss takes an output and these two. `capture`: see Step. `state` is where training is at; a
    second `run` goes on from there.

    Raises TypeError for an optimizer or a schedule that is none.
    """

    def __init__(
        self,
        module: Module,
        loss: Callable[..., Tensor],
        optimizer: Optimizer,
        *,
        penalty: Callable[[], Tensor | None] | None = None,
        clip: Callable[[list[Tensor]], None] | None = None,
        schedule: LRScheduler | Schedule | None = None,
        targets: int = 1,
        capture: bool | None = None,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"[Loop] optimizer is a {type(optimizer).__name__}; pass one of backprop_ext.optim "
                "over the module's parameters"
            )
        self.module, self.optimizer = module, optimizer
        self.schedule = as_schedule(schedule)
        self.targets = targets
        self.step = Step(module, loss, optimizer, penalty, clip, capture)
        self.state = State()

    def run(
        self,
        data: Iterable[Any],
        end: Callable[[State], bool],
        *,
        validation: Validation | None = None,
        checkpoint: Checkpoint | None = None,
        train_summary: TrainSummary | None = None,
        validation_summary: ValidationSummary | None = None,
        callbacks: Sequence[Callable[[State], object]] = (),
        resume: bool = False,
    ) -> State:
        """Train until `end` says so, which is asked before each iteration.

        After each iteration, in this order: the summary, the validation, the scheduler, the
        callbacks, the checkpoint. With `resume` the run goes on from the newest checkpoint, to the
        bits of a run that was never stopped; without one it starts. Modules are in training mode
        inside, and as before afterwards.

        Raises FloatingPointError where a loss or gradient is not finite: parameters, buffers and
        optimizer are then as they were before that iteration. RuntimeError for a damaged
        checkpoint, ValueError for one of another model, optimizer or data, for resume without
        checkpoints, and for no data. TypeError for an end or a callback that cannot be called.
        """
        if resume and checkpoint is None:
            raise ValueError(
                "[run] resume=True without checkpoints; pass checkpoint=Checkpoint(path)"
            )
        for what, function in (("end", end), *(("a callback", call) for call in callbacks)):
            if not callable(function):
                raise TypeError(
                    f"[run] {what} is a {type(function).__name__}; pass a function of the State, "
                    "such as MaxEpoch(5)"
                )
        batches = Batches(data)
        summaries = [s for s in (train_summary, validation_summary) if s is not None]
        content = checkpoint.newest() if resume and checkpoint else None
        if content is not None:
            restore(content, self, batches, end)
        else:
            self.state.started, self.state.epoch_finished = self.state.epoch, False
            # An epoch that was left in its middle is not gone on with.
            self.state.position, self.state.samples, self.state.total = 0, 0, 0.0
        if resume:
            for summary in summaries:
                summary.rewind(self.state.iteration)
        stream = iter(batches)
        with mode(self.module, True), enable_grad():
            self.step.prepare()
            try:
                while not end(self.state):
                    self._iterate(*next(stream), train_summary)
                    if validation is not None and validation.trigger(self.state):
                        self._validate(validation, validation_summary)
                    if self.schedule is not None:
                        self.schedule.step(self.state)
                    if self.state.epoch_finished:
                        self._note_epoch(validation)
                    for callback in callbacks:
                        callback(self.state)
                    if checkpoint is not None and checkpoint.trigger(self.state):
                        for summary in summaries:
                            summary.flush()
                        checkpoint.write(snapshot(self, batches, end))
            finally:
                stream.close()
                for summary in summaries:
                    summary.flush()
        return self.state

    def _iterate(self, batch: Any, last: bool, summary: TrainSummary | None) -> None:
        start = time.perf_counter()
        inputs, targets = parts(batch, self.targets)
        rate = float(self.optimizer.param_groups[0]["lr"])
        try:
            loss = self.step(inputs, *targets)
        except DivergedError as error:
            raise DivergedError(
                f"[fit] the {error} in epoch {self.state.epoch + 1}, iteration "
                f"{self.state.iteration + 1}, learning rate {rate:g}; lower the learning rate, "
                "clip the gradients, or look for a log, root or quotient of 0. The model is as it "
                "was before that iteration"
            ) from None
        samples = len(targets[0]) if targets[0].ndim else 1
        self.state.step(loss, samples, last)
        if summary is not None:
            throughput = samples / max(time.perf_counter() - start, 1e-9)
            summary.note(self.state, Loss=loss, LearningRate=rate, Throughput=throughput)
            summary.note_parameters(self.state, self.module)

    def _validate(self, validation: Validation, summary: ValidationSummary | None) -> None:
        validation(self.module, self.state)
        if summary is not None:
            for name, value in self.state.scores.items():
                summary.add_scalar(name, value, self.state.iteration)

    def _note_epoch(self, validation: Validation | None) -> None:
        scores = self.state.scores if validation is not None else {}
        row = {"loss": self.state.epoch_loss}
        self.state.history.append(row | {f"val_{name}": value for name, value in scores.items()})
