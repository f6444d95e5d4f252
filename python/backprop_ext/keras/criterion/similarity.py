"""Angles between vectors, and distances of distributions."""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING, Any

from ... import _core
from ...nn import functional as F
from .base import Criterion, averaged, like, pair

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = [
    "CosineDistanceCriterion",
    "CosineEmbeddingCriterion",
    "CosineProximityCriterion",
    "DiceCoefficientCriterion",
    "DistKLDivCriterion",
    "GaussianCriterion",
    "KLDCriterion",
    "KullbackLeiblerDivergenceCriterion",
]


def _rows(tensor: Tensor) -> Tensor:
    return tensor if tensor.ndim > 1 else tensor.unsqueeze(0)


def _cosine(first: Tensor, second: Tensor) -> Tensor:
    """cos of each row: x1 . x2 / sqrt((|x1|^2 + 1e-12) (|x2|^2 + 1e-12))."""
    first, second = _rows(first), _rows(second)
    norms = (first.square().sum(1) + 1e-12) * (second.square().sum(1) + 1e-12)
    return (first * second).sum(1) / norms.sqrt()


class CosineEmbeddingCriterion(Criterion):
    """mean of 1 - cos(x1, x2) where y = 1, of max(0, cos(x1, x2) - margin) where y = -1.

    Outputs [x1, x2], each (batch, features) or (features,); a y for each row.
    """

    def __init__(self, margin: float = 0.0, size_average: bool = True) -> None:
        self.margin, self.size_average = margin, size_average

    def loss(self, output: Any, target: Any) -> Tensor:
        op = "CosineEmbeddingCriterion"
        first, second = pair(op, output)
        cosine = _cosine(first, like(op, first, second))
        y = like(op, cosine, target[0] if isinstance(target, (list, tuple)) else target)
        each = _core.where(y == 1, 1.0 - cosine, F.relu(cosine - self.margin))
        return averaged(each, self.size_average)


class CosineDistanceCriterion(Criterion):
    """mean of 1 - cos(x, t), row by row."""

    def __init__(self, size_average: bool = True) -> None:
        self.size_average = size_average

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        cosine = _cosine(output, like("CosineDistanceCriterion", output, target))
        return averaged(1.0 - cosine, self.size_average)


class CosineProximityCriterion(Criterion):
    """-mean over all elements of x t / (|x| |t|), with lengths along the last dimension."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        target = like("CosineProximityCriterion", output, target)
        lengths = [z.square().sum(-1, keepdim=True).clamp_min(1e-12) for z in (output, target)]
        return -(output * target / (lengths[0] * lengths[1]).sqrt()).mean()


class DistKLDivCriterion(Criterion):
    """mean over all elements of t (log t - x), 0 where t is; x log-probabilities."""

    def __init__(self, size_average: bool = True) -> None:
        self.size_average = size_average

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        target = like("DistKLDivCriterion", output, target)
        total = F.kl_div(output, target, reduction="sum")
        return total / output.numel() if self.size_average else total


class KullbackLeiblerDivergenceCriterion(Criterion):
    """mean_n sum_c t log(t / x), both clipped to [1e-7, 1]; x probabilities."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        target = like("KullbackLeiblerDivergenceCriterion", output, target).clamp(1e-7, 1.0)
        each = target * (target / output.clamp(1e-7, 1.0)).log()
        return each.sum() / (output.shape[0] if output.ndim > 1 else 1)


class KLDCriterion(Criterion):
    """-1/2 sum(1 + s - m^2 - exp(s)) / batch: N(m, exp(s)) from N(0, 1), for outputs [m, s].

    The target is not looked at. Source: Kingma and Welling, arXiv:1312.6114, appendix B.
    """

    def __init__(self, size_average: bool = True) -> None:
        self.size_average = size_average

    def loss(self, output: Any, target: Any) -> Tensor:
        mean, log_variance = pair("KLDCriterion", output)
        total = -0.5 * (1.0 + log_variance - mean.square() - log_variance.exp()).sum()
        return total / mean.shape[0] if self.size_average else total


class GaussianCriterion(Criterion):
    """sum of (log(2 pi) + s + (t - m)^2 / exp(s)) / 2: -log N(t; m, exp(s)), for outputs [m, s]."""

    def loss(self, output: Any, target: Tensor) -> Tensor:
        mean, log_variance = pair("GaussianCriterion", output)
        square = (like("GaussianCriterion", mean, target) - mean).square()
        return 0.5 * (log(2.0 * pi) + log_variance + square / log_variance.exp()).sum()


class DiceCoefficientCriterion(Criterion):
    """mean of 1 - (2 sum x t + epsilon) / (sum x + sum t + epsilon), row by row."""

    def __init__(self, size_average: bool = True, epsilon: float = 1.0) -> None:
        self.size_average, self.epsilon = size_average, epsilon

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        t = _rows(like("DiceCoefficientCriterion", output, target)).flatten(1)
        x = _rows(output).flatten(1)
        both = 2.0 * (x * t).sum(1) + self.epsilon
        return averaged(1.0 - both / (x.sum(1) + t.sum(1) + self.epsilon), self.size_average)
