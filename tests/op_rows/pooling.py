"""Pooling over windows, and the places of maxima."""

from __future__ import annotations

from itertools import product
from math import ceil, prod
from typing import Any

import numpy as np

from .row import Case, Real, Row, case, row


def _numbers(value: Any, dims: int) -> list[int]:
    return [value] * dims if isinstance(value, int) else list(value)


def _count(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    room = (n + 2 * p - d * (k - 1) - 1) / s
    count = (ceil(room) if ceil_mode else int(room // 1)) + 1
    return count - 1 if ceil_mode and (count - 1) * s >= n + p else count


def _windows(size: Any, k: Any, s: Any, p: Any, d: Any, ceil_mode: bool) -> list[Any]:
    """Per dimension: per window the elements that it covers, and where the padded ones would be."""
    found = []
    for n, ki, si, pi, di in zip(size, k, s, p, d, strict=True):
        starts = [o * si - pi for o in range(_count(n, ki, si, pi, di, ceil_mode))]
        found.append([[b + j * di for j in range(ki)] for b in starts])
    return found


def _layout(dims: int, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    k = _numbers(kernel, dims)
    return (
        k,
        _numbers(kernel if stride is None else stride, dims),
        *(_numbers(v, dims) for v in (padding, dilation)),
    )


def _max_over(x: Any, windows: list[Any]) -> Any:
    dims = len(windows)
    size = x.shape[-dims:]
    shape = x.shape[:-dims] + tuple(len(w) for w in windows)
    y, places = np.zeros(shape), np.zeros(shape, np.int64)
    flat = x.reshape(*x.shape[:-dims], -1)
    for o in product(*(range(len(w)) for w in windows)):
        inside = [
            [i for i in w[at] if 0 <= i < n] for w, at, n in zip(windows, o, size, strict=True)
        ]
        at = [int(np.ravel_multi_index(i, size)) for i in product(*inside)]
        part = flat[..., at]
        y[(..., *o)] = part.max(-1)
        places[(..., *o)] = np.asarray(at)[part.argmax(-1)]
    return y, places


def _max_pool(dims: int) -> Any:
    def reference(
        x: Any, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> Any:  # fmt: skip
        layout = _layout(dims, kernel, stride, padding, dilation)
        return _max_over(x, _windows(x.shape[-dims:], *layout, ceil_mode))

    return reference


def _even(size: Any, out: Any) -> list[Any]:
    return [
        [list(range(o * n // m, -(-(o + 1) * n // m))) for o in range(m)]
        for n, m in zip(size, out, strict=True)
    ]


def _adaptive(dims: int, function: Any) -> Any:
    return lambda x, size: function(x, _even(x.shape[-dims:], _numbers(size, dims)))


def _mean_over(x: Any, windows: list[Any]) -> Any:
    dims = len(windows)
    y = np.zeros(x.shape[:-dims] + tuple(len(w) for w in windows))
    for o in product(*(range(len(w)) for w in windows)):
        part = x[(..., *np.ix_(*(w[i] for w, i in zip(windows, o, strict=True))))]
        y[(..., *o)] = part.mean(tuple(range(-dims, 0)))
    return y


def _avg_pool(dims: int) -> Any:
    def reference(
        x: Any, kernel: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: Any = None,
    ) -> Any:  # fmt: skip
        layout = _layout(dims, kernel, stride, padding, 1)
        windows = _windows(x.shape[-dims:], *layout, ceil_mode)
        y = np.zeros(x.shape[:-dims] + tuple(len(w) for w in windows))
        size, pad = x.shape[-dims:], layout[2]
        for o in product(*(range(len(w)) for w in windows)):
            chosen = [w[i] for w, i in zip(windows, o, strict=True)]
            inside = [[i for i in c if 0 <= i < n] for c, n in zip(chosen, size, strict=True)]
            padded = [
                [i for i in c if i < n + p] for c, n, p in zip(chosen, size, pad, strict=True)
            ]
            count = prod(len(c) for c in (padded if count_include_pad else inside))
            total = x[(..., *np.ix_(*inside))].sum(tuple(range(-dims, 0)))
            y[(..., *o)] = total / (divisor_override or count)
        return y

    return reference


def _unpool(dims: int) -> Any:
    def reference(x: Any, places: Any, size: Any) -> Any:
        lead = x.shape[:-dims]
        y = np.zeros((*lead, prod(size)))
        np.put_along_axis(y, places.reshape(*lead, -1), x.reshape(*lead, -1), -1)
        return y.reshape(*lead, *size)

    return reference


class _Places:
    """Places 0, 2, 4, ...: all different, as those of maxima are in what follows."""

    def __init__(self, shape: tuple[int, ...], dims: int) -> None:
        self.shape, self.dims = shape, dims

    def array(self) -> Any:
        inner = prod(self.shape[-self.dims :])
        one = 2 * np.arange(inner)
        lead = self.shape[: -self.dims]
        return np.broadcast_to(one, (*lead, inner)).reshape(self.shape).copy()


SIZE = {1: (7,), 2: (5, 6), 3: (4, 3, 4)}


def _images(dims: int, low: float = -2.0) -> tuple[Real, Real]:
    return Real((2, 2, *SIZE[dims]), low), Real((2, *SIZE[dims]), low)


def _max_cases(dims: int) -> tuple[Case, ...]:
    batch, single = _images(dims)
    return (
        case(batch, 2),
        case(single, [3] * dims, 2, 1),
        case(batch, 2, stride=1, dilation=2),
        case(batch, 3, 2, 1, 1, True),
    )


def _avg_cases(dims: int) -> tuple[Case, ...]:
    batch, single = _images(dims)
    cases = (
        case(batch, 2),
        case(single, [3] * dims, 2, 1),
        case(batch, 3, 2, 1, True),
        case(batch, 3, 2, 1, True, False),
    )
    return cases if dims == 1 else (*cases, case(batch, 2, divisor_override=3))


def _rows(dims: int) -> list[Row]:
    batch, single = _images(dims)
    small = (2, 2, *[2] * dims)
    places = _Places(small, dims).array()
    even = tuple(case(x, size) for x in (batch, single) for size in (1, 2, [3] * dims))
    return [
        row(f"nn.max_pool{dims}d_with_indices", _max_pool(dims), *_max_cases(dims)),
        row(f"nn.adaptive_max_pool{dims}d_with_indices", _adaptive(dims, _max_over), *even),
        row(f"nn.avg_pool{dims}d", _avg_pool(dims), *_avg_cases(dims)),
        row(f"nn.adaptive_avg_pool{dims}d", _adaptive(dims, _mean_over), *even),
        row(
            f"nn.max_unpool{dims}d_to", _unpool(dims),
            case(Real(small), places, [4] * dims), case(Real(small), places, [5] * dims),
            torch=False,
        ),
    ]  # fmt: skip


ROWS = [r for dims in (1, 2, 3) for r in _rows(dims)]
