"""Adam with Keras' settings, as zoo.pipeline.api.keras.optimizers has it."""

from __future__ import annotations

from .. import optim
from .optim_methods import OptimMethod
from .schedules import Default, LearningRateSchedule

__all__ = ["Adam"]


class Adam(OptimMethod):
    """optim.Adam; the learning rate follows `schedule`, by default lr / (1 + n decay)."""

    def __init__(
        self,
        lr: float = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        decay: float = 0.0,
        schedule: LearningRateSchedule | None = None,
    ) -> None:
        if schedule is None and decay:
            schedule = Default(decay)
        super().__init__(optim.Adam, schedule, lr=lr, betas=(beta_1, beta_2), eps=epsilon)
