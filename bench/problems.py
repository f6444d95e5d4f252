"""The numbers that every peer starts from: nets, batches, samples and elementwise inputs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Start = dict[str, Array]

SCALAR_RATE = 0.01
SCALAR_X = np.arange(1.0, 10.0)
SCALAR_Y = 3.0 * SCALAR_X


@dataclass(frozen=True)
class Optimizer:
    """`sgd` with momentum or without, `adam` or `adamw`; the rest as PyTorch's defaults."""

    kind: str
    rate: float
    momentum: float = 0.0
    decay: float = 0.0


class Problem(Protocol):
    """A model trained on one batch."""

    @property
    def name(self) -> str:
        """What the row is called."""

    @property
    def loss(self) -> str:
        """`mse` or `cross_entropy`, averaged."""

    @property
    def optimizer(self) -> Optimizer:
        """The rule of the update."""

    def start(self) -> Start:
        """The parameters under their PyTorch names."""

    def data(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The inputs and the targets or labels."""


@dataclass(frozen=True)
class Net:
    """A fully connected net."""

    widths: tuple[int, ...]
    batch: int
    activation: str
    loss: str
    optimizer: Optimizer

    @property
    def name(self) -> str:
        """`mlp 2-16-16-1, batch 100`, and `, Adam` if it is Adam's."""
        rule = "" if self.optimizer.kind == "sgd" else f", {self.optimizer.kind.capitalize()}"
        return f"mlp {'-'.join(map(str, self.widths))}, batch {self.batch}{rule}"

    def start(self) -> Start:
        """Each layer's weight (out, in) and bias (out), scaled so that no gradient vanishes."""
        draw = np.random.default_rng(0)
        start: Start = {}
        for layer, (fan_in, out) in enumerate(pairwise(self.widths)):
            bound = float(np.sqrt(4.0 / fan_in))
            # An activation follows each layer of the nn.Sequential.
            start[f"{2 * layer}.weight"] = uniform(draw, (out, fan_in), bound)
            start[f"{2 * layer}.bias"] = uniform(draw, (out,), bound)
        return start

    def data(self) -> tuple[Array, NDArray[np.float32] | NDArray[np.int64]]:
        """The inputs (batch, in) and targets (batch, out), or labels (batch) of cross entropy."""
        draw = np.random.default_rng(1)
        inputs = draw.standard_normal((self.batch, self.widths[0]), np.float32)
        if self.loss == "cross_entropy":
            return inputs, draw.integers(0, self.widths[-1], self.batch)
        return inputs, draw.standard_normal((self.batch, self.widths[-1]), np.float32)


_SGD = Optimizer("sgd", 0.01)
_ADAM = Optimizer("adam", 0.001)
NETS = (
    Net((4, 32, 1), 16, "tanh", "mse", _SGD),
    Net((2, 16, 16, 1), 100, "tanh", "mse", _SGD),
    Net((2, 16, 16, 1), 100, "tanh", "mse", _ADAM),
    Net((64, 128, 10), 64, "relu", "cross_entropy", _SGD),
    Net((64, 128, 10), 64, "relu", "cross_entropy", _ADAM),
    Net((784, 512, 512, 10), 128, "relu", "cross_entropy", _SGD),
    Net((1024, 1024, 1024, 1024, 1024), 1024, "relu", "mse", Optimizer("sgd", 0.1)),
)

BINARY = ("add", "mul")
UNARY = ("tanh", "exp", "sigmoid", "relu", "gelu chain")
CHAIN_COLUMNS = 100


def elementwise_inputs(family: str, size: int) -> list[Array]:
    """The leaves of an elementwise workload; off centre, so that the sum does not cancel."""
    draw = np.random.default_rng(2)
    shift = np.float32(0.5)
    count = 2 if family in BINARY else 1
    return [draw.standard_normal(size, np.float32) + shift for _ in range(count)]


def chain_input(size: int) -> Array:
    """The leaf (size / 100, 100) of the chain with reductions."""
    return elementwise_inputs("chain", size)[0].reshape(-1, CHAIN_COLUMNS)


def uniform(draw: np.random.Generator, shape: tuple[int, ...], bound: float) -> Array:
    """Numbers between `-bound` and `bound`."""
    return draw.uniform(-bound, bound, shape).astype(np.float32)
