"""Recurrent layers. Gates are stacked as rows of W and U, in the order of their formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ... import _core
from ...nn import functional as F
from .. import activations, initializers
from ..base import Layer
from ._common import features, positive

if TYPE_CHECKING:
    from ..._core import Tensor
    from .._shapes import Shape
    from ..regularizers import Regularizer

__all__ = ["GRU", "LSTM", "Recurrent", "SimpleRNN"]


class Recurrent(Layer):
    """h_t = step(x_t W^T + b, h_(t-1)), h_0 = 0; x (batch, steps, in).

    y is the last h (batch, output_dim), or all of them (batch, steps, output_dim) with
    return_sequences; go_backwards takes the steps from the last. W (gates output_dim, in) starts
    from `init`, U (gates output_dim, output_dim) from `inner_init`, gate by gate.
    """

    ranks = (3,)
    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1

    def __init__(
        self,
        output_dim: int,
        activation: Any = "tanh",
        return_sequences: bool = False,
        go_backwards: bool = False,
        W_regularizer: Regularizer | None = None,
        U_regularizer: Regularizer | None = None,
        b_regularizer: Regularizer | None = None,
        init: Any = "glorot_uniform",
        inner_init: Any = "orthogonal",
        input_dim: int | None = None,
        input_length: int | None = None,
        **options: Any,
    ) -> None:
        if input_dim is not None and options.get("input_shape") is None:
            options["input_shape"] = (input_length, input_dim)
        super().__init__(**options)
        op = type(self).__name__
        positive(op, output_dim=output_dim)
        self.output_dim = output_dim
        self.return_sequences, self.go_backwards = return_sequences, go_backwards
        self.activation = activations.get(op, activation)
        self.inits = (initializers.get(op, init), initializers.get(op, inner_init))
        self.penalties = (W_regularizer, U_regularizer, b_regularizer)

    def make(self, shape: Shape) -> None:
        size, rows = self.output_dim, self.gates * self.output_dim

        def by_gate(fill: Any) -> Any:
            return lambda weight: [fill(weight[k * size : (k + 1) * size]) for k in self._gates()]

        inputs = features(type(self).__name__, shape)
        w, u, b = self.penalties
        self.add_weight("weight", (rows, inputs), by_gate(self.inits[0]), w)
        self.add_weight("recurrent_weight", (rows, size), by_gate(self.inits[1]), u)
        self.add_weight("bias", (rows,), self._start_bias, b)

    def _gates(self) -> range:
        return range(self.gates)

    def _start_bias(self, bias: Tensor) -> None:
        bias.zero_()

    def infer(self, shape: Shape) -> Shape:
        steps = (shape[1],) if self.return_sequences else ()
        return (shape[0], *steps, self.output_dim)

    def step(self, z: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The next states, h first, from z = x_t W^T + b and the states before."""
        raise NotImplementedError(f"[{type(self).__name__}] defines no step(); define it")

    def compute(self, x: Tensor) -> Tensor:
        steps = F.linear(x, self.module.weight, self.module.bias).unbind(1)
        zeros = _core.zeros(x.shape[0], self.output_dim, dtype=x.dtype)
        states, outputs = (zeros,) * self.states, []
        for z in reversed(steps) if self.go_backwards else steps:
            states = self.step(z, states)
            outputs.append(states[0])
        return _core.stack(outputs, 1) if self.return_sequences else states[0]


class SimpleRNN(Recurrent):
    """h_t = activation(x_t W^T + b + h_(t-1) U^T).

    Source: Elman, Finding structure in time, Cognitive Science 14 (1990) 179.
    """

    def step(self, z: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (self.activation(z + F.linear(states[0], self.module.recurrent_weight)),)


class _Gated(Recurrent):
    def __init__(
        self,
        output_dim: int,
        activation: Any = "tanh",
        inner_activation: Any = "hard_sigmoid",
        return_sequences: bool = False,
        go_backwards: bool = False,
        W_regularizer: Regularizer | None = None,
        U_regularizer: Regularizer | None = None,
        b_regularizer: Regularizer | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            output_dim, activation, return_sequences, go_backwards, W_regularizer, U_regularizer,
            b_regularizer, **options,
        )  # fmt: skip
        self.inner_activation = activations.get(type(self).__name__, inner_activation)


class LSTM(_Gated):
    """c_t = i g + f c_(t-1), h_t = o activation(c_t), with the gates i, g, f, o in this order.

    i, f, o = inner_activation(x_t W^T + b + h_(t-1) U^T), g = activation of the same; the bias of
    f starts from forget_bias_init. Source: Hochreiter and Schmidhuber, Neural Computation 9 (1997)
    1735.
    """

    gates, states = 4, 2

    def __init__(self, *args: Any, forget_bias_init: Any = "one", **options: Any) -> None:
        super().__init__(*args, **options)
        self.forget_bias_init = initializers.get("LSTM", forget_bias_init)

    def _start_bias(self, bias: Tensor) -> None:
        bias.zero_()
        self.forget_bias_init(bias[2 * self.output_dim : 3 * self.output_dim])

    def step(self, z: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        h, c = states
        i, g, f, o = (z + F.linear(h, self.module.recurrent_weight)).chunk(4, 1)
        c = self.inner_activation(i) * self.activation(g) + self.inner_activation(f) * c
        return self.inner_activation(o) * self.activation(c), c


class GRU(_Gated):
    """h_t = (1 - z) n + z h_(t-1), n = activation(x_t W_n^T + b_n + (r h_(t-1)) U_n^T).

    r, z = inner_activation(x_t W^T + b + h_(t-1) U^T); the gates are r, z, n in this order. The
    reset r acts before U_n, unlike in PyTorch's GRU. Source: Cho et al., arXiv:1406.1078.
    """

    gates = 3

    def step(self, z: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        h, u, n = states[0], self.module.recurrent_weight, 2 * self.output_dim
        reset, update = self.inner_activation(z[:, :n] + F.linear(h, u[:n])).chunk(2, 1)
        new = self.activation(z[:, n:] + F.linear(reset * h, u[n:]))
        return ((1.0 - update) * new + update * h,)
