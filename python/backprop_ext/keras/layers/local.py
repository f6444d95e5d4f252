"""Windows that share no weights: a matrix for each place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...nn import functional as F
from .. import activations, initializers
from .._shapes import total
from ._common import add_bias, features, per_dimension, positive
from ._spatial import Windowed

if TYPE_CHECKING:
    from ..._core import Tensor
    from .._shapes import Shape
    from ..regularizers import Regularizer

__all__ = ["LocallyConnected1D", "LocallyConnected2D"]


class _Local(Windowed):
    """y_l = activation(W_l p_l + b_l) for the window p_l at each place l, row by row.

    W (places, nb_filter, channels * window), b (nb_filter, places). All lengths must be known.
    """

    def _set(
        self,
        nb_filter: int,
        size: tuple[int, ...],
        activation: Any,
        border_mode: str,
        stride: Any,
        penalties: tuple[Regularizer | None, Regularizer | None],
        bias: bool,
        init: Any,
    ) -> None:
        op = type(self).__name__
        positive(op, nb_filter=nb_filter)
        self.nb_filter, self.bias, self.penalties = nb_filter, bias, penalties
        self.size = per_dimension(op, "the window", size, self.dims)
        self.stride = per_dimension(op, "the stride", stride, self.dims)
        self.dilation = (1,) * self.dims
        self.activation = activations.get(op, activation)
        self.init = initializers.get(op, init)
        self.set_border(border_mode)

    def make(self, shape: Shape) -> None:
        op = type(self).__name__
        inputs = features(op, shape, 1 if self.first else -1)
        for length in self.size:
            inputs *= length
        places = total(self.lengths_after(self.split(shape)[1]))
        if places is None:
            raise ValueError(f"[{op}] a length of {shape} is open; each place has its own weights")

        def each(weight: Tensor) -> None:
            for one in weight:
                self.init(one)

        self.add_weight("weight", (places, self.nb_filter, inputs), each, self.penalties[0])
        add_bias(self, (self.nb_filter, places))

    def infer(self, shape: Shape) -> Shape:
        return self.join(shape[0], self.nb_filter, self.lengths_after(self.split(shape)[1]))

    def compute(self, x: Tensor) -> Tensor:
        lengths = [n for n in self.lengths_after(self.split(tuple(x.shape))[1]) if n is not None]
        x = self.padded(self.to_first(x))
        flat = self.dims == 1
        windows = F.unfold(
            x.unsqueeze(-1) if flat else x,
            (*self.size, 1) if flat else self.size,
            stride=(*self.stride, 1) if flat else self.stride,
        )
        y = (windows.permute(2, 0, 1) @ self.module.weight.mT).permute(1, 2, 0)
        y = y if self.module.bias is None else y + self.module.bias
        return self.activation(self.from_first(y.unflatten(2, lengths)))


class LocallyConnected1D(_Local):
    """A matrix for each place of a window over steps; x (batch, steps, features)."""

    dims = 1

    def __init__(
        self,
        nb_filter: int,
        filter_length: int,
        activation: Any = None,
        border_mode: str = "valid",
        subsample_length: int = 1,
        W_regularizer: Regularizer | None = None,
        b_regularizer: Regularizer | None = None,
        bias: bool = True,
        init: Any = "glorot_uniform",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._set(
            nb_filter, (filter_length,), activation, border_mode, subsample_length,
            (W_regularizer, b_regularizer), bias, init,
        )  # fmt: skip


class LocallyConnected2D(_Local):
    """A matrix for each place of a window over images; x (batch, channels, rows, columns)."""

    dims = 2

    def __init__(
        self,
        nb_filter: int,
        nb_row: int,
        nb_col: int,
        activation: Any = None,
        border_mode: str = "valid",
        subsample: Any = (1, 1),
        dim_ordering: str = "th",
        W_regularizer: Regularizer | None = None,
        b_regularizer: Regularizer | None = None,
        bias: bool = True,
        init: Any = "glorot_uniform",
        **options: Any,
    ) -> None:
        super().__init__(dim_ordering, **options)
        self._set(
            nb_filter, (nb_row, nb_col), activation, border_mode, subsample,
            (W_regularizer, b_regularizer), bias, init,
        )  # fmt: skip
