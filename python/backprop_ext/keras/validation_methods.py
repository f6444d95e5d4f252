"""BigDL's validation methods: metrics under its names, with labels from 1."""

from __future__ import annotations

from ..training import metrics

__all__ = ["MAE", "Loss", "Top1Accuracy", "Top5Accuracy"]


class Loss(metrics.Loss):
    """Loss under BigDL's name."""

    name = "Loss"


class MAE(metrics.MAE):
    """MAE under BigDL's name."""

    name = "MAE"


class Top1Accuracy(metrics.Accuracy):
    """Accuracy, of labels from 1 as ClassNLLCriterion has them, unless `zero_based_label`."""

    name = "Top1Accuracy"

    def __init__(self, zero_based_label: bool = False) -> None:
        super().__init__(zero_based_label)


class Top5Accuracy(metrics.Top5Accuracy):
    """Top5Accuracy, of labels from 1 as ClassNLLCriterion has them, unless `zero_based_label`."""

    name = "Top5Accuracy"

    def __init__(self, zero_based_label: bool = False) -> None:
        super().__init__(zero_based_label)
