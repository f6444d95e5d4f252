"""The numbers that every peer starts from: nets, batches, samples and elementwise inputs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SCALAR_RATE = 0.01
SCALAR_X = np.arange(1.0, 10.0)
SCALAR_Y = 3.0 * SCALAR_X


@dataclass(frozen=True)
class Net:
    """A fully connected net trained by plain SGD on one batch."""

    widths: tuple[int, ...]
    batch: int
    activation: str
    loss: str
    rate: float

    @property
    def name(self) -> str:
        """`mlp 2-16-16-1, batch 100`."""
        return f"mlp {'-'.join(map(str, self.widths))}, batch {self.batch}"

    def start(self) -> list[tuple[Array, Array]]:
        """Each layer's weight (out, in) and bias (out), scaled so that no gradient vanishes."""
        draw = np.random.default_rng(0)
        return [
            (_uniform(draw, (out, fan_in), bound), _uniform(draw, (out,), bound))
            for fan_in, out in pairwise(self.widths)
            for bound in [float(np.sqrt(4.0 / fan_in))]
        ]

    def data(self) -> tuple[Array, NDArray[np.float32] | NDArray[np.int64]]:
        """The inputs (batch, in) and targets (batch, out), or labels (batch) of cross entropy."""
        draw = np.random.default_rng(1)
        inputs = draw.standard_normal((self.batch, self.widths[0]), np.float32)
        if self.loss == "cross_entropy":
            return inputs, draw.integers(0, self.widths[-1], self.batch)
        return inputs, draw.standard_normal((self.batch, self.widths[-1]), np.float32)


NETS = (
    Net((4, 32, 1), 16, "tanh", "mse", 0.01),
    Net((2, 16, 16, 1), 100, "tanh", "mse", 0.01),
    Net((64, 128, 10), 64, "relu", "cross_entropy", 0.01),
    Net((784, 512, 512, 10), 128, "relu", "cross_entropy", 0.01),
    Net((1024, 1024, 1024, 1024, 1024), 1024, "relu", "mse", 0.1),
)

BINARY = ("add", "mul")
UNARY = ("tanh", "exp", "sigmoid", "relu", "gelu chain")


def elementwise_inputs(family: str, size: int) -> list[Array]:
    """The leaves of an elementwise workload; off centre, so that the sum does not cancel."""
    draw = np.random.default_rng(2)
    shift = np.float32(0.5)
    count = 2 if family in BINARY else 1
    return [draw.standard_normal(size, np.float32) + shift for _ in range(count)]


def _uniform(draw: np.random.Generator, shape: tuple[int, ...], bound: float) -> Array:
    return draw.uniform(-bound, bound, shape).astype(np.float32)
