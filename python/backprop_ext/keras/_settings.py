"""What goes with the training of a model: checkpoints, summaries, clipping."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..training import (
    Checkpoint,
    ClipByNorm,
    ClipByValue,
    Clips,
    Loop,
    TrainSummary,
    ValidationSummary,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from .._core import Tensor
    from ..training import State
    from ..training.summary import Summary

__all__ = ["Settings"]


class Settings:
    """The settings that `fit` looks at, under Analytics-Zoo's names."""

    _loop: Loop | None = None
    _clips: dict[str, Callable[[list[Tensor]], None]] | None = None
    _checkpoint: Checkpoint | None = None
    _train_summary: TrainSummary | None = None
    _validation_summary: ValidationSummary | None = None

    def set_checkpoint(
        self,
        path: str | os.PathLike[str],
        over_write: bool = True,
        trigger: Callable[[State], bool] | None = None,
    ) -> None:
        """Save all of the run into the folder `path`, after each epoch or when `trigger` says."""
        self._checkpoint = Checkpoint(path, trigger, over_write)

    def set_train_summary(self, summary: TrainSummary) -> None:
        """Note loss, learning rate and throughput of each iteration."""
        self._train_summary = summary

    def set_val_summary(self, summary: ValidationSummary) -> None:
        """Note the scores of each validation."""
        self._validation_summary = summary

    def set_tensorboard(self, log_dir: str | os.PathLike[str], app_name: str) -> None:
        """Note both in `log_dir/app_name`, as lines of JSON: TensorBoard itself is not needed."""
        self.set_train_summary(TrainSummary(log_dir, app_name))
        self.set_val_summary(ValidationSummary(log_dir, app_name))

    def get_train_summary(self, tag: str) -> NDArray[np.float64]:
        """(n, 3): iteration, value, time of "Loss", "LearningRate" or "Throughput"."""
        return _scalars("get_train_summary", self._train_summary, tag)

    def get_validation_summary(self, tag: str) -> NDArray[np.float64]:
        """(n, 3): iteration, value, time of a metric's name or "loss"."""
        return _scalars("get_validation_summary", self._validation_summary, tag)

    def set_constant_gradient_clipping(self, min: float, max: float) -> None:
        """Clip each element of the gradients to [min, max]. Raises ValueError unless min < max."""
        self._clip(value=ClipByValue(min, max))

    def set_gradient_clipping_by_l2_norm(self, clip_norm: float) -> None:
        """Scale the gradients down to the norm `clip_norm`. Raises ValueError for 0 or less."""
        self._clip(norm=ClipByNorm(clip_norm))

    def clear_gradient_clipping(self) -> None:
        """Clip no longer."""
        self._clips = None
        if self._loop is not None:
            self._loop.step.set_clip(None)

    def _clip(self, **clip: Callable[[list[Tensor]], None]) -> None:
        self._clips = {**(self._clips or {}), **clip}
        if self._loop is not None:
            self._loop.step.set_clip(Clips(*self._clips.values()))


def _scalars(op: str, summary: Summary | None, tag: str) -> NDArray[np.float64]:
    if summary is None:
        raise RuntimeError(f"[{op}] no summary was set; call set_tensorboard first")
    return summary.read_scalar(tag)
