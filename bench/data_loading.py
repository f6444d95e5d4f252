"""One pass of a DataLoader over 60,000 x 784 floats at batch 128, here and in PyTorch.

    python bench/data_loading.py [passes]

Both load the same TensorDataset in turn; the medians and their ratio are printed: for batches in
order, which share the dataset's memory here (docs/memory.md); in order of NumPy's memory, which are
copies; and shuffled.
"""

from __future__ import annotations

import sys
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
import torch.utils.data

import backprop_ext as bx

SAMPLES, FEATURES, BATCH = 60_000, 784, 128


def loader_of(library: Any, shuffle: bool, make: str) -> Any:
    """The library's loader of the same numbers."""
    generator = np.random.default_rng(0)
    tensor = getattr(library, make)
    x = tensor(generator.random((SAMPLES, FEATURES), np.float32))
    y = tensor(generator.integers(0, 10, SAMPLES))
    data = library.utils.data
    return data.DataLoader(data.TensorDataset(x, y), batch_size=BATCH, shuffle=shuffle)


def seconds(loader: Any) -> float:
    """One pass."""
    start = perf_counter()
    for x, y in loader:
        assert len(x) == len(y)
    return perf_counter() - start


def main(passes: int) -> None:
    """Measure in turn, and print a line for each order."""
    for what, shuffle, make in (
        ("in order", False, "tensor"),
        ("in order, from_numpy", False, "from_numpy"),
        ("shuffled", True, "tensor"),
    ):
        ours, torchs = loader_of(bx, shuffle, make), loader_of(torch, shuffle, make)
        seconds(ours)
        pairs = [(seconds(ours), seconds(torchs)) for _ in range(passes)]
        here, there = (median(column) for column in zip(*pairs, strict=True))
        print(
            f"{what}: {here * 1e3:.1f} ms here, "
            f"{there * 1e3:.0f} ms PyTorch, {there / here:.0f} times as fast"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
