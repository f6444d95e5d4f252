"""Criteria made of criteria."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .base import Criterion

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = ["MultiCriterion", "ParallelCriterion", "TimeDistributedCriterion"]

_C = TypeVar("_C", bound="_Weighted")


class _Weighted(Criterion):
    """Criteria with weights, added one by one."""

    def __init__(self) -> None:
        self.criteria: list[tuple[Criterion, float]] = []

    def add(self: _C, criterion: Criterion, weight: float = 1.0) -> _C:
        """Add a criterion with its weight; the whole itself, so that calls can be chained."""
        if not isinstance(criterion, Criterion):
            raise TypeError(
                f"[{type(self).__name__}] add() takes a criterion, is given {criterion!r}"
            )
        self.criteria.append((criterion, weight))
        return self

    def _require(self) -> None:
        if not self.criteria:
            raise RuntimeError(f"[{type(self).__name__}] has no criteria; add() one first")


class MultiCriterion(_Weighted):
    """sum_k w_k criterion_k(x, t), all of the same output and target."""

    def loss(self, output: Any, target: Any) -> Tensor:
        self._require()
        terms = [weight * criterion.loss(output, target) for criterion, weight in self.criteria]
        return sum(terms[1:], start=terms[0])


class ParallelCriterion(_Weighted):
    """sum_k w_k criterion_k(x_k, t_k), of outputs [x1, x2, ...] and targets [t1, t2, ...].

    With repeat_target there is one target for all. Raises ValueError where their numbers differ.
    """

    def __init__(self, repeat_target: bool = False) -> None:
        super().__init__()
        self.repeat_target = repeat_target

    def loss(self, output: Any, target: Any) -> Tensor:
        self._require()
        count = len(self.criteria)
        targets = [target] * count if self.repeat_target else target
        for what, given in (("outputs", output), ("targets", targets)):
            have = len(given) if isinstance(given, (list, tuple)) else 1
            if have != count or not isinstance(given, (list, tuple)):
                raise ValueError(
                    f"[ParallelCriterion] {count} criteria and {have} {what}; pass a list of "
                    f"{count}"
                )
        terms = [
            weight * criterion.loss(x, t)
            for (criterion, weight), x, t in zip(self.criteria, output, targets, strict=True)
        ]
        return sum(terms[1:], start=terms[0])


class TimeDistributedCriterion(Criterion):
    """sum_k criterion(x_k, t_k) over the slices of a dimension, which counts from 1 (the batch).

    With size_average their mean. Raises ValueError where output and target differ in its length.
    """

    def __init__(
        self, criterion: Criterion, size_average: bool = False, dimension: int = 2
    ) -> None:
        self.criterion, self.size_average, self.dim = criterion, size_average, dimension - 1

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        rank = min(output.ndim, target.ndim)
        if not 0 <= self.dim < rank or output.shape[self.dim] != target.shape[self.dim]:
            raise ValueError(
                f"[TimeDistributedCriterion] the output has shape {tuple(output.shape)}, the "
                f"target {tuple(target.shape)}; dimension {self.dim + 1} must be the same in both"
            )
        steps = zip(output.unbind(self.dim), target.unbind(self.dim), strict=True)
        terms = [self.criterion.loss(x, t) for x, t in steps]
        total = sum(terms[1:], start=terms[0])
        return total / len(terms) if self.size_average else total
