"""The modules: module_db of torch.testing._internal.common_modules."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from convert import NotPlainError, difference, flat, ours, plain, recorded
from derivatives import compare
from operators import FLOATS, lookup
from tables import Entry
from torch.testing._internal.common_modules import module_db

import backprop_ext as bx


@cache
def table() -> dict[str, Any]:
    """The database by name."""
    return {info.name: info for info in module_db}


def names() -> list[str]:
    """Every name."""
    return list(table())


def check(name: str) -> Entry:
    """All samples of one module, in training and evaluation."""
    info, entry = table()[name], Entry(name)
    mine = lookup(bx, name)
    if mine is None:
        entry.missing = True
        return entry
    for dtype in FLOATS:
        if dtype not in info.supported_dtypes("cpu"):
            continue
        entry.dtype = f"{dtype}".removeprefix("torch.")
        for training in (True, False):
            made = info.module_inputs_func(
                info, device="cpu", dtype=dtype, requires_grad=True, training=training
            )
            for sample in made:
                one(entry, info.module_cls, mine, sample, dtype, training)
    return entry


def one(entry: Entry, theirs: Any, mine: Any, sample: Any, dtype: Any, training: bool) -> None:
    """One sample: the parameters drawn from the same seed, the outputs, the gradients."""
    built, given = sample.constructor_input, sample.forward_input
    try:
        our_built, our_given = ours((built.args, built.kwargs)), ours((given.args, given.kwargs))
    except NotPlainError as other:
        entry.skip(str(other))
        return
    try:
        torch.manual_seed(3)
        reference = theirs(*built.args, **built.kwargs).to(dtype).train(training)

        def run_torch() -> Any:
            torch.manual_seed(7)
            return reference(*given.args, **given.kwargs)

        expected = run_torch()
        plain(expected)
    except NotPlainError as other:
        entry.skip(str(other))
        return
    except Exception as error:
        entry.skip(f"PyTorch: {type(error).__name__}")
        return
    try:
        bx.manual_seed(3)
        module = mine(*our_built[0], **our_built[1]).to(ours(dtype)).train(training)

        def run_ours() -> Any:
            bx.manual_seed(7)
            return module(*our_given[0], **our_given[1])

        result = run_ours()
        text = difference(expected, result) or recorded(expected, result)
        state = difference(dict(reference.state_dict()), dict(module.state_dict()))
        text = text or (state and f"state: {state}")
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
    if not entry.count("forward", text):
        return
    inputs = [t for t in flat((given.args, given.kwargs), torch.Tensor) if t.requires_grad]
    our_inputs = [t for t in flat(our_given, bx.Tensor) if t.requires_grad]
    inputs += [p for p in reference.parameters() if p.requires_grad]
    our_inputs += [p for p in module.parameters() if p.requires_grad]
    compare(entry, run_torch, run_ours, inputs, our_inputs, second=True)
