"""The optimizers: optim_db of torch.testing._internal.common_optimizers.

In float64 the parameters must be PyTorch's to 1e-6. In float32 too; or they may lie twice as far
from the float64 ones as PyTorch's own float32 ones do: LBFGS multiplies rounding errors by so much
that five of its steps, a hundred evaluations, keep one digit.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
import torch
from convert import ours
from tables import Entry
from torch.testing._internal.common_optimizers import optim_db

import backprop_ext as bx

STEPS: Final = 5
TOLERANCE: Final = 1e-6


@cache
def table() -> dict[str, Any]:
    """The database by the class's name."""
    return {info.optim_cls.__name__: info for info in optim_db}


def names() -> list[str]:
    """Every name."""
    return list(table())


def check(name: str) -> Entry:
    """Five steps on a random problem with every set of options of the database."""
    info, entry = table()[name], Entry(name)
    mine = getattr(bx.optim, name, None)
    if mine is None:
        entry.missing = True
        return entry
    for options in info.optim_inputs_func(device="cpu"):
        kwargs = {k: v for k, v in options.kwargs.items() if k not in ("capturable", "fused")}
        try:
            exact = trained(torch, info.optim_cls, kwargs, torch.float64)
            single = trained(torch, info.optim_cls, kwargs, torch.float32)
        except Exception as error:
            entry.skip(f"PyTorch: {type(error).__name__}")
            continue
        allowed = max(TOLERANCE, 2 * distance(single, exact))
        for dtype in (bx.float64, bx.float32):
            try:
                found = trained(bx, mine, ours(kwargs), dtype)
            except Exception as error:
                entry.count("forward", f"{options.desc}: {type(error).__name__}: {error}")
                continue
            off = distance(found, exact)
            if dtype == bx.float64:
                right = off <= TOLERANCE
            else:
                right = off <= allowed or distance(found, single) <= TOLERANCE
            text = f"{options.desc}: {dtype} parameters {off:.1e} off"
            entry.count("forward", None if right else text)
    return entry


def distance(found: list[Any], expected: list[Any]) -> float:
    """The largest difference, as a share of 1 + |expected|."""
    pairs = [(f.detach().numpy(), e.detach().numpy()) for f, e in zip(found, expected, strict=True)]
    return max(float(np.max(np.abs(f - e) / (1 + np.abs(e)))) for f, e in pairs)


def trained(package: Any, optimizer: Any, kwargs: dict[str, Any], dtype: Any) -> list[Any]:
    """The parameters after a few steps of a least-squares fit."""
    rng = np.random.default_rng(0)
    drawn = [rng.standard_normal(shape) for shape in ((20, 6), (6, 4), (4, 3), (3,), (20, 3))]
    x, w1, w2, b, y = (package.tensor(a, dtype=dtype) for a in drawn)
    parameters = [t.requires_grad_() for t in (w1, w2, b)]
    method = optimizer(parameters[:2] if optimizer.__name__ == "Muon" else parameters, **kwargs)

    def closure() -> Any:
        method.zero_grad()
        loss = (((x @ w1).tanh() @ w2 + b - y) ** 2).mean()
        loss.backward()
        if optimizer.__name__ == "SparseAdam":
            for p in parameters:
                p.grad = p.grad.to_sparse()
        return loss

    for _ in range(STEPS):
        method.step(closure)
    return parameters
