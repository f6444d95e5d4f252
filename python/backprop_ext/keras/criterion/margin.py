"""Losses that are 0 beyond a margin. y is 1 or -1 where the formula has a y."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import _core
from ...nn import functional as F
from .base import Criterion, averaged, labels, like, pair, per_class

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = [
    "HingeEmbeddingCriterion",
    "L1HingeEmbeddingCriterion",
    "MarginCriterion",
    "MarginRankingCriterion",
    "MultiLabelMarginCriterion",
    "MultiMarginCriterion",
    "SoftMarginCriterion",
]


class MarginCriterion(Criterion):
    """mean max(0, margin - y x), or of its square with `squared`: the hinge of a classifier."""

    def __init__(
        self, margin: float = 1.0, size_average: bool = True, squared: bool = False
    ) -> None:
        self.margin, self.size_average, self.squared = margin, size_average, squared

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        hinge = F.relu(self.margin - like("MarginCriterion", output, target) * output)
        return averaged(hinge.square() if self.squared else hinge, self.size_average)


class SoftMarginCriterion(Criterion):
    """mean log(1 + exp(-y x))."""

    def __init__(self, size_average: bool = True) -> None:
        self.size_average = size_average

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        product = like("SoftMarginCriterion", output, target) * output
        return averaged(-F.logsigmoid(product), self.size_average)


class MarginRankingCriterion(Criterion):
    """mean max(0, margin - y (x1 - x2)) of two outputs, [x1, x2]: y = 1 ranks x1 higher."""

    def __init__(self, margin: float = 1.0, size_average: bool = True) -> None:
        self.margin, self.size_average = margin, size_average

    def loss(self, output: Any, target: Any) -> Tensor:
        op = "MarginRankingCriterion"
        first, second = pair(op, output)
        y = like(op, first, _only(target))
        hinge = F.relu(self.margin - y * (first - like(op, first, second)))
        return averaged(hinge, self.size_average)


class HingeEmbeddingCriterion(Criterion):
    """mean of x where y = 1, of max(0, margin - x) where y = -1; x is a distance."""

    def __init__(self, margin: float = 1.0, size_average: bool = True) -> None:
        self.margin, self.size_average = margin, size_average

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        y = like("HingeEmbeddingCriterion", output, target)
        zero = _core.zeros_like(output)
        near = _core.where(y == -1, zero, output)
        far = _core.where(y == 1, zero, F.relu(self.margin - output))
        return averaged(near + far, self.size_average)


class L1HingeEmbeddingCriterion(Criterion):
    """d = sum |x1 - x2| where y = 1, max(0, margin - d) where y = -1; outputs [x1, x2], one y."""

    def __init__(self, margin: float = 1.0) -> None:
        self.margin = margin

    def loss(self, output: Any, target: Any) -> Tensor:
        op = "L1HingeEmbeddingCriterion"
        first, second = pair(op, output)
        y = _only(target)
        if y.numel() != 1:
            raise ValueError(f"[{op}] takes one target, 1 or -1, is given {tuple(y.shape)}")
        distance = (first - like(op, first, second)).abs().sum()
        return F.relu(self.margin - distance) if y.item() == -1 else distance


class MultiMarginCriterion(Criterion):
    """mean_n sum_(c != t) w_t max(0, margin - x[n, t] + x[n, c])^p / classes; t labels.

    Raises IndexError for a label out of range, ValueError for a p that is not 1 or 2.
    """

    def __init__(
        self,
        p: int = 1,
        weights: Any = None,
        margin: float = 1.0,
        size_average: bool = True,
        zero_based_label: bool = False,
    ) -> None:
        if p not in (1, 2):
            raise ValueError(f"[MultiMarginCriterion] p={p}; take 1 or 2")
        self.p, self.weights, self.margin, self.size_average = p, weights, margin, size_average
        self.first = 0 if zero_based_label else 1

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        op = "MultiMarginCriterion"
        rows = output if output.ndim == 2 else output.unsqueeze(0)
        if target.numel() != rows.shape[0]:
            raise ValueError(
                f"[{op}] {rows.shape[0]} samples and targets of shape {tuple(target.shape)}; give "
                "one label for each"
            )
        label, _ = labels(op, target.reshape(-1), rows.shape[1], self.first)
        weights = per_class(op, self.weights, rows.shape[1], output)
        reduction = "mean" if self.size_average else "sum"
        return F.multi_margin_loss(rows, label, self.p, self.margin, weights, reduction=reduction)


class MultiLabelMarginCriterion(Criterion):
    """mean_n sum_(t, c) max(0, 1 - x[n, t] + x[n, c]) / classes, t its labels, c the others.

    A row of targets lists labels from 1 and is filled up with 0; with zero_based_label they start
    from 0 and are filled up with -1. Raises IndexError for a label out of range.
    """

    def __init__(self, size_average: bool = True, zero_based_label: bool = False) -> None:
        self.size_average, self.first = size_average, 0 if zero_based_label else 1

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        op = "MultiLabelMarginCriterion"
        like(op, output, target)
        fill = self.first - 1
        label, counts = labels(op, target, output.shape[-1], self.first, fill)
        label = _core.where(counts, label, -1).reshape(output.shape)
        reduction = "mean" if self.size_average else "sum"
        return F.multilabel_margin_loss(output, label, reduction=reduction)


def _only(target: Any) -> Tensor:
    """The target, which may be the only one of a list."""
    found: Tensor = target[0] if isinstance(target, (list, tuple)) else target
    return found
