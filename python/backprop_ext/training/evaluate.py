"""Outputs and scores of a module that is not trained meanwhile."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import _core
from ..autograd.grad_mode import no_grad
from .batches import parts
from .triggers import EveryEpoch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .._core import Tensor
    from ..nn.modules.module import Module
    from .metrics import Metric
    from .state import State

__all__ = ["Validation", "evaluate", "mode", "predict"]


@contextmanager
def mode(module: Module, training: bool) -> Iterator[None]:
    """Inside, the module and all below are in training, or not; afterwards each is as before."""
    before = [(m, m.training) for m in module.modules()]
    module.train(training)
    try:
        yield
    finally:
        for m, flag in before:
            if m.training != flag:
                m.training = flag


def predict(module: Module, batches: Iterable[Sequence[Any]]) -> Iterator[Tensor]:
    """module(*inputs) of each batch of inputs, in evaluation mode and without a graph."""
    for inputs in batches:
        with mode(module, False), no_grad():
            output = module(*inputs)
        yield output


def evaluate(
    module: Module, data: Iterable[Any], metrics: Sequence[Metric], targets: int = 1
) -> dict[str, float]:
    """{metric's name: its value} over all batches (*inputs, target) of the data.

    Of several `targets` a metric is given the list.

    Raises ValueError for data without batches, and what the metrics raise.
    """
    for metric in metrics:
        metric.reset()
    seen = False
    with mode(module, False), no_grad():
        for batch in data:
            seen = True
            inputs, found = parts(batch, targets)
            output = module(*inputs)
            target = found[0] if targets == 1 else found
            for metric in metrics:
                metric.update(output, target)
    if not seen:
        raise ValueError("[evaluate] the data has no batches; pass data with samples")
    return {metric.name: metric.value() for metric in metrics}


class Validation:
    """The metrics over `data` whenever `trigger` says so; the first of them is the run's score."""

    def __init__(
        self,
        data: Iterable[Any],
        metrics: Sequence[Metric],
        trigger: Callable[[State], bool] | None = None,
        targets: int = 1,
    ) -> None:
        if not metrics:
            raise ValueError("[Validation] no metrics; pass at least one, such as Loss(criterion)")
        self.data, self.metrics, self.targets = data, list(metrics), targets
        self.trigger = EveryEpoch() if trigger is None else trigger

    def __call__(self, module: Module, state: State) -> None:
        """Enter the scores into the state; draws inside do not touch the training's."""
        state_of_draws = _core.default_generator.get_state()
        try:
            scores = evaluate(module, self.data, self.metrics, self.targets)
        finally:
            _core.default_generator.set_state(state_of_draws)
        state.validated(scores, self.metrics[0].higher_is_better)
