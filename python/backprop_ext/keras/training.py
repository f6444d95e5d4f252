"""compile, fit, evaluate and predict: Keras' face of the training loop."""

from __future__ import annotations

from operator import is_
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..training import (
    Clips,
    Loop,
    Loss,
    Metric,
    Progress,
    Validation,
    evaluate,
    predict,
)
from ..training.arrays import loader
from ..training.losses import loss_of
from ..training.metrics import metric_of
from ._data import OverAll, inputs_of, prepared
from ._settings import Settings
from .autograd import as_criterion
from .optim_methods import maker_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .._core import Tensor
    from ..training import State
    from .optim_methods import Made

__all__ = ["History", "Trainable"]


class History:
    """What `fit` returns: `history` {"loss": [...], "val_loss": [...], ...} over the `epoch`s."""

    def __init__(self, state: State, since: int) -> None:
        rows = state.history[since:]
        self.epoch = [*range(since, since + len(rows))]
        names = dict.fromkeys(name for row in rows for name in row)
        self.history = {name: [row[name] for row in rows if name in row] for name in names}


class _Plan(NamedTuple):
    """What compile was given."""

    make: Callable[[Sequence[Tensor]], Made]
    loss: Callable[..., Tensor]
    metrics: list[Metric]


class Trainable(Settings):
    """What a model of keras is trained with. It has a `module`, `tensors(x)`, `regularization()`.

    Source of the names: Keras 1.2 and Analytics-Zoo's KerasNet.
    """

    _plan: _Plan | None = None
    _trained: Sequence[Any] = ()

    if TYPE_CHECKING:
        module: Any
        regularization: Callable[[], Tensor | None]

    def compile(self, optimizer: Any, loss: Any, metrics: Sequence[Any] | None = None) -> None:
        """Say how to train; a second time, training begins anew from the weights as they are.

        optimizer: a name ("sgd", "adam", "adagrad", "adadelta", "adamax", "rmsprop"), a method of
        keras.optimizer, or a class, a function of the parameters or an optimizer of
        backprop_ext.optim. loss: a name of Keras', a criterion, or a function of output and
        target, or of (y_true, y_pred) where they are named so. metrics: Metrics, or names
        ("accuracy", "top5accuracy", "binary_accuracy", "mae", "mse", "auc").
        Raises ValueError that names the nearest known name, TypeError for other objects.
        """
        given = [metrics] if isinstance(metrics, (str, Metric)) else metrics or []
        found = [metric_of(metric) for metric in given]
        names = ["loss", *(metric.name for metric in found)]
        if len(set(names)) < len(names):
            raise ValueError(f"[compile] metrics are named {names[1:]}; give each another name")
        plan = _Plan(maker_of("compile", optimizer), loss_of(as_criterion(loss)), found)
        self._plan, self._loop = plan, None

    @property
    def metrics_names(self) -> list[str]:
        """What the numbers of `evaluate` are."""
        return ["loss", *(metric.name for metric in self._compiled("metrics_names").metrics)]

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        nb_epoch: int = 10,
        validation_split: float = 0.0,
        validation_data: tuple[Any, Any] | None = None,
        shuffle: bool = True,
        verbose: bool | int = True,
        callbacks: Sequence[Callable[[State], object]] = (),
        resume: bool = False,
        distributed: bool = False,
    ) -> History:
        """Train for `nb_epoch` epochs; a second call goes on from there.

        x: an array of samples, or a list of them. y: numbers of classes from 0 for
        sparse_categorical_crossentropy, else of the output's shape. The last `validation_split`
        of the samples is held out, unless there is `validation_data`. `callbacks` are called with
        the State after each iteration. With `resume`, which needs set_checkpoint, the same call
        goes on where a stopped one had its newest checkpoint, to the same bits. `verbose` shows a
        progress bar (tqdm's, if installed) and a line for each epoch. `distributed` changes
        nothing: there is one machine.

        Raises RuntimeError before compile; ValueError for unequal lengths, no samples, values
        that are not finite, labels out of range and other shapes, and the model is as it was
        then; FloatingPointError when the loss or a gradient is not finite, and the model is as it
        was before that iteration.
        """
        plan = self._compiled("fit")
        if isinstance(nb_epoch, bool) or not isinstance(nb_epoch, int) or nb_epoch < 1:
            raise ValueError(f"[fit] nb_epoch={nb_epoch!r}; an int above 0 is needed")
        if resume and self._checkpoint is None:
            raise ValueError("[fit] resume=True without checkpoints; call set_checkpoint first")
        inputs, targets = prepared("fit", self, x, y, plan.loss, batch_size)
        held_out = None
        if validation_data is not None:
            held_out = self._held_out(plan, validation_data, batch_size)
        elif validation_split:
            cut = _cut(len(targets[0]), validation_split)
            held_out = [t[cut:] for t in (*inputs, *targets)]
            inputs, targets = [t[:cut] for t in inputs], [t[:cut] for t in targets]
        validation = None
        if held_out is not None:
            metrics = [Loss(plan.loss), *plan.metrics]
            data = loader(held_out, batch_size)
            validation = Validation(data, metrics, targets=len(targets))
        loop = self._training_loop(plan, len(targets))
        data = loader([*inputs, *targets], batch_size, shuffle)
        before = 0 if resume else loop.state.epoch
        progress = Progress(len(data), before + nb_epoch) if verbose else None
        try:
            loop.run(
                data,
                lambda state: state.epoch >= state.started + nb_epoch,
                validation=validation,
                checkpoint=self._checkpoint,
                train_summary=self._train_summary,
                validation_summary=self._validation_summary,
                callbacks=[*callbacks, *([progress] if progress else [])],
                resume=resume,
            )
        finally:
            if progress:
                progress.close()
        return History(loop.state, loop.state.started)

    def evaluate(  # type: ignore[no-untyped-def]
        self, x: Any = None, y: Any = None, batch_size: int = 32, distributed: bool = False
    ):
        """[loss, metrics in their order] over all samples, see `metrics_names`.

        Without arguments: evaluation mode, as in BigDL, and the model is returned. Raises as `fit`
        does.
        """
        if x is None and y is None:
            return super().evaluate()  # type: ignore[misc]
        plan = self._compiled("evaluate")
        metrics = [Loss(plan.loss), *plan.metrics]
        inputs, targets = prepared("evaluate", self, x, y, plan.loss, batch_size, plan.metrics)
        data = loader([*inputs, *targets], batch_size)
        return [*evaluate(self.module, data, metrics, len(targets)).values()]

    def predict(self, x: Any, batch_size: int = 32, distributed: bool = False) -> Any:
        """The outputs for all samples, in evaluation mode; a list of arrays where there are more.

        Raises ValueError for no samples and for another shape.
        """
        inputs = inputs_of("predict", self, x)
        if not len(inputs[0]):
            raise ValueError("[predict] x has no samples; pass at least one")
        outputs = list(predict(self.module, loader(inputs, batch_size)))
        if isinstance(outputs[0], (tuple, list)):
            return [_joined(parts) for parts in zip(*outputs, strict=True)]
        return _joined(outputs)

    def predict_classes(
        self, x: Any, batch_size: int = 32, zero_based_label: bool = True
    ) -> NDArray[np.int64]:
        """The number of the largest output of each sample, from 0 (or 1); of one output, o > 0.5.

        Raises ValueError for a model of several outputs, and as `predict` does.
        """
        outputs = self.predict(x, batch_size)
        if isinstance(outputs, list):
            raise ValueError(
                f"[predict_classes] the model has {len(outputs)} outputs; use predict and argmax"
            )
        one = outputs.ndim < 2 or outputs.shape[-1] == 1
        found = (outputs > 0.5).reshape(len(outputs), -1)[:, 0] if one else outputs.argmax(axis=-1)
        return np.asarray(found, np.int64) + (0 if zero_based_label else 1)

    # How it is done

    def _compiled(self, op: str) -> _Plan:
        if self._plan is None:
            raise RuntimeError(
                f"[{op}] the model does not know its loss; call compile(optimizer, loss) first"
            )
        return self._plan

    def _held_out(self, plan: _Plan, given: Any, batch_size: int) -> list[Tensor]:
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise ValueError("[fit] validation_data is not (x, y); pass a pair of arrays")
        x, y = given
        inputs, targets = prepared(
            "validation_data", self, x, y, plan.loss, batch_size, plan.metrics
        )
        return [*inputs, *targets]

    def _training_loop(self, plan: _Plan, targets: int) -> Loop:
        """The one of the last fit, unless the weights are others since."""
        parameters = list(self.module.parameters())
        trained = [self.module, *parameters]
        same = len(trained) == len(self._trained) and all(map(is_, trained, self._trained))
        if self._loop is not None and same:
            return self._loop
        self._trained = trained
        optimizer, schedule = plan.make(parameters)
        self._loop = Loop(
            self.module,
            plan.loss if targets == 1 else OverAll(plan.loss),
            optimizer,
            penalty=self.regularization,
            clip=Clips(*self._clips.values()) if self._clips else None,
            schedule=schedule,
            targets=targets,
        )
        return self._loop


def _cut(samples: int, share: float) -> int:
    cut = samples - int(samples * share)
    if not 0.0 < share < 1.0 or not 0 < cut < samples:
        raise ValueError(
            f"[fit] validation_split={share} of {samples} samples; a share in (0, 1) that leaves "
            "samples on both sides is needed"
        )
    return cut


def _joined(parts: Sequence[Tensor]) -> NDArray[Any]:
    return np.concatenate([part.detach().numpy() for part in parts])
