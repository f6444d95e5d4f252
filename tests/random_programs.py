"""Random programs of views, writes in place and gradients, for tests that run them.

Left out is what differs from PyTorch on purpose: writes into memory that overlaps itself
(`as_strided`, `unfold`), lazily conjugated views, writes into parts from `split` and `unbind`, and
views of a leaf whose need of a gradient changes later.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

SHAPES = [(3, 4), (2, 3, 4), (4,), (1, 4), (3, 1), (4, 4), (), (2, 1, 4), (2, 2, 2, 2)]

# {v}, {w}: tensors, {d}, {e}: dimensions, {n}: a number.
VIEWS = [
    *("{v}.t()", "{v}.transpose({d}, {e})", "{v}[0]", "{v}[..., 1:]", "{v}[:, ::2]", "{v}[None]"),
    *("{v}.unsqueeze({d})", "{v}.squeeze()", "{v}.flatten()", "{v}.reshape(-1, 2)", "{v}.mT"),
    *("{v}.expand(2, *{v}.shape)", "{v}.narrow({d}, 0, 1)", "{v}.select({d}, 0)", "{v}.diagonal()"),
    *("{v}.movedim(0, -1)", "{v}.view_as({v})", "{v}[:, None, 0]", "{v}.unflatten({d}, (2, -1))"),
]
COPIES = [
    *("{v}.clone()", "{v}.flip(0)", "{v}.roll(1, {d})", "{v}[[0, 1]]"),
    *("{v}[torch.tensor([1, 0])]", "{v}.tril()", "{v}.exp()", "{v}.tanh()", "{v}.relu()"),
    *("{v}.abs()", "{v}.sin()", "{v}.square()", "{v}.sum()", "{v}.mean({d})", "{v}.prod({d})"),
    *("{v}.max({d})[0]", "{v}.cumsum({d})", "{v}.softmax({d})", "{v}.sort({d})[0]", "{v}.norm()"),
    *("{v} + {w}", "{v} * {w}", "{v} - {n}", "{v} / {w}", "{v} @ {w}", "{n} * {v}"),
    *("torch.cat([{v}, {w}], {d})", "torch.stack([{v}, {w}], {d})", "torch.maximum({v}, {w})"),
    *("torch.where({v} > 0, {v}, {w})", "{v}.masked_fill({w} > 0, 1.0)", "{v}.expand_as({w})"),
    *("torch.outer({v}.flatten(), {w}.flatten())", "{v}.gather({d}, {w}.long().abs() % 2)"),
]
WRITES = [
    *("{v}.mul_({w})", "{v}.add_({w}, alpha=2)", "{v}[0] = {n}", "{v}[..., 0] = {w}[..., 0]"),
    *("{v}.copy_({w})", "{v}.zero_()", "{v}.fill_({n})", "{v}[{v} > 0] = {n}", "{v} *= {n}"),
    *("{v}[:, 0] *= 2", "{v}.t().add_({n})", "{v}.clamp_(-1, 1)", "{v}.exp_()", "{v}.tanh_()"),
    *("{v}.transpose_({d}, {e})", "{v}.unsqueeze_(0)", "{v}.squeeze_()", "{v}.t_()"),
    *("{v}[[0, 0]] = {n}", "{v}.masked_fill_({w} > 0, {n})", "{v}.diagonal().fill_({n})"),
    *("{v}[1:].copy_({v}[:-1].clone())", "{v}.relu_()", "{v}.index_add_(0, FIRST, {w}[:1])"),
    *("{v}.requires_grad_(False)", "{v}.grad = None"),
]
PASSES = [
    *("{v}.sum().backward()", "({v} * 2.5).sum().backward(retain_graph=True)", "{v}.backward()"),
    "{v}.backward(torch.ones_like({v}))",
]
GRADIENTS = [
    "torch.autograd.grad({v}.sum(), {w}, create_graph=True, allow_unused=True)[0]",
    "torch.autograd.grad({v}.sum(), {w}, retain_graph=True)[0]",
]


def program(seed: int, lines: int = 14) -> list[str]:
    """Its lines; a line that begins with "v3 = " makes the variable v3."""
    draw = random.Random(seed)
    made, text = 0, []

    def new(expression: str) -> None:
        nonlocal made
        text.append(f"v{made} = {expression}")
        made += 1

    for k in range(draw.randint(2, 3)):
        values = f"np.random.RandomState({seed + k}).randn{draw.choice(SHAPES)}"
        new(f"torch.tensor(np.asarray({values}))")
        if draw.random() < 0.7:
            text.append(f"v{made - 1}.requires_grad_()")
    for _ in range(lines):
        kind = draw.random()
        recent = range(max(0, made - 6), made)
        names = {
            **{"v": f"v{draw.choice(recent)}", "w": f"v{draw.choice(recent)}"},
            **{"d": draw.choice([0, 1, -1, -2]), "e": draw.choice([0, 1, -1])},
            "n": draw.choice(["2.0", "0.5", "-1.0", "0.0"]),
        }
        if kind < 0.25:
            new(draw.choice(VIEWS).format(**names))
        elif kind < 0.55:
            new(draw.choice(COPIES).format(**names))
        elif kind < 0.85:
            unrecorded = "with torch.no_grad(): " if draw.random() < 0.3 else ""
            text.append(unrecorded + draw.choice(WRITES).format(**names))
        elif kind < 0.95:
            text.append(draw.choice(PASSES).format(**names))
        else:
            new(draw.choice(GRADIENTS).format(**names))
    leaves = " + ".join(f"v{k}.sum()" for k in range(made))
    return [*text, f"({leaves}).backward()"]


class Run:
    """A program that runs in a library, line by line."""

    def __init__(self, library: Any, seed: int) -> None:
        self.lines = program(seed)
        self._library = library
        self._names: dict[str, Any] = {"torch": library, "np": np}
        self._names["FIRST"] = library.tensor([0])

    def step(self, number: int) -> Exception | None:
        """Run a line; what it raised. A variable without a tensor is then a matrix of ones."""
        raised = None
        try:
            exec(self.lines[number], self._names)
        except Exception as error:
            raised = error
        name, equals, _ = self.lines[number].partition(" = ")
        if equals and name.isidentifier() and (raised or self._names[name] is None):
            self._names[name] = self._library.ones(2, 2, dtype=self._library.float64)
        return raised

    def tensors(self) -> dict[str, Any]:
        """The variables that are tensors."""
        kind = self._library.Tensor
        return {name: t for name, t in self._names.items() if name != "FIRST" and type(t) is kind}
