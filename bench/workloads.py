"""What is measured, and the bars: one row per workload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import by_hand
import torch_like
from measure import Running
from peers import Handwritten, HandwrittenMlp, HandwrittenScalar
from problems import BINARY, NETS, UNARY, Net

SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)


@dataclass(frozen=True)
class Bar:
    """PyTorch takes at least `times` as long as we do; or our own value is at most `at_most`."""

    times: float = 0.0
    at_most: float = 0.0

    def met(self, ours: float, ratio: float | None) -> bool | None:
        """Whether it is met; None if the peer it needs was not measured."""
        if self.at_most:
            return ours <= self.at_most
        return None if ratio is None else ratio >= self.times


# For one thread, eager. Seconds for the import, bytes for the wheel.
BARS = {
    "scalar step": Bar(times=8.0),
    "mlp 2-16-16-1, batch 100": Bar(times=8.0),
    "mlp 64-128-10, batch 64": Bar(times=3.5),
    "mlp 784-512-512-10, batch 128": Bar(times=1.0),
    "mlp 1024-1024-1024-1024-1024, batch 1024": Bar(times=1.0),
    **{f"{family}, {size:.0e}": Bar(times=1.0) for family in BINARY + UNARY for size in SIZES},
    "import, beyond NumPy's": Bar(at_most=0.030),
    "wheel": Bar(at_most=5e6),
}


@dataclass(frozen=True)
class Workload:
    """One workload, and how each kind of peer sets it up."""

    name: str
    section: str
    torch_like: Callable[[Any, torch_like.Wrap], Running]
    numpy: Callable[[by_hand.Float], Running]
    eigen: Callable[[Handwritten], Running] | None = None
    check_steps: int = 5
    tolerance: float = 1e-3
    captured: bool = False  # the step is a function, which can be captured too


def workloads(quick: bool) -> Iterator[Workload]:
    """Every workload, in the table's order; `quick` leaves out the large ones."""
    yield Workload(
        "scalar step",
        "training step",
        torch_like.ScalarStep,
        by_hand.ScalarStep,
        HandwrittenScalar,
        check_steps=5,
        tolerance=1e-5,
    )
    for net in NETS:
        if not (quick and max(net.widths) > 784):
            yield _mlp(net)
    yield Workload("w * b, recorded", "one op", torch_like.Multiply, by_hand.Multiply)
    for family in BINARY + UNARY:
        for size in SIZES:
            if not (quick and size > 100_000):
                yield _elementwise(family, size)


def _mlp(net: Net) -> Workload:
    return Workload(
        net.name,
        "training step",
        partial(torch_like.MlpStep, net=net),
        partial(by_hand.MlpStep, net),
        partial(HandwrittenMlp, net=net),
        # In float32 a million relus do not all fall on float64's side of 0, and it adds up.
        check_steps=2 if max(net.widths) > 512 else 5,
        captured=True,
    )


def _elementwise(family: str, size: int) -> Workload:
    return Workload(
        f"{family}, {size:.0e}",
        "elementwise, forward and backward",
        partial(torch_like.Elementwise, family=family, size=size),
        partial(by_hand.Elementwise, family, size),
        check_steps=1,
        tolerance=1e-5,
        captured=True,
    )
