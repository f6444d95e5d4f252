"""The losses of nn.functional."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Case, Real, Row, Whole, case, row

REDUCTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"reduction": "sum"},
    {"reduction": "none"},
    {"reduction": "mean"},
)


def _reduced(each: Any, reduction: str) -> Any:
    return {"none": each, "mean": each.mean(), "sum": each.sum()}[reduction]


def _elementwise(function: Any) -> Any:
    def reference(a: Any, target: Any, reduction: str = "mean", **kwargs: Any) -> Any:
        return _reduced(np.asarray(function(a, target, **kwargs)), reduction)

    return reference


def _smooth_l1(a: Any, t: Any, beta: float = 1.0) -> Any:
    d = np.abs(a - t)
    return np.where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta)


def _huber(a: Any, t: Any, delta: float = 1.0) -> Any:
    d = np.abs(a - t)
    return np.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta))


def _bce(a: Any, t: Any, weight: Any = None) -> Any:
    each = -(t * np.log(a) + (1 - t) * np.log(1 - a))
    return each if weight is None else each * weight


def _bce_logits(a: Any, t: Any, weight: Any = None, pos_weight: Any = None) -> Any:
    positive = 1 if pos_weight is None else pos_weight
    each = positive * t * np.log1p(np.exp(-a)) + (1 - t) * np.log1p(np.exp(a))
    return each if weight is None else each * weight


def _nll(
    logp: Any, t: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    if logp.ndim == 1:
        rows, t, shape = logp[None], t.reshape(1), ()
    else:
        rows, shape = np.moveaxis(logp, 1, -1).reshape(-1, logp.shape[1]), t.shape
    t = t.reshape(-1)
    used = np.where(t == ignore_index, 0.0, 1.0)
    safe = np.where(t == ignore_index, 0, t)
    used = used * (1.0 if weight is None else weight[safe])
    each = -used * rows[np.arange(len(t)), safe]
    if reduction == "mean":
        return each.sum() / used.sum()
    return each.sum() if reduction == "sum" else each.reshape(shape)


def _cross_entropy(
    a: Any,
    t: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    axis = 0 if a.ndim == 1 else 1
    logp = a - np.log(np.exp(a).sum(axis=axis, keepdims=True))
    classes = a.shape[axis]
    if t.dtype.kind != "f":
        hard = _nll(logp, t, weight, ignore_index, reduction)
        if not label_smoothing:
            return hard
        w = np.ones(classes) if weight is None else weight
        spread = -(logp * w.reshape([-1 if d == axis else 1 for d in range(a.ndim)])).sum(axis)
        spread = np.where(t == ignore_index, 0.0, spread)
        used = np.where(t == ignore_index, 0.0, w[np.where(t == ignore_index, 0, t)])
        if reduction == "mean":
            spread = spread.sum() / used.sum()
        elif reduction == "sum":
            spread = spread.sum()
        return (1 - label_smoothing) * hard + label_smoothing / classes * spread
    t = t * (1 - label_smoothing) + label_smoothing / classes
    terms = logp * t
    if weight is not None:
        terms = terms * weight.reshape([-1 if d == axis else 1 for d in range(a.ndim)])
    each = -terms.sum(axis)
    return each.sum() / (a.size / classes) if reduction == "mean" else _reduced(each, reduction)


def _kl(a: Any, t: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    each = np.exp(t) * (t - a) if log_target else t * (np.log(t) - a)
    if reduction == "batchmean":
        return each.sum() / a.shape[0]
    return _reduced(each, reduction)


def _loss(name: str, function: Any, *cases: Case, low: float = -2.0, high: float = 2.0) -> Row:
    plain = [case(Real((4, 3), low, high), Real((4, 3), low, high), **r) for r in REDUCTIONS]
    single = case(Real((), low, high), Real((), low, high))
    return row("nn." + name, _elementwise(function), *plain, single, *cases, rtol=5e-6)


A, T, P, Q = Real((4, 3)), Real((4, 3)), Real((4, 3), 0.1, 0.9), Real((4, 3), 0.2, 0.8)
CLASS = Whole((4,), 0, 2)
WEIGHT = Real((3,), 0.5, 2)

ROWS = [
    _loss("mse_loss", lambda a, t: (a - t) ** 2, case(A, Real((3,)))),
    _loss("l1_loss", lambda a, t: np.abs(a - t), case(A, Real((3,)))),
    _loss(
        "smooth_l1_loss", _smooth_l1, case(A, T, beta=0.4), case(A, T, reduction="sum", beta=2.0)
    ),
    _loss("huber_loss", _huber, case(A, T, delta=0.4), case(A, T, "none", delta=2.0)),
    row(
        "nn.soft_margin_loss",
        _elementwise(lambda a, target: np.log1p(np.exp(-a * target))),
        *[case(A, target=T, **r) for r in REDUCTIONS],
        rtol=5e-6,
        constants=("target",),
    ),
    row(
        "nn.binary_cross_entropy",
        _elementwise(_bce),
        *[case(P, Q, **r) for r in REDUCTIONS],
        case(P, Q, weight=Real((3,), 0.5, 2)),
        case(P, Q, weight=Real((4, 3), 0.5, 2), reduction="none"),
        rtol=5e-6,
        constants=("weight",),
    ),
    row(
        "nn.binary_cross_entropy_with_logits",
        _elementwise(_bce_logits),
        *[case(A, Q, **r) for r in REDUCTIONS],
        case(A, Q, weight=Real((3,), 0.5, 2)),
        case(A, Q, pos_weight=Real((3,), 0.5, 2)),
        case(A, Q, weight=Real((4, 1), 0.5, 2), pos_weight=Real((3,), 0.5, 2), reduction="sum"),
        rtol=5e-6,
        constants=("weight", "pos_weight"),
    ),
    row(
        "nn.nll_loss",
        _nll,
        *[case(A, CLASS, **r) for r in REDUCTIONS],
        case(A, CLASS, weight=WEIGHT),
        case(A, CLASS, ignore_index=1),
        case(A, CLASS, weight=WEIGHT, ignore_index=0, reduction="none"),
        case(Real((3,)), Whole((), 0, 2)),
        case(Real((2, 3, 4)), Whole((2, 4), 0, 2)),
        case(Real((2, 3, 2, 2)), Whole((2, 2, 2), 0, 2), reduction="none"),
        constants=("weight",),
        rtol=5e-6,
    ),
    row(
        "nn.cross_entropy",
        _cross_entropy,
        *[case(A, CLASS, **r) for r in REDUCTIONS],
        *[case(A, CLASS, label_smoothing=0.2, **r) for r in REDUCTIONS],
        case(A, CLASS, weight=WEIGHT, label_smoothing=0.3),
        case(A, CLASS, weight=WEIGHT, ignore_index=2, label_smoothing=0.3, reduction="sum"),
        case(A, CLASS, ignore_index=1),
        *[case(A, P, **r) for r in REDUCTIONS],
        case(A, P, weight=WEIGHT, label_smoothing=0.1),
        case(Real((3,)), Whole((), 0, 2)),
        case(Real((2, 3, 4)), Whole((2, 4), 0, 2)),
        constants=("weight",),
        rtol=5e-6,
    ),
    row(
        "nn.kl_div",
        _kl,
        *[case(A, P, **r) for r in REDUCTIONS],
        case(A, P, reduction="batchmean"),
        case(A, T, log_target=True),
        rtol=5e-6,
    ),
]
