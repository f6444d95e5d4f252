"""Answers compared before anything is timed; peers timed in turn, round by round."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

Values = np.ndarray[Any, Any]
Answer = dict[str, Values]


class Running(Protocol):
    """A workload set up for one peer."""

    def run(self, steps: int) -> None:
        """Run that many steps, one or more."""

    def answer(self) -> Answer:
        """What the steps so far have led to."""


def changes(loss: Values, start: Mapping[str, Values], now: Mapping[str, Values]) -> Answer:
    """The answer of a training workload: its loss, and what has become of each parameter."""
    return {"loss": loss} | {f"change of {name}": now[name] - start[name] for name in start}


def difference(got: Answer, want: Answer, tolerance: float) -> str | None:
    """Why `got` is not `want`, or None if each array has `|got - want| <= tolerance * |want|`.

    The norm is Euclidean: an element whose relu lies on the other side of 0 in float32 than in
    float64 is no mistake, but would break a bound on the largest error.
    """
    if got.keys() != want.keys():
        return f"answers with {sorted(got)} instead of {sorted(want)}"
    for name, expected in want.items():
        values = got[name]
        if values.size != expected.size:
            return f"{name} has {values.size} elements instead of {expected.size}"
        error = float(np.linalg.norm(values.reshape(-1) - expected.reshape(-1)))
        scale = float(np.linalg.norm(expected))
        if not error <= tolerance * scale:
            return f"{name} is off by {error:.2g}, its norm being {scale:.2g} (both Euclidean)"
    return None


def finite(answer: Answer) -> bool:
    """Whether nothing has become NaN or infinite."""
    return all(bool(np.isfinite(values).all()) for values in answer.values())


def interleaved(
    runs: Mapping[str, Running], *, rounds: int, seconds: float, rest: float = 0.0
) -> dict[str, list[float]]:
    """Seconds per step of each peer in each round; a round gives every peer about `seconds`.

    Before each turn the machine rests for `rest` seconds: the threads of whoever ran before wait
    for more work on the processor for a while, OpenMP's and OpenBLAS's for milliseconds.
    """
    steps = {peer: _steps_for(running, seconds) for peer, running in runs.items()}
    times: dict[str, list[float]] = {peer: [] for peer in runs}
    order = list(runs)
    shuffle = random.Random(0).shuffle
    enabled = gc.isenabled()
    for _ in range(rounds):
        # Nobody always runs in the caches that the same neighbour left behind.
        shuffle(order)
        gc.collect()
        gc.disable()
        try:
            for peer in order:
                time.sleep(rest)
                if rest or steps[peer] >= 10:
                    runs[peer].run(max(1, steps[peer] // 10))
                times[peer].append(_time(runs[peer], steps[peer]) / steps[peer])
        finally:
            if enabled:
                gc.enable()
    return times


def median_ratio(peer: list[float], ours: list[float]) -> float:
    """The median over the rounds of peer / ours: drift of the machine cancels inside a round."""
    return statistics.median(p / o for p, o in zip(peer, ours, strict=True))


def _time(running: Running, steps: int) -> float:
    start = time.perf_counter()
    running.run(steps)
    return time.perf_counter() - start


def _steps_for(running: Running, seconds: float) -> int:
    steps = 1
    while (taken := _time(running, steps)) < seconds / 4:
        steps *= 4
    return max(1, round(steps * seconds / taken))
