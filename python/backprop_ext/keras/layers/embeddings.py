"""Rows of a table, looked up by number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ..._interop import from_array
from ...nn import functional as F
from .. import initializers
from ..base import Layer
from ._common import positive

if TYPE_CHECKING:
    from ..._core import Tensor
    from .._shapes import Shape
    from ..regularizers import Regularizer

__all__ = ["Embedding"]


class Embedding(Layer):
    """y = W[x]; x (batch, steps) of whole numbers, y (batch, steps, output_dim).

    W (input_dim, output_dim) starts from `init`, or from `weights` (an array, or a list of it).
    Numbers run from 0 to input_dim - 1, from 1 to input_dim with zero_based_id=False. With
    mask_zero, rows of padding_value are 0. Raises IndexError for a number out of range, ValueError
    for one that is not whole.
    """

    ranks = (2,)

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        init: Any = "uniform",
        weights: Any = None,
        trainable: bool = True,
        input_length: int | None = None,
        W_regularizer: Regularizer | None = None,
        mask_zero: bool = False,
        padding_value: int = 0,
        zero_based_id: bool = True,
        **options: Any,
    ) -> None:
        if input_length is not None:
            options.setdefault("input_shape", (input_length,))
        super().__init__(trainable=trainable, **options)
        positive("Embedding", input_dim=input_dim, output_dim=output_dim)
        self.input_dim, self.output_dim, self.table = input_dim, output_dim, None
        self.init = initializers.get("Embedding", init)
        self.penalty, self.first = W_regularizer, 0 if zero_based_id else 1
        self.padding = padding_value if mask_zero else None
        if weights is not None:
            table = np.asarray(weights[0] if isinstance(weights, (list, tuple)) else weights)
            if table.shape != (input_dim, output_dim):
                raise ValueError(
                    f"[Embedding] weights has shape {table.shape}; pass {(input_dim, output_dim)}"
                )
            self.table = table

    def make(self, shape: Shape) -> None:
        def given(weight: Tensor) -> None:
            weight.copy_(from_array(self.table, dtype=weight.dtype))

        start = self.init if self.table is None else given
        self.add_weight("weight", (self.input_dim, self.output_dim), start, self.penalty)

    def infer(self, shape: Shape) -> Shape:
        return (*shape, self.output_dim)

    def compute(self, x: Tensor) -> Tensor:
        numbers = x.detach().to(_core.int64)
        if not _core._recording():  # Values cannot be read then; F.embedding refuses them itself.
            self._check(x, numbers)
        y = F.embedding(numbers - self.first, self.module.weight)
        if self.padding is None:
            return y
        return y * (numbers != self.padding).unsqueeze(-1).to(y.dtype)

    def _check(self, x: Tensor, numbers: Tensor) -> None:
        if x.is_floating_point() and bool((numbers != x).any()):
            raise ValueError(
                "[Embedding] the input holds numbers that are not whole; pass the numbers of rows"
            )
        low, high = self.first, self.first + self.input_dim - 1
        if numbers.numel() and not low <= numbers.min().item() <= numbers.max().item() <= high:
            wrong = numbers[(numbers < low) | (numbers > high)][0].item()
            raise IndexError(
                f"[Embedding] {wrong} is out of range, the table has rows {low} to {high}; give "
                "a larger input_dim, or mend the data"
            )
