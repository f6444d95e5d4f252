"""Scores over all batches of a data set, each an accumulator: reset, update, value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .._choice import choose
from .._core import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = [
    "AUC",
    "MAE",
    "MSE",
    "Accuracy",
    "BinaryAccuracy",
    "Loss",
    "Metric",
    "Top5Accuracy",
    "metric_of",
]


class Metric:
    """A mean over samples: a subclass says `measure`, or all three of reset, update and value.

    `name` is what it is called in histories and summaries.
    """

    name: str
    higher_is_better: ClassVar[bool] = True

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._total, self._count = 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        """Take a batch in. Raises ValueError for shapes that do not belong together."""
        total, count = self.measure(_array(output), _array(target))
        self._total += float(total)
        self._count += count

    def measure(self, output: Array, target: Array) -> tuple[float, int]:
        """(the sum over the samples of a batch, their number)."""
        raise NotImplementedError(
            f"[metric] {type(self).__name__} has no measure(); define it in the subclass"
        )

    def value(self) -> float:
        """The score of the batches so far. Raises ValueError when there were none."""
        if not self._count:
            raise ValueError(f"[{self.name}] no samples were seen; update it with a batch first")
        return self._total / self._count


class Loss(Metric):
    """The mean over samples of criterion(output, target), itself a mean over its batch.

    Without a criterion it is the one of the training, where Optimizer.set_validation is given it.
    """

    name = "loss"
    higher_is_better = False

    def __init__(self, criterion: Callable[[Any, Any], Any] | None = None) -> None:
        super().__init__()
        self.criterion = criterion

    def update(self, output: Any, target: Any) -> None:
        """Take a batch in. Raises ValueError without a criterion."""
        if self.criterion is None:
            raise ValueError("[Loss] there is no criterion; pass it: Loss(criterion)")
        samples = len(target[0] if isinstance(target, list) else target)
        self._total += float(self.criterion(output, target)) * samples
        self._count += samples


class MAE(Metric):
    """mean |output - target| over all elements."""

    name = "mae"
    higher_is_better = False

    def measure(self, output: Array, target: Array) -> tuple[float, int]:
        difference = np.abs(_same_shape(self.name, output, target))
        return float(difference.sum(dtype=np.float64)), difference.size


class MSE(Metric):
    """mean (output - target)^2 over all elements."""

    name = "mse"
    higher_is_better = False

    def measure(self, output: Array, target: Array) -> tuple[float, int]:
        difference = _same_shape(self.name, output, target)
        return float(np.square(difference, dtype=np.float64).sum()), difference.size


class BinaryAccuracy(Metric):
    """The share of elements with (output > threshold) == target, the target being 0 or 1.

    For logits, threshold = 0. Raises ValueError for another target.
    """

    name = "binary_accuracy"

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__()
        self.threshold = threshold

    def measure(self, output: Array, target: Array) -> tuple[float, int]:
        target = _matching(self.name, output, target)
        _require_binary(self.name, target)
        right = (output > self.threshold) == (target > 0.5)
        return int(right.sum()), right.size


class Accuracy(Metric):
    """The share of samples whose largest output is that of their class.

    output (..., C) with targets (...) or (..., 1), labels from 0 (or 1 unless
    `zero_based_label`), or (..., C), one-hot. An output (n, 1) or (n,) is compared with 0.5, see
    BinaryAccuracy. Raises ValueError for other shapes and for labels out of range.
    """

    name = "accuracy"
    among: ClassVar[int] = 1

    def __init__(self, zero_based_label: bool = True) -> None:
        super().__init__()
        self.zero_based_label = zero_based_label

    def measure(self, output: Array, target: Array) -> tuple[float, int]:
        if output.ndim < 2 or output.shape[-1] == 1:
            return BinaryAccuracy().measure(output, target)
        labels = self._labels(output, target)
        scores = output.reshape(-1, output.shape[-1])
        of_class = np.take_along_axis(scores, labels[:, None], axis=1)
        # The first of equal outputs is the one that argmax names.
        earlier = np.arange(scores.shape[1]) < labels[:, None]
        rank = ((scores > of_class) | ((scores == of_class) & earlier)).sum(axis=1)
        right = (rank < self.among) & ~np.isnan(scores).any(axis=1)
        return int(right.sum()), labels.size

    def _labels(self, output: Array, target: Array) -> Array:
        classes = output.shape[-1]
        if target.shape == output.shape:
            return np.asarray(target.reshape(-1, classes).argmax(axis=1))
        if target.shape == (*output.shape[:-1], 1):
            target = target[..., 0]
        if target.shape != output.shape[:-1]:
            raise ValueError(
                f"[{self.name}] target of shape {target.shape} for output {output.shape}; pass "
                "labels, or one-hot rows"
            )
        first = 0 if self.zero_based_label else 1
        labels = target.reshape(-1).astype(np.int64) - first
        wrong = (labels < 0) | (labels >= classes) | (labels + first != target.reshape(-1))
        if wrong.any():
            other = "True" if first else "False"
            raise ValueError(
                f"[{self.name}] label {target.reshape(-1)[wrong][0]:g} is out of range, "
                f"{first} to {classes - 1 + first} are classes; with labels that start at "
                f"{1 - first} pass zero_based_label={other}"
            )
        return labels


class Top5Accuracy(Accuracy):
    """The share of samples whose class is among the 5 largest outputs. Shapes as for Accuracy."""

    name = "top5accuracy"
    among = 5


class AUC(Metric):
    """The area under the receiver operating characteristic, ties counted half.

    = P(output of a positive > output of a negative) + P(equal) / 2. Targets are 0 or 1; outputs
    and targets have one element a sample. Raises ValueError for other targets, and when only one
    of the two classes was seen. Source: Hanley & McNeil, Radiology 143 (1982).
    """

    name = "auc"

    def reset(self) -> None:
        """Forget all batches."""
        self._outputs: list[Array] = []
        self._targets: list[Array] = []

    def update(self, output: Any, target: Any) -> None:
        """Keep a batch."""
        scores = _array(output)
        labels = _matching(self.name, scores, _array(target))
        _require_binary(self.name, labels)
        self._outputs.append(np.array(scores, np.float64).reshape(-1))
        self._targets.append(np.array(labels, np.float64).reshape(-1))

    def value(self) -> float:
        """The area."""
        scores = np.concatenate(self._outputs or [np.zeros(0)])
        positive = np.concatenate(self._targets or [np.zeros(0)]) > 0.5
        if positive.all() or not positive.any():
            raise ValueError("[auc] only one class was seen; both are needed, 0 and 1")
        _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
        ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
        p, n = int(positive.sum()), int((~positive).sum())
        return float((ranks[positive].sum() - p * (p + 1) / 2) / (p * n))


_NAMED: dict[str, Callable[[], Metric]] = {
    "accuracy": Accuracy,
    "acc": Accuracy,
    "top5accuracy": Top5Accuracy,
    "top5acc": Top5Accuracy,
    "binary_accuracy": BinaryAccuracy,
    "mae": MAE,
    "mse": MSE,
    "auc": AUC,
}


def metric_of(metric: Any) -> Metric:
    """A Metric of a name or a Metric. Raises ValueError for another name, TypeError otherwise."""
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        return choose("metrics", "metric", metric, _NAMED)()
    raise TypeError(
        f"[metrics] a {type(metric).__name__} is no metric; pass a name or a Metric such as "
        "Accuracy()"
    )


def _array(value: Any) -> Array:
    return np.asarray(value.detach().numpy() if isinstance(value, Tensor) else value)


def _matching(op: str, output: Array, target: Array) -> Array:
    """The target in the output's shape: (n,) beside (n, 1), and the other way round."""
    if output.shape == target.shape:
        return target
    if output.size == target.size and 1 in (output.ndim, target.ndim):
        return target.reshape(output.shape)
    raise ValueError(
        f"[{op}] target of shape {target.shape} for output {output.shape}; equal shapes are needed"
    )


def _same_shape(op: str, output: Array, target: Array) -> Array:
    return np.asarray(output - _matching(op, output, target))


def _require_binary(op: str, target: Array) -> None:
    wrong = (target != 0) & (target != 1)
    if wrong.any():
        raise ValueError(
            f"[{op}] the target has {target[wrong].reshape(-1)[0]:g}, 0 and 1 are needed; for more "
            "classes use Accuracy with an output for each"
        )
