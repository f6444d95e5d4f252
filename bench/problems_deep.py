"""The numbers of the deeper models: LeNet-5, an LSTM, a small GPT."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from problems import Array, Optimizer, Start, uniform

_MOMENTUM = Optimizer("sgd", 0.01, momentum=0.9)
_ADAM = Optimizer("adam", 0.001)
_ADAMW = Optimizer("adamw", 0.001, decay=0.01)


@dataclass(frozen=True)
class LeNet:
    """LeNet-5 with relu and maxima, on one channel of 28 x 28."""

    name: str = "LeNet-5, batch 64"
    loss: str = "cross_entropy"
    optimizer: Optimizer = _MOMENTUM
    batch: int = 64

    def start(self) -> Start:
        """Two convolutions and three linear layers."""
        draw = np.random.default_rng(0)
        shapes = {
            "0": (6, 1, 5, 5),
            "3": (16, 6, 5, 5),
            "7": (120, 256),
            "9": (84, 120),
            "11": (10, 84),
        }
        start: Start = {}
        for layer, shape in shapes.items():
            bound = float(np.sqrt(3.0 / np.prod(shape[1:])))
            start[f"{layer}.weight"] = uniform(draw, shape, bound)
            start[f"{layer}.bias"] = uniform(draw, shape[:1], bound)
        return start

    def data(self) -> tuple[Array, NDArray[np.int64]]:
        """Images (batch, 1, 28, 28) and labels (batch)."""
        draw = np.random.default_rng(1)
        images = draw.standard_normal((self.batch, 1, 28, 28), np.float32)
        return images, draw.integers(0, 10, self.batch)


@dataclass(frozen=True)
class Lstm:
    """An LSTM whose last output goes through a linear layer."""

    name: str = "LSTM 16-64, length 32, batch 32, Adam"
    loss: str = "mse"
    optimizer: Optimizer = _ADAM
    inputs: int = 16
    hidden: int = 64
    length: int = 32
    batch: int = 32

    def start(self) -> Start:
        """PyTorch's shapes: gates in the order i, f, g, o."""
        draw = np.random.default_rng(0)
        shapes: dict[str, tuple[int, ...]] = {
            "lstm.weight_ih_l0": (4 * self.hidden, self.inputs),
            "lstm.weight_hh_l0": (4 * self.hidden, self.hidden),
            "lstm.bias_ih_l0": (4 * self.hidden,),
            "lstm.bias_hh_l0": (4 * self.hidden,),
            "head.weight": (1, self.hidden),
            "head.bias": (1,),
        }
        bound = 2.0 / float(np.sqrt(self.hidden))
        return {name: uniform(draw, shape, bound) for name, shape in shapes.items()}

    def data(self) -> tuple[Array, Array]:
        """Sequences (batch, length, inputs) and targets (batch, 1)."""
        draw = np.random.default_rng(1)
        sequences = draw.standard_normal((self.batch, self.length, self.inputs), np.float32)
        return sequences, draw.standard_normal((self.batch, 1), np.float32)


@dataclass(frozen=True)
class Gpt:
    """A decoder of pre-norm blocks; no dropout, nothing tied."""

    name: str = "GPT 4 x 128, context 64, batch 16, AdamW"
    loss: str = "cross_entropy"
    optimizer: Optimizer = _ADAMW
    layers: int = 4
    width: int = 128
    heads: int = 4
    context: int = 64
    batch: int = 16
    vocabulary: int = 64

    def start(self) -> Start:
        """Embeddings, blocks, the last norm and the head."""
        draw, width = np.random.default_rng(0), self.width
        start: Start = {
            "tokens.weight": uniform(draw, (self.vocabulary, width), 0.5),
            "positions.weight": uniform(draw, (self.context, width), 0.5),
        }

        def linear(name: str, out: int, fan_in: int, bias: bool = True) -> None:
            bound = float(np.sqrt(3.0 / fan_in))
            start[f"{name}.weight"] = uniform(draw, (out, fan_in), bound)
            if bias:
                start[f"{name}.bias"] = uniform(draw, (out,), bound)

        def norm(name: str) -> None:
            start[f"{name}.weight"] = 1 + uniform(draw, (width,), 0.2)
            start[f"{name}.bias"] = uniform(draw, (width,), 0.2)

        for layer in range(self.layers):
            block = f"blocks.{layer}"
            norm(f"{block}.norm1")
            # A bias of the keys has no gradient but rounding errors, which Adam would scale up.
            linear(f"{block}.qkv", 3 * width, width, bias=False)
            linear(f"{block}.out", width, width)
            norm(f"{block}.norm2")
            linear(f"{block}.up", 4 * width, width)
            linear(f"{block}.down", width, 4 * width)
        norm("norm")
        linear("head", self.vocabulary, width, bias=False)
        return start

    def data(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tokens (batch, context), and the tokens that follow (batch * context)."""
        draw = np.random.default_rng(1)
        text = draw.integers(0, self.vocabulary, (self.batch, self.context + 1))
        return text[:, :-1].copy(), text[:, 1:].reshape(-1)
