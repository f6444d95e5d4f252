"""The optimizers: optim_db of torch.testing._internal.common_optimizers."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
import torch
from convert import NotPlainError, difference, ours
from tables import Entry
from torch.testing._internal.common_optimizers import optim_db

import backprop_ext as bx

STEPS: Final = 5


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
        for dtype in (torch.float32, torch.float64):
            kwargs = {k: v for k, v in options.kwargs.items() if k not in ("capturable", "fused")}
            try:
                our_kwargs = ours(kwargs)
            except NotPlainError:
                continue
            try:
                expected = trained(torch, info.optim_cls, kwargs, dtype)
            except Exception:
                continue
            try:
                text = difference(expected, trained(bx, mine, our_kwargs, ours(dtype)))
            except Exception as error:
                text = f"{type(error).__name__}: {error}"
            entry.count("forward", text and f"{options.desc}: {text}")
    return entry


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
        return loss

    for _ in range(STEPS):
        method.step(closure)
    return parameters
