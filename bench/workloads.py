"""What is measured: one row per workload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import by_hand
import jax_deep
import jax_like
import numpy as np
import torch_deep
import torch_like
from bars import SIZES, sized
from handwritten import Handwritten, HandwrittenMlp, HandwrittenScalar
from measure import Running
from problems import BINARY, NETS, UNARY, Net, Problem
from problems_deep import Gpt, LeNet, Lstm
from torch_like import How

TRAINING, CHAIN, ELEMENTWISE = "training step", "chain with reductions", "elementwise"
# Who runs a step only where it is a function of arrays.
FUNCTIONAL = frozenset({"captured", "compile"})


@dataclass(frozen=True)
class Workload:
    """One workload, and how each kind of peer sets it up; None where a kind is left out."""

    name: str
    section: str
    torch: Callable[[Any, How], Running]
    numpy: Callable[[by_hand.Float], Running] | None = None
    eigen: Callable[[Handwritten], Running] | None = None
    jax: Callable[[Any], Running] | None = None
    # The reference where NumPy has none: PyTorch in float64.
    double: Callable[[Any], Running] | None = None
    check_steps: int = 5
    tolerance: float = 1e-3
    wrapped: frozenset[str] = FUNCTIONAL
    large: bool = False  # measured with several threads too

    def set_up(self, key: str, module: Any, how: How) -> Running | None:
        """The workload set up for a peer, or None if it is not one of its peers."""
        if key == "numpy":
            return self.numpy and self.numpy(np.float32)
        if key == "eigen":
            return self.eigen and self.eigen(module)
        if key == "jax":
            return self.jax and self.jax(module)
        if key in FUNCTIONAL - self.wrapped:
            return None
        return self.torch(module, how)


def workloads(quick: bool) -> Iterator[Workload]:
    """Every workload, in the table's order; `quick` leaves out the large ones."""
    yield Workload(
        "scalar step",
        TRAINING,
        torch_like.ScalarStep,
        by_hand.ScalarStep,
        HandwrittenScalar,
        jax_like.ScalarStep,
        tolerance=1e-5,
    )
    for net in NETS:
        if not (quick and max(net.widths) > 784):
            yield _mlp(net)
    yield _deep(LeNet(), torch_deep.lenet, jax_deep.lenet, large=True)
    yield _deep(Lstm(), torch_deep.lstm, jax_deep.lstm)
    yield _deep(Gpt(), torch_deep.gpt, jax_deep.gpt, large=True)
    yield Workload(
        "w * b, recorded", "one op", torch_like.Multiply, by_hand.Multiply, wrapped=frozenset()
    )
    sizes = [size for size in SIZES if not (quick and size > 100_000)]
    for size in sizes:
        yield _chain(size)
    for family in BINARY + UNARY:
        for size in sizes:
            yield _elementwise(family, size)


def _mlp(net: Net) -> Workload:
    sgd = net.optimizer.kind == "sgd"
    return Workload(
        net.name,
        TRAINING,
        partial(torch_like.Training, build=torch_like.mlp, problem=net),
        partial(by_hand.MlpStep, net),
        partial(HandwrittenMlp, net=net) if sgd else None,
        partial(jax_like.Training, problem=net, forward=jax_like.mlp),
        # In float32 a million relus do not all fall on float64's side of 0, and it adds up.
        check_steps=2 if max(net.widths) > 512 else 5,
        large=max(net.widths) > 512,
    )


def _deep(
    problem: Problem,
    build: Callable[[Any, Any], Any],
    forward: jax_like.Forward,
    large: bool = False,
) -> Workload:
    training = partial(torch_like.Training, build=build, problem=problem)
    return Workload(
        problem.name,
        TRAINING,
        training,
        jax=partial(jax_like.Training, problem=problem, forward=forward),
        double=partial(training, how=How(), double=True),
        large=large,
    )


def _chain(size: int) -> Workload:
    return Workload(
        sized("chain", size),
        CHAIN,
        partial(torch_like.Chain, size=size),
        partial(by_hand.Chain, size),
        jax=partial(jax_like.Chain, size=size),
        check_steps=2,
        tolerance=1e-5,
        large=size >= 1_000_000,
    )


def _elementwise(family: str, size: int) -> Workload:
    return Workload(
        sized(family, size),
        ELEMENTWISE,
        partial(torch_like.Elementwise, family=family, size=size),
        partial(by_hand.Elementwise, family, size),
        # The second step of a captured one is its first replay.
        check_steps=2,
        tolerance=1e-5,
        wrapped=frozenset({"captured"}),
    )
