"""The layers of Keras 1 in NumPy: what tests compare with. Weights are those of get_weights()."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray[Any, Any]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def hard_sigmoid(x: Array) -> Array:
    return np.clip(0.2 * x + 0.5, 0, 1)


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def to_first(x: Array) -> Array:
    return np.moveaxis(x, -1, 1)


def to_last(x: Array) -> Array:
    return np.moveaxis(x, 1, -1)


def margins(n: int, window: int, stride: int, dilation: int) -> tuple[int, int]:
    """What TensorFlow's SAME adds before and after."""
    out = (n + stride - 1) // stride
    total = max((out - 1) * stride + dilation * (window - 1) + 1 - n, 0)
    return total // 2, total - total // 2


def windows(
    x: Array, size: Any, stride: Any, dilation: Any, same: bool = False, fill: float = 0.0
) -> Array:
    """(batch, channels, *out, *size) of x (batch, channels, *lengths)."""
    dims = len(size)
    if same:
        pads = [margins(*row) for row in zip(x.shape[2:], size, stride, dilation, strict=True)]
        x = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill)
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    seen = sliding_window_view(x, spans, tuple(range(2, 2 + dims)))
    places = tuple(slice(None, None, s) for s in stride)
    inside = tuple(slice(None, None, d) for d in dilation)
    return seen[(slice(None), slice(None), *places, *inside)]


def convolution(
    x: Array, w: Array, b: Any, stride: Any = None, dilation: Any = None, same: bool = False
) -> Array:
    dims = w.ndim - 2
    stride, dilation = stride or (1,) * dims, dilation or (1,) * dims
    seen = windows(x, w.shape[2:], stride, dilation, same)
    inner = tuple(range(2 + dims, 2 + 2 * dims))
    y = np.moveaxis(np.tensordot(seen, w, ((1, *inner), (1, *range(2, 2 + dims)))), -1, 1)
    return y if b is None else y + b.reshape(-1, *(1,) * dims)


def deconvolution(x: Array, w: Array, b: Array, stride: tuple[int, int]) -> Array:
    """Every number of x spreads a scaled kernel."""
    n, _, rows, columns = x.shape
    k = w.shape[2:]
    y = np.zeros((n, w.shape[1], (rows - 1) * stride[0] + k[0], (columns - 1) * stride[1] + k[1]))
    for i in range(rows):
        for j in range(columns):
            spread = np.tensordot(x[:, :, i, j], w, (1, 0))
            y[:, :, i * stride[0] :, j * stride[1] :][:, :, : k[0], : k[1]] += spread
    return y + b.reshape(-1, 1, 1)


def pooling(x: Array, size: Any, stride: Any, same: bool, average: bool) -> Array:
    ones = (1,) * len(size)
    seen = windows(x, size, stride, ones, same, np.nan)
    inner = tuple(range(-len(size), 0))
    return np.nanmean(seen, inner) if average else np.nanmax(seen, inner)


def simple_rnn(x: Array, w: Array, u: Array, b: Array) -> Array:
    h, states = np.zeros((len(x), len(u))), []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ w.T + b + h @ u.T)
        states.append(h)
    return np.stack(states, 1)


def lstm(x: Array, w: Array, u: Array, b: Array, inner: Any = hard_sigmoid) -> Array:
    n = u.shape[1]
    w4, u4, b4 = w.reshape(4, n, -1), u.reshape(4, n, n), b.reshape(4, n)
    h, c, states = np.zeros((len(x), n)), np.zeros((len(x), n)), []
    for t in range(x.shape[1]):
        i, g, f, o = (x[:, t] @ w4[k].T + h @ u4[k].T + b4[k] for k in range(4))
        c = inner(f) * c + inner(i) * np.tanh(g)
        h = inner(o) * np.tanh(c)
        states.append(h)
    return np.stack(states, 1)


def gru(x: Array, w: Array, u: Array, b: Array, inner: Any = hard_sigmoid) -> Array:
    n = u.shape[1]
    w3, u3, b3 = w.reshape(3, n, -1), u.reshape(3, n, n), b.reshape(3, n)
    h, states = np.zeros((len(x), n)), []
    for t in range(x.shape[1]):
        r = inner(x[:, t] @ w3[0].T + h @ u3[0].T + b3[0])
        z = inner(x[:, t] @ w3[1].T + h @ u3[1].T + b3[1])
        new = np.tanh(x[:, t] @ w3[2].T + (r * h) @ u3[2].T + b3[2])
        h = z * h + (1 - z) * new
        states.append(h)
    return np.stack(states, 1)


def batch_norm(x: Array, gamma: Array, beta: Array, mean: Any, var: Any, axis: int = 1) -> Array:
    axes = tuple(d for d in range(x.ndim) if d != axis % x.ndim)
    shape = [-1 if d == axis % x.ndim else 1 for d in range(x.ndim)]
    mean = x.mean(axes) if mean is None else mean
    var = x.var(axes) if var is None else var
    mean, var, gamma, beta = (v.reshape(shape) for v in (mean, var, gamma, beta))
    return gamma * (x - mean) / np.sqrt(var + 1e-3) + beta


def srelu(x: Array, t_left: Array, a_left: Array, t_right: Array, a_right: Array) -> Array:
    right = t_left + np.abs(t_right)
    y = np.where(x <= t_left, t_left + a_left * (x - t_left), x)
    return np.where(x >= right, right + a_right * (x - right), y)


def highway(x: Array, w: Array, b: Array, v: Array, c: Array) -> Array:
    t = sigmoid(x @ v.T + c)
    return t * np.tanh(x @ w.T + b) + (1 - t) * x


def local(x: Array, w: Array, b: Array, size: Any, stride: Any, same: bool = False) -> Array:
    """A matrix for each window, which runs over the channels first."""
    dims = len(size)
    seen = windows(x, size, stride, (1,) * dims, same)
    out = seen.shape[2 : 2 + dims]
    rows = np.moveaxis(seen, 1, 1 + dims).reshape(len(x), len(w), -1)
    y = np.einsum("nlk,lok->nol", rows, w) + b
    return y.reshape(len(x), -1, *out)


def lrn(x: Array, alpha: float, k: float, beta: float, n: int) -> Array:
    padded = np.pad(x**2, ((0, 0), (n // 2, (n - 1) // 2), (0, 0), (0, 0)))
    sums = sum(padded[:, c : c + x.shape[1]] for c in range(n))
    return x / (k + alpha / n * sums) ** beta


def resize(x: Array, axis: int, length: int, align: bool) -> Array:
    """Linear interpolation along an axis."""
    n = x.shape[axis]
    places = np.arange(length)
    at = places * (n - 1) / (length - 1) if align else (places + 0.5) * n / length - 0.5
    at = np.clip(at, 0, n - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, n - 1)
    share = (at - low).reshape([-1 if d == axis else 1 for d in range(x.ndim)])
    return (1 - share) * x.take(low, axis) + share * x.take(high, axis)
