"""Gradients of both packages side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from convert import difference, flat, ours, seeds

import backprop_ext as bx

if TYPE_CHECKING:
    from collections.abc import Callable

    from tables import Entry


def compare(
    entry: Entry,
    run_torch: Callable[[], Any],
    run_ours: Callable[[], Any],
    inputs: list[torch.Tensor],
    our_inputs: list[Any],
    second: bool,
) -> None:
    """Count first and second gradients of results that were already found equal."""
    outputs = [t for t in flat(run_torch(), torch.Tensor) if t.requires_grad]
    if not outputs or not inputs:
        return
    incoming = [s.requires_grad_(second) for s in seeds(outputs, 1)]
    try:
        first = torch.autograd.grad(
            outputs, inputs, incoming, create_graph=second, allow_unused=True
        )
    except (RuntimeError, NotImplementedError):
        return  # PyTorch has no derivative here
    our_incoming = [ours(s) for s in incoming]
    try:
        our_outputs = [t for t in flat(run_ours(), bx.Tensor) if t.requires_grad]
        our_first = bx.autograd.grad(
            our_outputs, our_inputs, our_incoming, create_graph=second, allow_unused=True
        )
    except Exception as error:
        entry.count("gradient", f"{type(error).__name__}: {error}")
        return
    if not entry.count("gradient", difference(zeros(first, inputs), zeros(our_first, our_inputs))):
        return
    if not second:
        return
    kept = [k for k, g in enumerate(first) if g is not None and g.requires_grad]
    if not kept:
        return
    onto, our_onto = inputs + incoming, our_inputs + our_incoming
    again = seeds([first[k] for k in kept], 2)
    try:
        result = torch.autograd.grad([first[k] for k in kept], onto, again, allow_unused=True)
    except (RuntimeError, NotImplementedError):
        return
    try:
        pairs = [(our_first[k], a) for k, a in zip(kept, again, strict=True)]
        pairs = [(g, a) for g, a in pairs if g is not None and g.requires_grad]
        our_result = bx.autograd.grad(
            [g for g, _ in pairs], our_onto, [ours(a) for _, a in pairs], allow_unused=True
        )
    except Exception as error:
        entry.count("second", f"{type(error).__name__}: {error}")
        return
    entry.count("second", difference(zeros(result, onto), zeros(our_result, our_onto)))


def zeros(gradients: Any, inputs: list[Any]) -> list[Any]:
    """No gradient is as good as zeros."""
    return [(i.detach() * 0 if g is None else g) for g, i in zip(gradients, inputs, strict=True)]
