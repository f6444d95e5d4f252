"""Losses over classes. Labels start from 1, as in BigDL, or from 0 with zero_based_label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ..._interop import from_array
from ...nn import functional as F
from .base import Criterion, averaged, labels, like, per_class

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = [
    "BCECriterion",
    "CategoricalCrossEntropy",
    "ClassNLLCriterion",
    "CrossEntropyCriterion",
    "MultiLabelSoftMarginCriterion",
]


class ClassNLLCriterion(Criterion):
    """sum_n w_t(n) (-x[n, t(n)]) / sum_n w_t(n); x (batch, classes) or (classes,), t labels.

    x are log-probabilities, or probabilities with logProbAsInput=False (they are clipped to 1e-8).
    The sum is not divided without size_average. Labels of padding_value do not count. Raises
    IndexError for a label out of range.
    """

    log_prob = True

    def __init__(
        self,
        weights: Any = None,
        size_average: bool = True,
        logProbAsInput: bool = True,
        zero_based_label: bool = False,
        padding_value: int | None = None,
    ) -> None:
        self.weights, self.size_average = weights, size_average
        self.log_prob, self.padding = logProbAsInput, padding_value
        self.first = 0 if zero_based_label else 1

    def log_probabilities(self, output: Tensor) -> Tensor:
        """The logarithms of the classes' probabilities."""
        return output if self.log_prob else output.clamp_min(1e-8).log()

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        op = type(self).__name__
        if output.ndim not in (1, 2):
            raise ValueError(
                f"[{op}] the output has shape {tuple(output.shape)}; it is (batch, classes), or "
                "(classes,) for one sample"
            )
        rows = output if output.ndim == 2 else output.unsqueeze(0)
        if target.numel() != rows.shape[0]:
            raise ValueError(
                f"[{op}] {rows.shape[0]} samples and targets of shape {tuple(target.shape)}; give "
                "one label for each, not one-hot rows"
            )
        classes = rows.shape[1]
        label, counts = labels(op, target.reshape(-1), classes, self.first, self.padding)
        label = _core.where(counts, label, -100)
        weights = per_class(op, self.weights, classes, output)
        logs = self.log_probabilities(rows)
        total = F.nll_loss(logs, label, weights, reduction="sum")
        if not self.size_average:
            return total
        # Log-probabilities of -1 cost as much as the labels weigh.
        weight = F.nll_loss(_core.full_like(logs.detach(), -1.0), label, weights, reduction="sum")
        return total / _core.where(weight == 0, _core.ones_like(weight), weight)


class CrossEntropyCriterion(ClassNLLCriterion):
    """ClassNLLCriterion of log softmax(x): x are any numbers, one for each class."""

    def __init__(
        self,
        weights: Any = None,
        size_average: bool = True,
        zero_based_label: bool = False,
        padding_value: int | None = None,
    ) -> None:
        super().__init__(weights, size_average, True, zero_based_label, padding_value)

    def log_probabilities(self, output: Tensor) -> Tensor:
        return F.log_softmax(output, 1)


class CategoricalCrossEntropy(Criterion):
    """-mean_n sum_c t[n, c] log(x[n, c] / sum_c x[n, c]); x probabilities, t one-hot rows.

    x is clipped to 1e-7 .
    """

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        target = like("CategoricalCrossEntropy", output, target)
        share = output / output.sum(-1, keepdim=True)
        return -(target * share.clamp_min(1e-7).log()).sum(-1).mean()


class BCECriterion(Criterion):
    """-mean w (t log(x + e) + (1 - t) log(1 - x + e)), e = 1e-12; x probabilities.

    weights: of the shape of x, or of one sample. Raises ValueError for x outside [0, 1].
    """

    def __init__(self, weights: Any = None, size_average: bool = True) -> None:
        self.weights, self.size_average = weights, size_average

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        target = like("BCECriterion", output, target)
        if not _core._recording() and bool(((output < 0) | (output > 1)).any()):
            raise ValueError(
                "[BCECriterion] the output has numbers outside [0, 1], no probabilities; end the "
                "model with a sigmoid"
            )
        each = target * (output + 1e-12).log() + (1.0 - target) * (1.0 - output + 1e-12).log()
        return -averaged(_weighted("BCECriterion", each, self.weights), self.size_average)


class MultiLabelSoftMarginCriterion(Criterion):
    """-mean w (t log s(x) + (1 - t) log(1 - s(x))), s the sigmoid; t is 1 for each class it has."""

    def __init__(self, weights: Any = None, size_average: bool = True) -> None:
        self.weights, self.size_average = weights, size_average

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        op = "MultiLabelSoftMarginCriterion"
        target = like(op, output, target)
        each = target * F.logsigmoid(output) + (1.0 - target) * F.logsigmoid(-output)
        return -averaged(_weighted(op, each, self.weights), self.size_average)


def _weighted(op: str, each: Tensor, weights: Any) -> Tensor:
    if weights is None:
        return each
    w = np.asarray(weights)
    if w.shape not in (tuple(each.shape), tuple(each.shape)[1:]):
        raise ValueError(
            f"[{op}] weights has shape {w.shape}, the output {tuple(each.shape)}; pass that of the "
            "output, or of one sample"
        )
    return each * from_array(w, dtype=each.dtype)
