"""Convolutions, their transposes, and windows as columns."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from .row import Real, case, row


def _numbers(value: Any, dims: int) -> list[int]:
    return [value] * dims if isinstance(value, int) else list(value)


def _meetings(kernel: Any, out: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """(tap, output position, input position) of every product of a convolution."""
    for tap in product(*map(range, kernel)):
        for o in product(*map(range, out)):
            at = zip(o, tap, stride, padding, dilation, strict=True)
            yield tap, o, tuple(i * s - p + k * d for i, k, s, p, d in at)


def _inside(position: Any, size: Any) -> bool:
    return all(0 <= p < n for p, n in zip(position, size, strict=True))


def _conv(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    dims = w.ndim - 2
    if x.ndim == dims + 1:
        return _conv(x[None], w, b, stride, padding, dilation, groups)[0]
    stride, dilation = _numbers(stride, dims), _numbers(dilation, dims)
    size, kernel = x.shape[2:], w.shape[2:]
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if padding == "same":
        low, out = [r // 2 for r in reach], list(size)
    else:
        low = _numbers(0 if padding == "valid" else padding, dims)
        out = [
            (n + 2 * p - r - 1) // s + 1
            for n, p, r, s in zip(size, low, reach, stride, strict=True)
        ]
    y = np.zeros((len(x), len(w), *out))
    step, made = x.shape[1] // groups, len(w) // groups
    for tap, o, i in _meetings(kernel, out, stride, low, dilation):
        if _inside(i, size):
            for g in range(groups):
                a = x[(slice(None), slice(g * step, (g + 1) * step), *i)]
                m = w[(slice(g * made, (g + 1) * made), slice(None), *tap)]
                y[(slice(None), slice(g * made, (g + 1) * made), *o)] += a @ m.T
    return y if b is None else y + b.reshape(-1, *[1] * dims)


def _conv_transpose(
    x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    dims = w.ndim - 2
    if x.ndim == dims + 1:
        return _conv_transpose(x[None], w, b, stride, padding, output_padding, groups, dilation)[0]
    numbers = [_numbers(v, dims) for v in (stride, padding, output_padding, dilation)]
    size = [
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, k, s, p, e, d in zip(x.shape[2:], w.shape[2:], *numbers, strict=True)
    ]
    step, made = x.shape[1] // groups, w.shape[1]
    y = np.zeros((len(x), made * groups, *size))
    kernel, out = w.shape[2:], x.shape[2:]
    for tap, o, i in _meetings(kernel, out, numbers[0], numbers[1], numbers[3]):
        if _inside(i, size):
            for g in range(groups):
                a = x[(slice(None), slice(g * step, (g + 1) * step), *o)]
                m = w[(slice(g * step, (g + 1) * step), slice(None), *tap)]
                y[(slice(None), slice(g * made, (g + 1) * made), *i)] += a @ m
    return y if b is None else y + b.reshape(-1, *[1] * dims)


def _unfold(x: Any, kernel: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    if x.ndim == 3:
        return _unfold(x[None], kernel, dilation, padding, stride)[0]
    kernel = _numbers(kernel, 2)
    taps = kernel[0] * kernel[1]
    w = np.eye(taps).reshape(taps, 1, *kernel)
    channels = [
        _conv(x[:, c : c + 1], w, None, stride, padding, dilation) for c in range(len(x[0]))
    ]
    return np.concatenate(channels, 1).reshape(len(x), x.shape[1] * taps, -1)


def _fold(
    x: Any, size: Any, kernel: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """The transpose of unfold, from its matrix."""
    if x.ndim == 2:
        return _fold(x[None], size, kernel, dilation, padding, stride)[0]
    size, taps = _numbers(size, 2), int(np.prod(_numbers(kernel, 2)))
    images = np.eye(size[0] * size[1]).reshape(-1, 1, *size)
    matrix = _unfold(images, kernel, dilation, padding, stride).reshape(len(images), -1)
    channels = x.reshape(len(x), x.shape[1] // taps, -1)
    return (channels @ matrix.T).reshape(len(x), -1, *size)


IMAGE = {1: (7,), 2: (5, 4), 3: (3, 4, 3)}
KERNEL = {1: (3,), 2: (3, 2), 3: (2, 1, 3)}
CONV = ({}, {"stride": 2, "padding": 1}, {"padding": "same", "dilation": 2}, {"padding": "valid"})


def _conv_cases(dims: int) -> list[Any]:
    image, kernel, bias = IMAGE[dims], KERNEL[dims], Real((4,))
    x = Real((2, 4, *image))
    cases = [case(x, Real((4, 4, *kernel)), bias, **options) for options in CONV]
    return [
        *cases,
        case(x, Real((4, 2, *kernel)), None, [2] * dims, [1] * dims, [1] * dims, 2),
        case(x, Real((4, 1, *kernel)), bias, groups=4),
        case(x, Real((8, 1, *kernel)), None, 2, 1, groups=4),
        case(x, Real((4, 4, *[1] * dims)), bias, stride=2),  # elements that no window sees
        case(x, Real((4, 4, *kernel)), bias, 3, 4, 2),  # more padding than window
        case(Real((1, 2, *image)), Real((30, 2, *kernel)), stride=2, padding=1, dilation=2),
        case(Real((4, *image)), Real((3, 4, *[1] * dims))),
        case(Real((0, 4, *image)), Real((3, 4, *[1] * dims))),
    ]


def _transposed_cases(dims: int) -> list[Any]:
    image, kernel = tuple(n - 1 for n in IMAGE[dims]), KERNEL[dims]
    x, bias = Real((2, 4, *image)), Real((2,))
    return [
        case(x, Real((4, 2, *kernel)), bias),
        case(x, Real((4, 2, *kernel)), bias, stride=2, output_padding=1),
        case(x, Real((4, 1, *kernel)), bias, 1, 0, 0, 2, 2),
        case(Real((4, *image)), Real((4, 2, *[1] * dims))),
    ]


TOLERANCE: dict[str, Any] = {"rtol": 5e-6, "torch_rtol": 1e-10}

ROWS = [
    *(row(f"nn.conv{d}d", _conv, *_conv_cases(d), **TOLERANCE) for d in (1, 2, 3)),
    *(
        row(f"nn.conv_transpose{d}d", _conv_transpose, *_transposed_cases(d), **TOLERANCE)
        for d in (1, 2, 3)
    ),
    row(
        "nn.im2col", _unfold,
        case(Real((2, 3, 5, 4)), [2, 2], [1, 1], [0, 0], [1, 1]),
        case(Real((2, 1, 5, 4)), [3, 2], [1, 1], [1, 0], [2, 1]),
        case(Real((2, 5, 4)), (2, 2), (2, 2), (0, 0), (1, 1)),
        torch=False,
    ),
    row(
        "nn.col2im", _fold,
        case(Real((2, 8, 12)), (5, 4), (2, 2), (1, 1), (0, 0), (1, 1)),
        case(Real((2, 12, 9)), [5, 4], [3, 2], [1, 1], [1, 1], [2, 2]),
        case(Real((4, 6)), (5, 4), (2, 2), (2, 2), (0, 0), (1, 1)),
        torch=False,
    ),
]  # fmt: skip
