"""Layers that map vectors by a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...nn import functional as F
from .. import activations, initializers
from ..base import Layer
from ._common import add_bias, features, positive, with_dim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._core import Tensor
    from .._shapes import Shape
    from ..regularizers import Regularizer

__all__ = ["Dense", "Highway", "MaxoutDense"]


class Dense(Layer):
    """y = activation(x W^T + b); x (batch, ..., in), y (batch, ..., output_dim).

    W (output_dim, in) starts from `init`, b from 0. limits are the bounds of init="uniform".
    """

    def __init__(
        self,
        output_dim: int,
        init: Any = "glorot_uniform",
        activation: Any = None,
        W_regularizer: Regularizer | None = None,
        b_regularizer: Regularizer | None = None,
        bias: bool = True,
        input_dim: int | None = None,
        limits: Sequence[float] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**with_dim(input_dim, options))
        positive("Dense", output_dim=output_dim)
        self.output_dim, self.bias = output_dim, bias
        self.init = initializers.get("Dense", init, limits)
        self.activation = activations.get("Dense", activation)
        self.penalties = (W_regularizer, b_regularizer)

    def make(self, shape: Shape) -> None:
        size = (self.output_dim, features("Dense", shape))
        self.add_weight("weight", size, self.init, self.penalties[0])
        add_bias(self, size[:1])

    def infer(self, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise ValueError(f"[Dense] takes vectors, the input shape is {shape}; add a dimension")
        return (*shape[:-1], self.output_dim)

    def compute(self, x: Tensor) -> Tensor:
        return self.activation(F.linear(x, self.module.weight, self.module.bias))


class Highway(Layer):
    """y = t activation(x W^T + b) + (1 - t) x, t = sigmoid(x V^T + c); x, y (batch, n).

    V starts like W, c from -2, so that the input is carried through at first.
    Source: Srivastava et al., arXiv:1505.00387.
    """

    ranks = (2,)

    def __init__(
        self,
        activation: Any = None,
        W_regularizer: Regularizer | None = None,
        b_regularizer: Regularizer | None = None,
        bias: bool = True,
        input_dim: int | None = None,
        init: Any = "glorot_uniform",
        **options: Any,
    ) -> None:
        super().__init__(**with_dim(input_dim, options))
        self.activation = activations.get("Highway", activation)
        self.init = initializers.get("Highway", init)
        self.bias, self.penalties = bias, (W_regularizer, b_regularizer)

    def make(self, shape: Shape) -> None:
        n = features("Highway", shape)
        for name, start in (("weight", "zero"), ("carry_weight", lambda c: c.fill_(-2.0))):
            self.add_weight(name, (n, n), self.init, self.penalties[0])
            add_bias(self, (n,), name.replace("weight", "bias"), start)

    def compute(self, x: Tensor) -> Tensor:
        m = self.module
        carry = F.linear(x, m.carry_weight, m.carry_bias).sigmoid()
        changed = self.activation(F.linear(x, m.weight, m.bias))
        return carry * changed + (1.0 - carry) * x


class MaxoutDense(Layer):
    """y_j = max_k (x W_k^T + b_k)_j, k up to nb_feature; x (batch, in), y (batch, output_dim).

    W (nb_feature, output_dim, in), b (nb_feature, output_dim).
    Source: Goodfellow et al., arXiv:1302.4389.
    """

    ranks = (2,)

    def __init__(
        self,
        output_dim: int,
        nb_feature: int = 4,
        W_regularizer: Regularizer | None = None,
        b_regularizer: Regularizer | None = None,
        bias: bool = True,
        input_dim: int | None = None,
        init: Any = "glorot_uniform",
        **options: Any,
    ) -> None:
        super().__init__(**with_dim(input_dim, options))
        positive("MaxoutDense", output_dim=output_dim, nb_feature=nb_feature)
        self.output_dim, self.nb_feature, self.bias = output_dim, nb_feature, bias
        self.init = initializers.get("MaxoutDense", init)
        self.penalties = (W_regularizer, b_regularizer)

    def make(self, shape: Shape) -> None:
        size = (self.nb_feature, self.output_dim, features("MaxoutDense", shape))

        def each(weight: Tensor) -> None:
            for one in weight:
                self.init(one)

        self.add_weight("weight", size, each, self.penalties[0])
        add_bias(self, size[:2])

    def infer(self, shape: Shape) -> Shape:
        return (shape[0], self.output_dim)

    def compute(self, x: Tensor) -> Tensor:
        bias = self.module.bias
        bias = None if bias is None else bias.flatten()
        pieces = F.linear(x, self.module.weight.flatten(0, 1), bias)
        return pieces.unflatten(1, (self.nb_feature, self.output_dim)).amax(1)
