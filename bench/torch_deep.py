"""The deeper models in PyTorch's names: `m` is torch or backprop_ext."""

from __future__ import annotations

from typing import Any

from problems_deep import Gpt, LeNet, Lstm

Module = Any
Tensor = Any


def lenet(m: Module, _: LeNet) -> Any:
    """LeNet-5."""
    nn = m.nn
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        *(nn.Linear(256, 120), nn.ReLU()),
        *(nn.Linear(120, 84), nn.ReLU()),
        nn.Linear(84, 10),
    )


def lstm(m: Module, problem: Lstm) -> Any:
    """An `nn.LSTM` and a head on its last output."""
    base: Any = m.nn.Module

    class Model(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.lstm = m.nn.LSTM(problem.inputs, problem.hidden, batch_first=True)
            self.head = m.nn.Linear(problem.hidden, 1)

        def forward(self, x: Tensor) -> Tensor:
            out, _ = self.lstm(x)
            return self.head(out[:, -1])

    return Model()


def gpt(m: Module, problem: Gpt) -> Any:
    """Embeddings, blocks of causal attention and a perceptron, a norm and a head."""
    nn, width = m.nn, problem.width
    attention = nn.functional.scaled_dot_product_attention
    base: Any = nn.Module

    class Block(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.norm1 = nn.LayerNorm(width)
            self.qkv = nn.Linear(width, 3 * width, bias=False)
            self.out = nn.Linear(width, width)
            self.norm2 = nn.LayerNorm(width)
            self.up = nn.Linear(width, 4 * width)
            self.gelu = nn.GELU()
            self.down = nn.Linear(4 * width, width)

        def forward(self, x: Tensor) -> Tensor:
            batch, length, _ = x.shape
            parts = self.qkv(self.norm1(x)).split(width, dim=2)
            q, k, v = (
                part.view(batch, length, problem.heads, -1).transpose(1, 2) for part in parts
            )
            seen = attention(q, k, v, is_causal=True)
            x = x + self.out(seen.transpose(1, 2).reshape(batch, length, width))
            return x + self.down(self.gelu(self.up(self.norm2(x))))

    class Model(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(problem.vocabulary, width)
            self.positions = nn.Embedding(problem.context, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(problem.layers)))
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, problem.vocabulary, bias=False)

        def forward(self, tokens: Tensor) -> Tensor:
            x = self.tokens(tokens) + self.positions.weight
            return self.head(self.norm(self.blocks(x))).view(-1, problem.vocabulary)

    return Model()
