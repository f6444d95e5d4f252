"""BigDL's Optimizer: a model, data, a criterion, a method and a trigger that ends it.

>>> optimizer = Optimizer(model, (x, y), MSECriterion(), SGD(learningrate=0.1), MaxEpoch(5), 32)
>>> optimizer.set_validation(32, (x_val, y_val), EveryEpoch(), [MAE()])
>>> model = optimizer.optimize()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..training import (
    AUC,
    MSE,
    Checkpoint,
    ClipByNorm,
    ClipByValue,
    Clips,
    EveryEpoch,
    Loop,
    MaxEpoch,
    MaxIteration,
    MaxScore,
    MinLoss,
    SeveralIteration,
    TrainSummary,
    TriggerAnd,
    TriggerOr,
    Validation,
    ValidationSummary,
)
from ..training import metrics as scores
from ..training.arrays import loader
from ..training.losses import loss_of
from ..training.metrics import metric_of
from ._data import OverAll, module_of, prepared
from .optim_methods import (
    DOUBLEMAX,
    LBFGS,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    OptimMethod,
    RMSprop,
    maker_of,
)
from .regularizers import L1L2Regularizer, L1Regularizer, L2Regularizer
from .schedules import (
    Default,
    EpochStep,
    Exponential,
    MultiStep,
    NaturalExp,
    Plateau,
    Poly,
    SequentialSchedule,
    Step,
    Warmup,
)
from .validation_methods import MAE, Loss, Top1Accuracy, Top5Accuracy

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from .._core import Tensor
    from ..training import State

__all__ = [
    "AUC",
    "DOUBLEMAX",
    "LBFGS",
    "MAE",
    "MSE",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "Adamax",
    "Default",
    "EpochStep",
    "EveryEpoch",
    "Exponential",
    "L1L2Regularizer",
    "L1Regularizer",
    "L2Regularizer",
    "Loss",
    "MaxEpoch",
    "MaxIteration",
    "MaxScore",
    "MinLoss",
    "MultiStep",
    "NaturalExp",
    "OptimMethod",
    "Optimizer",
    "Plateau",
    "Poly",
    "RMSprop",
    "SequentialSchedule",
    "SeveralIteration",
    "Step",
    "Top1Accuracy",
    "Top5Accuracy",
    "TrainSummary",
    "TriggerAnd",
    "TriggerOr",
    "ValidationSummary",
    "Warmup",
]


class Optimizer:
    """Trains `model` on `training_set` = (x, y) until `end_trigger` says so; see `optimize`.

    model: of keras, or an nn.Module. criterion: of keras, a name of Keras', or a function of
    output and target. optim_method: SGD() and the like, a name, or a class or an optimizer of
    backprop_ext.optim; SGD() by default. end_trigger: MaxEpoch(1) by default. The data is shuffled
    anew for each epoch. Raises ValueError and TypeError for arrays that do not fit, see
    Trainable.fit, and for what is no criterion, method or trigger.
    Source of the names: bigdl.optim.optimizer.
    """

    def __init__(
        self,
        model: Any,
        training_set: tuple[Any, Any],
        criterion: Any,
        optim_method: Any = None,
        end_trigger: Callable[[State], bool] | None = None,
        batch_size: int = 32,
        capture: bool | None = None,
    ) -> None:
        self.model, self.module = model, module_of(model)
        self.criterion = loss_of(criterion)
        self.batch_size = batch_size
        x, y = _pair("training_set", training_set)
        inputs, self._targets = prepared("Optimizer", model, x, y, self.criterion, batch_size)
        self._data = loader([*inputs, *self._targets], batch_size, shuffle=True)
        self._capture = capture
        self._loop: Loop | None = None
        self._clips: dict[str, Callable[[list[Tensor]], None]] = {}
        self._validation: Validation | None = None
        self._checkpoint: Checkpoint | None = None
        self._train_summary: TrainSummary | None = None
        self._validation_summary: ValidationSummary | None = None
        self.set_optim_method(SGD() if optim_method is None else optim_method)
        self.set_end_when(MaxEpoch(1) if end_trigger is None else end_trigger)

    @classmethod
    def create(
        cls,
        model: Any,
        training_set: tuple[Any, Any],
        criterion: Any,
        end_trigger: Callable[[State], bool] | None = None,
        batch_size: int = 32,
        optim_method: Any = None,
        cores: int | None = None,
    ) -> Optimizer:
        """The same in BigDL's other order; `cores` changes nothing."""
        return cls(model, training_set, criterion, optim_method, end_trigger, batch_size)

    def set_optim_method(self, optim_method: Any) -> None:
        """Another method; what the former remembered is forgotten."""
        self._make, self._loop = maker_of("Optimizer", optim_method), None

    def set_end_when(self, end_trigger: Callable[[State], bool]) -> None:
        """Another end. Raises TypeError for what cannot be called."""
        if not callable(end_trigger):
            raise TypeError(
                f"[Optimizer] end_trigger is a {type(end_trigger).__name__}; pass a trigger such "
                "as MaxEpoch(5)"
            )
        self._end = end_trigger

    def set_validation(
        self,
        batch_size: int,
        val_rdd: tuple[Any, Any] | None = None,
        trigger: Callable[[State], bool] | None = None,
        val_method: Sequence[Any] | None = None,
        *,
        X_val: Any = None,
        Y_val: Any = None,
    ) -> None:
        """Score (x, y) whenever `trigger` says so; the first score is the one of MaxScore.

        val_rdd: (x, y), which may be given as X_val and Y_val too. trigger: EveryEpoch() by
        default. val_method: metrics or their names; the loss by default. Raises as the
        constructor does.
        """
        x, y = (X_val, Y_val) if val_rdd is None else _pair("val_rdd", val_rdd)
        metrics = [metric_of(method) for method in val_method or [Loss()]]
        for metric in metrics:
            if isinstance(metric, scores.Loss) and metric.criterion is None:
                metric.criterion = self.criterion
        judged = [m for m in metrics if not isinstance(m, scores.Loss)]
        inputs, targets = prepared(
            "set_validation", self.model, x, y, self.criterion, batch_size, judged
        )
        data = loader([*inputs, *targets], batch_size)
        self._validation = Validation(data, metrics, trigger, len(targets))

    def set_checkpoint(
        self,
        checkpoint_trigger: Callable[[State], bool],
        checkpoint_path: str | os.PathLike[str],
        isOverWrite: bool = True,
    ) -> None:
        """Save all of the run into the folder `checkpoint_path` whenever the trigger says so."""
        self._checkpoint = Checkpoint(checkpoint_path, checkpoint_trigger, isOverWrite)

    def set_train_summary(self, summary: TrainSummary) -> None:
        """Note loss, learning rate and throughput of each iteration."""
        self._train_summary = summary

    def set_val_summary(self, summary: ValidationSummary) -> None:
        """Note the scores of each validation."""
        self._validation_summary = summary

    def set_gradclip_const(self, min_value: float, max_value: float) -> None:
        """Clip each element of the gradients. Raises ValueError unless min_value < max_value."""
        self._clip(value=ClipByValue(min_value, max_value))

    def set_gradclip_l2norm(self, clip_norm: float) -> None:
        """Scale the gradients down to the norm `clip_norm`. Raises ValueError for 0 or less."""
        self._clip(norm=ClipByNorm(clip_norm))

    def disable_gradclip(self) -> None:
        """Clip no longer."""
        self._clips = {}
        self._clip()

    def optimize(self, resume: bool = False) -> Any:
        """Train, and return the model, which is the one that was given.

        A second call goes on until the trigger in force says so. With `resume`, which needs
        set_checkpoint, the run goes on from its newest checkpoint, to the bits of one that was
        never stopped. Raises as Loop.run does.
        """
        if resume and self._checkpoint is None:
            raise ValueError(
                "[optimize] resume=True without checkpoints; call set_checkpoint first"
            )
        if self._loop is None:
            self._loop = self._new_loop()
        self._loop.run(
            self._data,
            self._end,
            validation=self._validation,
            checkpoint=self._checkpoint,
            train_summary=self._train_summary,
            validation_summary=self._validation_summary,
            resume=resume,
        )
        return self.model

    @property
    def state(self) -> State:
        """Where training is at: epoch, iteration, loss, scores, history."""
        if self._loop is None:
            self._loop = self._new_loop()
        return self._loop.state

    def _new_loop(self) -> Loop:
        optimizer, schedule = self._make(list(self.module.parameters()))
        return Loop(
            self.module,
            self.criterion if len(self._targets) == 1 else OverAll(self.criterion),
            optimizer,
            penalty=getattr(self.model, "regularization", None),
            clip=Clips(*self._clips.values()) if self._clips else None,
            schedule=schedule,
            targets=len(self._targets),
            capture=self._capture,
        )

    def _clip(self, **clip: Callable[[list[Tensor]], None]) -> None:
        self._clips |= clip
        if self._loop is not None:
            self._loop.step.set_clip(Clips(*self._clips.values()) if self._clips else None)


def _pair(name: str, given: Any) -> tuple[Any, Any]:
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise ValueError(f"[Optimizer] {name} is not (x, y); pass a pair of arrays")
    return given[0], given[1]
