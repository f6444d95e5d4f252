"""Normalisation by moments, similarities, lookups, and pixels rearranged."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Real, Whole, case, row


def _moments(x: Any, axes: Any) -> Any:
    return x.mean(axes, keepdims=True), x.var(axes, keepdims=True)


def _scaled(x: Any, mean: Any, var: Any, w: Any, b: Any, eps: float) -> Any:
    y = (x - mean) / np.sqrt(var + eps)
    y = y if w is None else y * w
    return y if b is None else y + b


def _column(v: Any, ndim: int) -> Any:
    return None if v is None else v.reshape(-1, *[1] * (ndim - 2))


def _batch_norm(
    x: Any, mean: Any, var: Any, w: Any = None, b: Any = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    if training:
        mean, var = _moments(x, (0, *range(2, x.ndim)))
    else:
        mean, var = _column(mean, x.ndim), _column(var, x.ndim)
    return _scaled(x, mean, var, _column(w, x.ndim), _column(b, x.ndim), eps)


def _instance_norm(
    x: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
    use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    if not use_input_stats:
        return _batch_norm(x, running_mean, running_var, weight, bias, eps=eps)
    mean, var = _moments(x, tuple(range(2, x.ndim)))
    return _scaled(x, mean, var, _column(weight, x.ndim), _column(bias, x.ndim), eps)


def _group_norm(x: Any, groups: int, w: Any = None, b: Any = None, eps: float = 1e-5) -> Any:
    split = x.reshape(len(x), groups, -1)
    mean, var = _moments(split, 2)
    y = ((split - mean) / np.sqrt(var + eps)).reshape(x.shape)
    return _scaled(y, 0, 1, _column(w, x.ndim), _column(b, x.ndim), 0)


def _layer_norm(x: Any, shape: Any, w: Any = None, b: Any = None, eps: float = 1e-5) -> Any:
    return _scaled(x, *_moments(x, tuple(range(-len(shape), 0))), w, b, eps)


def _rms_norm(x: Any, shape: Any, w: Any = None, eps: Any = None) -> Any:
    eps = np.finfo("float64").eps if eps is None else eps
    mean = (x * x).mean(tuple(range(-len(shape), 0)), keepdims=True)
    return _scaled(x, 0, mean, w, None, eps)


def _norm(x: Any, p: float, axis: int, keepdims: bool) -> Any:
    return np.linalg.norm(x, p, axis, keepdims)


def _cosine(a: Any, b: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    a, b = np.broadcast_arrays(a, b)
    norms = [np.maximum(_norm(x, 2, dim, False), eps) for x in (a, b)]
    return (a * b).sum(dim) / (norms[0] * norms[1])


def _distance(a: Any, b: Any, p: float = 2, eps: float = 1e-6, keepdim: bool = False) -> Any:
    return _norm(a - b + eps, p, -1, keepdim)


def _glu(x: Any, dim: int = -1) -> Any:
    a, b = np.split(x, 2, dim)
    return a / (1 + np.exp(-b))


def _bags(rows: Any, offsets: Any, last: bool) -> list[Any]:
    if offsets is None:
        return list(range(len(rows)))
    ends = [*offsets[1:], *([] if last else [len(rows)])]
    return [slice(b, e) for b, e in zip(offsets, ends, strict=False)]


def _embedding_bag(
    x: Any, w: Any, offsets: Any = None, mode: str = "mean", per_sample_weights: Any = None,
    include_last_offset: bool = False, padding_idx: Any = None, scale_grad_by_freq: bool = False,
) -> Any:  # fmt: skip
    y = []
    for bag in _bags(x, offsets, include_last_offset):
        chosen = x[bag]
        keep = np.ones(len(chosen), bool) if padding_idx is None else chosen != padding_idx
        rows = w[chosen[keep]]
        if per_sample_weights is not None:
            rows = rows * per_sample_weights[bag][keep][:, None]
        empty = np.zeros(w.shape[1])
        of = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode]
        y.append(of(rows, 0) if len(rows) else empty)
    return np.stack(y)


def _renorm(w: Any, x: Any, max_norm: float, p: float) -> Any:
    y = w.copy()
    for i in np.unique(x):
        norm = _norm(w[i], p, 0, False)
        y[i] = w[i] * (max_norm / (norm + 1e-7) if norm > max_norm else 1)
    return y


def _pixel_shuffle(x: Any, r: int) -> Any:
    *lead, c, h, w = x.shape
    split = x.reshape(*lead, c // r**2, r, r, h, w)
    split = np.moveaxis(split, (-5, -2, -4, -1, -3), (-5, -4, -3, -2, -1))
    return split.reshape(*lead, c // r**2, h * r, w * r)


def _pixel_unshuffle(x: Any, r: int) -> Any:
    *lead, c, h, w = x.shape
    split = x.reshape(*lead, c, h // r, r, w // r, r)
    split = np.moveaxis(split, (-5, -3, -1, -4, -2), (-5, -4, -3, -2, -1))
    return split.reshape(*lead, c * r * r, h // r, w // r)


def _channel_shuffle(x: Any, groups: int) -> Any:
    split = x.reshape(len(x), groups, x.shape[1] // groups, -1)
    return split.swapaxes(1, 2).reshape(x.shape)


LOOSE: dict[str, Any] = {"rtol": 1e-5, "torch_rtol": 1e-8}
IMAGE, W, B = Real((3, 4, 5)), Real((4,), 0.5, 2), Real((4,))
MEAN, VAR = Real((4,)), Real((4,), 0.5, 2)
TABLE, SIX = Real((5, 3)), Whole((6,), 0, 4)
OFFSETS, SQUARE = np.array([0, 2, 2, 5]), Whole((3, 2), 0, 4)

ROWS = [
    row(
        "nn.batch_norm", _batch_norm,
        case(IMAGE, None, None, W, B, True),
        case(Real((6, 4)), None, None, W, B, True),
        case(Real((2, 4, 3, 2)), None, None, training=True, eps=0.1),
        case(Real((2, 4, 3)), None, None, W, None, True),
        **LOOSE,
    ),
    row(
        "nn.instance_norm", _instance_norm,
        case(IMAGE), case(IMAGE, None, None, W, B), case(Real((2, 4, 3, 2)), eps=0.1),
        case(IMAGE, running_mean=MEAN, running_var=VAR, weight=W, bias=B, use_input_stats=False),
        constants=("running_mean", "running_var"),
        **LOOSE,
    ),
    row(
        "nn.group_norm", _group_norm,
        case(IMAGE, 2), case(IMAGE, 2, W, B), case(Real((2, 4, 3, 2)), 4, W),
        case(Real((3, 4)), 1, W, B),
        **LOOSE,
    ),
    row(
        "nn.layer_norm", _layer_norm,
        case(IMAGE, (5,)), case(IMAGE, [4, 5], Real((4, 5)), Real((4, 5))),
        case(IMAGE, (5,), Real((5,))), case(IMAGE, (5,), None, Real((5,)), eps=0.1),
        **LOOSE,
    ),
    row(
        "nn.rms_norm", _rms_norm,
        case(IMAGE, (5,)), case(IMAGE, (4, 5), Real((4, 5)), 0.1), **LOOSE,
    ),
    row("cosine_similarity", _cosine, case(IMAGE, IMAGE), case(IMAGE, Real((5,)), dim=-1), **LOOSE),
    row(
        "pairwise_distance", _distance,
        case(IMAGE, IMAGE), case(IMAGE, Real((5,)), 3.0, keepdim=True),
        case(IMAGE, IMAGE, p=1.0), case(IMAGE, IMAGE, p=float("inf")),
        **LOOSE,
    ),
    row(
        "nn.normalize", lambda x, p=2.0, dim=1, eps=1e-12: x / _norm(x, p, dim, True),
        case(IMAGE), case(IMAGE, 3.0, -1), case(IMAGE, 1.0, 0), **LOOSE,
    ),
    row("nn.glu", _glu, case(Real((3, 4))), case(Real((4, 3)), 0), rtol=5e-6),
    row(
        "nn.embedding", lambda x, w, **_: w[x],
        case(SIX, TABLE), case(SQUARE, TABLE), case(Whole((), 0, 4, "int32"), TABLE),
    ),
    row(
        "embedding_renorm_", _renorm,
        case(Real((5, 3), 0.5, 2), SIX, 1.5, 2.0), order=0, torch=False, rtol=5e-6,
    ),
    row(
        "nn.embedding_bag", _embedding_bag,
        *(case(SIX, TABLE, OFFSETS, mode) for mode in ("mean", "sum", "max")),
        *(case(SQUARE, TABLE, None, mode, padding_idx=1) for mode in ("mean", "sum", "max")),
        case(SIX, TABLE, OFFSETS, "sum", Real((6,))),
        case(SIX, TABLE, np.array([0, 2, 6]), "sum", include_last_offset=True),
        torch=False, rtol=5e-6,
    ),
    row(
        "nn.one_hot", lambda t, n=-1: np.eye(t.max() + 1 if n == -1 else n, dtype=np.int64)[t],
        case(SQUARE), case(SIX, 7), order=0,
    ),
    row(
        "nn.pixel_shuffle", _pixel_shuffle, case(Real((2, 8, 2, 3)), 2), case(Real((9, 1, 2)), 3)
    ),
    row(
        "nn.pixel_unshuffle", _pixel_unshuffle,
        case(Real((2, 2, 4, 6)), 2), case(Real((1, 3, 6)), 3),
    ),
    row("nn.channel_shuffle", _channel_shuffle, case(Real((2, 6, 3, 2)), 3)),
]  # fmt: skip
