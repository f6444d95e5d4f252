"""Errors in ulp over float32's bit patterns, and ns per element: `python bench/accuracy.py`.

`--step 1` takes every pattern (half an hour), the default every 101st. The reference is the same
function in float64. The figures are those of docs/accuracy.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter_ns
from typing import Any

import numpy as np

import backprop_ext as bx

F = bx.nn.functional
CHUNK = 1 << 20

Array = Any


def gelu_tanh(x: bx.Tensor) -> bx.Tensor:
    return F.gelu(x, approximate="tanh")


FUNCTIONS: dict[str, Callable[[bx.Tensor], bx.Tensor]] = {
    "exp": bx.exp,
    "log": bx.log,
    "tanh": bx.tanh,
    "sigmoid": bx.sigmoid,
    "erf": bx.erf,
    "gelu": F.gelu,
    "gelu_tanh": gelu_tanh,
}


def exact(name: str, x: Array) -> Array:
    """In float64; a sigmoid that neither overflows nor cancels."""
    if name == "sigmoid":
        e = np.exp(-np.abs(x))
        return np.where(x < 0, e, 1) / (1 + e)
    if name == "gelu_tanh":
        return x * exact("sigmoid", 2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    if name == "gelu":
        return 0.5 * x * bx.erfc(bx.tensor(-x * np.sqrt(0.5))).numpy()
    return FUNCTIONS[name](bx.tensor(x)).numpy()


def ulp(y: Array) -> Array:
    """The distance of float32 numbers around y."""
    _, exponent = np.frexp(y)
    return np.ldexp(1.0, np.maximum(exponent - 24, -149))


def unit(name: str, x: Array, y: Array) -> Array:
    """What an error is counted in: ulps of the result, but for gelu."""
    if name == "gelu":  # 1 + erf cancels where x is negative
        return ulp(0.5 * x)
    if name == "gelu_tanh":  # what the rounding of the sigmoid's argument alone does
        return ulp(y) * np.maximum(1, np.abs(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return ulp(y)


def largest_error(name: str, step: int) -> tuple[float, float]:
    """The largest error over every step-th pattern, and where it is."""
    worst, place = 0.0, 0.0
    for begin in range(0, 1 << 32, CHUNK * step):
        bits = np.arange(begin, min(begin + CHUNK * step, 1 << 32), step, dtype=np.uint64)
        x = bits.astype(np.uint32).view(np.float32)
        x = x[np.isfinite(x)]
        if name == "log":
            x = x[x > 0]
        if not x.size:
            continue
        found = FUNCTIONS[name](bx.tensor(x)).numpy()
        with np.errstate(all="ignore"):
            y = exact(name, x.astype(np.float64))
            error = np.abs(found - y) / unit(name, x.astype(np.float64), y)
            error[found == y.astype(np.float32)] = 0  # infinities, and what is rounded right
        k = int(np.argmax(error))
        if not error[k] <= worst:
            worst, place = float(error[k]), float(x[k])
    return worst, place


def nanoseconds(count: int = 10_000, rounds: int = 300) -> dict[str, float]:
    """Per element: medians of calls taken in turn."""
    x = bx.tensor(np.random.default_rng(0).uniform(-4, 4, count).astype(np.float32))
    times: dict[str, list[int]] = {name: [] for name in FUNCTIONS}
    for _ in range(rounds):
        for name, function in FUNCTIONS.items():
            begin = perf_counter_ns()
            function(x)
            times[name].append(perf_counter_ns() - begin)
    return {name: median(t) / count for name, t in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=int, default=101)
    parser.add_argument("names", nargs="*", default=list(FUNCTIONS))
    args = parser.parse_args()
    bx.set_num_threads(1)
    times = nanoseconds()
    for name in args.names:
        worst, place = largest_error(name, args.step)
        print(f"{name:10} {worst:6.2f} ulp at {place:<14.8g} {times[name]:6.2f} ns")


if __name__ == "__main__":
    main()
