"""BigDL's optimization methods, as recipes for backprop_ext.optim.

An OptimMethod is made before the parameters are known; `make(parameters)` gives the optimizer.
Names and defaults are those of bigdl.optim.optimizer (`leaningrate_schedule` is spelt so there);
the update rules are those of backprop_ext.optim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .. import optim
from .._choice import choose
from .schedules import Default, LearningRateSchedule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._core import Tensor
    from ..optim import Optimizer
    from ..training.schedule import Schedule

    Made = tuple[Optimizer, Schedule | None]

__all__ = [
    "DOUBLEMAX",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "Adamax",
    "OptimMethod",
    "RMSprop",
    "maker_of",
]

DOUBLEMAX: Final = 1.7976931348623157e308


class OptimMethod:
    """An optimizer of backprop_ext.optim with its settings, not yet with its parameters."""

    def __init__(
        self,
        rule: Callable[..., Optimizer],
        schedule: LearningRateSchedule | None = None,
        **settings: Any,
    ) -> None:
        if schedule is not None and not isinstance(schedule, LearningRateSchedule):
            raise TypeError(
                f"[{type(self).__name__}] the schedule is a {type(schedule).__name__}; pass one "
                "such as Poly(0.5, 100)"
            )
        self.rule, self.schedule, self.settings = rule, schedule, settings

    def make(self, parameters: Sequence[Tensor]) -> Made:
        """The optimizer of some parameters, and the schedule of its learning rate."""
        optimizer = self.rule(parameters, **self.settings)
        return optimizer, None if self.schedule is None else self.schedule.make(optimizer)


class SGD(OptimMethod):
    """optim.SGD. As in BigDL, `dampening` is the momentum unless it is given, 0 with nesterov.

    `learningrate_decay` is that of the schedule Default, which is used when none is given.
    Raises NotImplementedError for learningrates and weightdecays of single weights.
    """

    def __init__(
        self,
        learningrate: float = 1e-3,
        learningrate_decay: float = 0.0,
        weightdecay: float = 0.0,
        momentum: float = 0.0,
        dampening: float = DOUBLEMAX,
        nesterov: bool = False,
        leaningrate_schedule: LearningRateSchedule | None = None,
        learningrates: Any = None,
        weightdecays: Any = None,
    ) -> None:
        if learningrates is not None or weightdecays is not None:
            raise NotImplementedError(
                "[SGD] learningrates and weightdecays of single weights are not supported; pass "
                "an optimizer of backprop_ext.optim with parameter groups"
            )
        if dampening == DOUBLEMAX:
            dampening = 0.0 if nesterov else momentum
        super().__init__(
            optim.SGD,
            leaningrate_schedule or _decaying(learningrate_decay),
            lr=learningrate,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weightdecay,
            nesterov=nesterov,
        )


class Adam(OptimMethod):
    """optim.Adam."""

    def __init__(
        self,
        learningrate: float = 1e-3,
        learningrate_decay: float = 0.0,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        schedule = _decaying(learningrate_decay)
        super().__init__(optim.Adam, schedule, lr=learningrate, betas=(beta1, beta2), eps=epsilon)


class Adagrad(OptimMethod):
    """optim.Adagrad."""

    def __init__(
        self,
        learningrate: float = 1e-3,
        learningrate_decay: float = 0.0,
        weightdecay: float = 0.0,
    ) -> None:
        super().__init__(
            optim.Adagrad, lr=learningrate, lr_decay=learningrate_decay, weight_decay=weightdecay
        )


class Adadelta(OptimMethod):
    """optim.Adadelta with lr = 1."""

    def __init__(self, decayrate: float = 0.9, epsilon: float = 1e-10) -> None:
        super().__init__(optim.Adadelta, rho=decayrate, eps=epsilon)


class Adamax(OptimMethod):
    """optim.Adamax."""

    def __init__(
        self,
        learningrate: float = 0.002,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-38,
    ) -> None:
        super().__init__(optim.Adamax, lr=learningrate, betas=(beta1, beta2), eps=epsilon)


class RMSprop(OptimMethod):
    """optim.RMSprop."""

    def __init__(
        self,
        learningrate: float = 1e-2,
        learningrate_decay: float = 0.0,
        decayrate: float = 0.99,
        epsilon: float = 1e-8,
    ) -> None:
        schedule = _decaying(learningrate_decay)
        super().__init__(optim.RMSprop, schedule, lr=learningrate, alpha=decayrate, eps=epsilon)


class LBFGS(OptimMethod):
    """optim.LBFGS: several evaluations a step, for full batches."""

    def __init__(
        self,
        max_iter: int = 20,
        max_eval: float = DOUBLEMAX,
        tolfun: float = 1e-5,
        tolx: float = 1e-9,
        ncorrection: int = 100,
        learningrate: float = 1.0,
    ) -> None:
        super().__init__(
            optim.LBFGS,
            lr=learningrate,
            max_iter=max_iter,
            max_eval=None if max_eval == DOUBLEMAX else int(max_eval),
            tolerance_grad=tolfun,
            tolerance_change=tolx,
            history_size=ncorrection,
        )


_NAMED: dict[str, Callable[[], OptimMethod]] = {
    "sgd": lambda: SGD(learningrate=0.01),
    "adam": Adam,
    "adagrad": lambda: Adagrad(learningrate=0.01),
    "adadelta": lambda: Adadelta(decayrate=0.95, epsilon=1e-8),
    "adamax": lambda: Adamax(epsilon=1e-8),
    "rmsprop": lambda: RMSprop(learningrate=0.001, decayrate=0.9),
}


def maker_of(op: str, given: Any) -> Callable[[Sequence[Tensor]], Made]:
    """A function: parameters -> (optimizer, schedule).

    Of a name, an OptimMethod, a class of backprop_ext.optim, a function that makes an optimizer of
    parameters, or an optimizer that has them already. Raises ValueError for another name,
    TypeError for another object.
    """
    if isinstance(given, str):
        return choose(op, "optimizer", given, _NAMED)().make
    if isinstance(given, OptimMethod):
        return given.make
    if isinstance(given, optim.Optimizer):
        return lambda parameters: (_of_these(op, given, parameters), None)
    if not callable(given):
        raise TypeError(
            f"[{op}] the optimizer is a {type(given).__name__}; pass a name, SGD(...) of "
            "backprop_ext.keras.optimizer, or a class or an optimizer of backprop_ext.optim"
        )

    def make(parameters: Sequence[Tensor]) -> Made:
        optimizer = given(parameters)
        if not isinstance(optimizer, optim.Optimizer):
            raise TypeError(
                f"[{op}] {given!r} made a {type(optimizer).__name__} of the parameters; return an "
                "optimizer of backprop_ext.optim"
            )
        return optimizer, None

    return make


def _of_these(op: str, optimizer: Optimizer, parameters: Sequence[Tensor]) -> Optimizer:
    own = {id(p) for p in parameters}
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    if not own.issuperset(held):
        raise ValueError(
            f"[{op}] {len([i for i in held if i not in own])} of the optimizer's {len(held)} "
            "parameters are not the model's; make it of model.module.parameters()"
        )
    return optimizer


def _decaying(decay: float) -> LearningRateSchedule | None:
    return Default(decay) if decay else None
