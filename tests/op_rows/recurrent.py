"""Recurrent networks, attention, CTC: what runs over sequences."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np

from .row import Case, Flags, Real, Row, Whole, case, row


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _step(kind: str, x: Any, state: list[Any], weights: list[Any]) -> list[Any]:
    """The state (h, or h and c) after one step; biases and the projection may be missing."""
    w_ih, w_hh, *rest = weights
    b_ih, b_hh = rest[:2] if len(rest) >= 2 else (0, 0)
    a, s = x @ w_ih.T + b_ih, state[0] @ w_hh.T + b_hh
    if kind == "rnn_tanh":
        return [np.tanh(a + s)]
    if kind == "rnn_relu":
        return [np.maximum(a + s, 0)]
    if kind == "gru":
        (ar, az, an), (sr, sz, sn) = np.split(a, 3, -1), np.split(s, 3, -1)
        z = _sigmoid(az + sz)
        return [(1 - z) * np.tanh(an + _sigmoid(ar + sr) * sn) + z * state[0]]
    i, f, g, o = np.split(a + s, 4, -1)
    c = _sigmoid(f) * state[1] + _sigmoid(i) * np.tanh(g)
    h = _sigmoid(o) * np.tanh(c)
    return [h @ rest[-1].T if len(rest) % 2 else h, c]


def _network(kind: str) -> Any:
    def reference(x: Any, *more: Any) -> Any:
        packed = isinstance(more[0], np.ndarray) and more[0].dtype.kind == "i"
        sizes, hx, weights, _, layers, _, _, both = more[:8] if packed else (None, *more[:7])
        hx = hx if isinstance(hx, list) else [hx]
        if packed:
            starts = np.concatenate([[0], np.cumsum(sizes)])
            steps = [x[a:b] for a, b in pairwise(starts)]
        else:
            steps = list(np.swapaxes(x, 0, 1) if more[7] else x)
        directions = 2 if both else 1
        each = len(weights) // (layers * directions)
        last: list[list[Any]] = [[] for _ in hx]
        for layer in range(layers):
            sides = []
            for d in range(directions):
                k = layer * directions + d
                state = [h[k].copy() for h in hx]
                outs: list[Any] = [None] * len(steps)
                for t in range(len(steps))[:: -1 if d else 1]:
                    n = len(steps[t])
                    used = weights[k * each : (k + 1) * each]
                    new = _step(kind, steps[t], [s[:n] for s in state], used)
                    for s, value in zip(state, new, strict=True):
                        s[:n] = value
                    outs[t] = new[0]
                sides.append(outs)
                for found, s in zip(last, state, strict=True):
                    found.append(s)
            steps = [np.concatenate(parts, -1) for parts in zip(*sides, strict=True)]
        out = np.concatenate(steps) if packed else np.stack(steps)
        if not packed and more[7]:
            out = np.swapaxes(out, 0, 1)
        return [out, *[np.stack(s) for s in last]]

    return reference


def _weights(
    gates: int, inputs: int, hidden: int, layers: int, directions: int, biases: bool, proj: int = 0
) -> list[Real]:
    out, made = proj or hidden, []
    for layer, _ in product(range(layers), range(directions)):
        shapes = [(gates * hidden, inputs if layer == 0 else out * directions)]
        shapes.append((gates * hidden, out))
        shapes += [(gates * hidden,)] * 2 if biases else []
        shapes += [(proj, hidden)] if proj else []
        made += [Real(s, -0.8, 0.8) for s in shapes]
    return made


SIZES = np.array([3, 2, 2, 1])


class _Sizes(Whole):
    def draw(self, rng: Any) -> Any:
        return SIZES


def _networks(kind: str, gates: int) -> Row:
    def given(
        inputs: int, hidden: int, layers: int, both: bool, biases: bool, proj: int, *, packed: bool,
        first: bool = False,
    ) -> Case:  # fmt: skip
        directions = 2 if both else 1
        batch = 3 if packed else 2
        h = Real((layers * directions, batch, proj or hidden), -0.9, 0.9)
        c = Real((layers * directions, batch, hidden), -0.9, 0.9)
        hx: Any = [h, c] if kind == "lstm" else h
        weights = _weights(gates, inputs, hidden, layers, directions, biases, proj)
        rest = (hx, weights, biases, layers, 0.0, True, both)
        if packed:
            return case(Real((8, inputs)), _Sizes((4,)), *rest)
        return case(Real((batch, 3, inputs) if first else (3, batch, inputs)), *rest, first)

    cases = [
        given(3, 2, 1, False, True, 0, packed=False),
        given(2, 3, 2, True, True, 0, packed=False, first=True),
        given(2, 2, 2, True, False, 0, packed=True),
    ]
    if kind == "lstm":
        cases.append(given(2, 3, 1, True, True, 2, packed=False))
    return row(kind, _network(kind), *cases, rtol=1e-5, torch=True)


def _cell(name: str, kind: str, gates: int) -> Row:
    def reference(x: Any, hx: Any, w_ih: Any, w_hh: Any, *biases: Any) -> Any:
        state = hx if isinstance(hx, list) else [hx]
        found = _step(kind, x, state, [w_ih, w_hh, *biases])
        return found if kind == "lstm" else found[0]

    h: Any = [Real((2, 3)), Real((2, 3))] if kind == "lstm" else Real((2, 3))
    w = (Real((gates * 3, 4)), Real((gates * 3, 3)))
    b = (Real((gates * 3,)), Real((gates * 3,)))
    return row(name, reference, case(Real((2, 4)), h, *w, *b), case(Real((2, 4)), h, *w), rtol=1e-5)


def _attention(
    q: Any, k: Any, v: Any, mask: Any = None, p: float = 0.0, is_causal: bool = False,
    scale: Any = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    if enable_gqa:
        groups = q.shape[-3] // k.shape[-3]
        k, v = np.repeat(k, groups, -3), np.repeat(v, groups, -3)
    scores = q @ np.swapaxes(k, -1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        mask = np.tril(np.ones(scores.shape[-2:], bool))
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    top = scores.max(-1, keepdims=True)
    e = np.exp(scores - np.where(np.isinf(top), 0, top))
    total = e.sum(-1, keepdims=True)
    return e / np.where(total == 0, 1, total) @ v


def _ctc(
    lp: Any, targets: Any, inputs: Any, lengths: Any, blank: int = 0, reduction: str = "mean"
) -> Any:
    each = []
    for n, (steps, size) in enumerate(zip(inputs, lengths, strict=True)):
        labels, total = list(targets[n][:size]), 0.0
        for path in product(range(lp.shape[2]), repeat=int(steps)):
            merged = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
            if [c for c in merged if c != blank] == labels:
                total += np.exp(sum(lp[t, n, c] for t, c in enumerate(path)))
        each.append(-np.log(total))
    found = np.array(each)
    if reduction == "mean":
        return (found / np.maximum(lengths, 1)).mean()
    return found.sum() if reduction == "sum" else found


Q, K, V = Real((2, 4, 3, 5)), Real((2, 4, 6, 5)), Real((2, 4, 6, 2))
SCORES, LABELS = Real((4, 2, 3), -3, -0.2), Whole((2, 2), 1, 2)

ROWS = [
    _networks("rnn_tanh", 1),
    _networks("rnn_relu", 1),
    _networks("lstm", 4),
    _networks("gru", 3),
    _cell("rnn_tanh_cell", "rnn_tanh", 1),
    _cell("rnn_relu_cell", "rnn_relu", 1),
    _cell("lstm_cell", "lstm", 4),
    _cell("gru_cell", "gru", 3),
    row(
        "nn.scaled_dot_product_attention",
        _attention,
        case(Q, K, V),
        case(Q, K, V, scale=0.3),
        case(Q, K, V, Flags((3, 6))),
        case(Q, K, V, Real((2, 1, 3, 6))),
        case(Q, K, V, is_causal=True),
        case(Q, Real((2, 2, 6, 5)), Real((2, 2, 6, 2)), enable_gqa=True),
        case(Real((3, 5)), Real((4, 5)), Real((4, 2))),
        rtol=1e-5,
    ),
    # PyTorch's gradient is that of unnormalised scores: tests/test_sequences.py has it.
    row(
        "nn.ctc_loss",
        _ctc,
        case(SCORES, LABELS, (4, 3), (2, 1)),
        case(SCORES, LABELS, (4, 4), (1, 1), reduction="none"),
        case(SCORES, Whole((2, 2), 0, 1), (4, 4), (1, 1), 2, "sum"),
        order=0,
        rtol=1e-5,
    ),
]
