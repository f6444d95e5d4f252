"""Distances of numbers from numbers. Means are over all elements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...nn import functional as F
from .base import Criterion, averaged, like

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = [
    "AbsCriterion",
    "DotProductCriterion",
    "L1Cost",
    "MSECriterion",
    "MeanAbsolutePercentageCriterion",
    "MeanSquaredLogarithmicCriterion",
    "PoissonCriterion",
    "SmoothL1Criterion",
]

TINY = 1e-7


class _Sized(Criterion):
    """size_average: the mean instead of the sum."""

    def __init__(self, size_average: bool = True) -> None:
        self.size_average = size_average


class AbsCriterion(_Sized):
    """mean |x - t|; the derivative at 0 is 0."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return averaged((output - like("AbsCriterion", output, target)).abs(), self.size_average)


class MSECriterion(_Sized):
    """mean (x - t)^2."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        squares = (output - like("MSECriterion", output, target)).square()
        return averaged(squares, self.size_average)


class SmoothL1Criterion(_Sized):
    """mean of d^2 / 2 where d = |x - t| < 1, of d - 1/2 elsewhere."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        target = like("SmoothL1Criterion", output, target)
        reduction = "mean" if self.size_average else "sum"
        return F.smooth_l1_loss(output, target, reduction=reduction)


class L1Cost(Criterion):
    """sum |x|; the target is not looked at."""

    def loss(self, output: Tensor, target: Any) -> Tensor:
        return output.abs().sum()


class MeanAbsolutePercentageCriterion(Criterion):
    """100 mean(|x - t| / max(|t|, 1e-7))."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        target = like("MeanAbsolutePercentageCriterion", output, target)
        return 100.0 * ((output - target).abs() / target.abs().clamp_min(TINY)).mean()


class MeanSquaredLogarithmicCriterion(Criterion):
    """mean (log(1 + x) - log(1 + t))^2, x and t at least 1e-7."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        target = like("MeanSquaredLogarithmicCriterion", output, target)
        logs = [(1.0 + z.clamp_min(TINY)).log() for z in (output, target)]
        return (logs[0] - logs[1]).square().mean()


class PoissonCriterion(Criterion):
    """mean(x - t log(x + 1e-7))."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        target = like("PoissonCriterion", output, target)
        return (output - target * (output + TINY).log()).mean()


class DotProductCriterion(_Sized):
    """sum x t; over the batch its mean with size_average."""

    def __init__(self, size_average: bool = False) -> None:
        super().__init__(size_average)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        dot = (output * like("DotProductCriterion", output, target)).sum()
        return dot / output.shape[0] if self.size_average and output.ndim == 2 else dot
