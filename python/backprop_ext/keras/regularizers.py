"""Penalties on weights: R(w) = l1 sum |w| + l2 / 2 sum w^2.

Its gradient, l1 sign(w) + l2 w, is what BigDL adds to that of the loss; in Keras 1 the l2 term has
no 1/2, so halve l2 when you come from there with numbers to keep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._core import Tensor

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "L1L2Regularizer",
    "L1Regularizer",
    "L2Regularizer",
    "Regularizer",
    "l1",
    "l1l2",
    "l2",
]


class Regularizer:
    """A penalty: called with a weight, it gives a scalar tensor."""

    def __call__(self, weight: Tensor) -> Tensor:
        raise NotImplementedError(
            f"[{type(self).__name__}] defines no penalty; define __call__(weight) -> scalar tensor"
        )


class L1L2(Regularizer):
    """R(w) = l1 sum |w| + l2 / 2 sum w^2. Raises ValueError for a factor below 0."""

    def __init__(self, l1: float = 0.01, l2: float = 0.01) -> None:
        if l1 < 0 or l2 < 0:
            raise ValueError(f"[L1L2] l1={l1}, l2={l2}; a penalty needs factors of 0 or more")
        self.l1, self.l2 = float(l1), float(l2)

    def __call__(self, weight: Tensor) -> Tensor:
        if self.l1 == 0.0:
            return 0.5 * self.l2 * (weight * weight).sum()
        absolute = self.l1 * weight.abs().sum()
        return absolute if self.l2 == 0.0 else absolute + 0.5 * self.l2 * (weight * weight).sum()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(l1={self.l1}, l2={self.l2})"


class L1(L1L2):
    """R(w) = l1 sum |w|."""

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1, 0.0)


class L2(L1L2):
    """R(w) = l2 / 2 sum w^2."""

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(0.0, l2)


L1L2Regularizer, L1Regularizer, L2Regularizer = L1L2, L1, L2
l1l2, l1, l2 = L1L2, L1, L2
