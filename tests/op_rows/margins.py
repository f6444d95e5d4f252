"""Losses of margins, distances and counts; activations with a drawn mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Case, Real, Row, Whole, case, row

REDUCTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"reduction": "sum"},
    {"reduction": "none"},
    {"size_average": False},
    {"reduce": False},
)


class Signs(Whole):
    """1 or -1."""

    def draw(self, rng: Any) -> Any:
        return rng.choice([-1, 1], self.shape)


def _reduced(
    each: Any, reduction: str = "mean", size_average: Any = None, reduce: Any = None
) -> Any:
    if size_average is False:
        reduction = "sum"
    if reduce is False:
        reduction = "none"
    return {"none": each, "mean": each.mean(), "sum": each.sum()}[reduction]


def _loss(name: str, function: Any, inputs: tuple[Any, ...], *cases: Case, **options: Any) -> Row:
    def reference(*args: Any, **kwargs: Any) -> Any:
        how = {k: kwargs.pop(k) for k in ("reduction", "size_average", "reduce") if k in kwargs}
        return _reduced(np.asarray(function(*args, **kwargs)), **how)

    plain = [case(*inputs, **r) for r in REDUCTIONS]
    return row("nn." + name, reference, *plain, *cases, rtol=1e-5, **options)


def _hinge(x: Any) -> Any:
    return np.maximum(x, 0)


def _cosine(a: Any, b: Any, t: Any, margin: float = 0.0) -> Any:
    c = (a * b).sum(-1) / np.sqrt(((a * a).sum(-1) + 1e-12) * ((b * b).sum(-1) + 1e-12))
    return np.where(t == 1, 1 - c, _hinge(c - margin))


def _triplet(
    a: Any, p: Any, n: Any, margin: float = 1.0, order: float = 2.0, swap: bool = False
) -> Any:
    def d(x: Any, y: Any) -> Any:
        return np.linalg.norm(x - y + 1e-6, order, -1)

    far = np.minimum(d(a, n), d(p, n)) if swap else d(a, n)
    return _hinge(d(a, p) - far + margin)


def _poisson(x: Any, t: Any, log_input: bool = True, full: bool = False) -> Any:
    each = np.exp(x) - t * x if log_input else x - t * np.log(x + 1e-8)
    if not full:
        return each
    stirling = t * np.log(t) - t + 0.5 * np.log(2 * np.pi * t)
    return each + np.where(t <= 1, 0, stirling)


def _gaussian(x: Any, t: Any, var: Any, full: bool = False) -> Any:
    v = np.maximum(var if np.ndim(var) in (0, x.ndim) else var[..., None], 1e-6)
    return 0.5 * (np.log(v) + (x - t) ** 2 / v) + (0.5 * np.log(2 * np.pi) if full else 0)


def _multi_margin(x: Any, t: Any, p: int = 1, margin: float = 1.0, weight: Any = None) -> Any:
    rows, labels = np.atleast_2d(x), np.atleast_1d(t)
    own = rows[np.arange(len(labels)), labels]
    each = _hinge(margin - own[:, None] + rows) ** p
    each[np.arange(len(labels)), labels] = 0
    each = each.sum(1) / rows.shape[1] * (1 if weight is None else weight[labels])
    return each if x.ndim == 2 else each[0]


def _multilabel(x: Any, t: Any) -> Any:
    each = []
    for scores, labels in zip(np.atleast_2d(x), np.atleast_2d(t), strict=True):
        chosen = labels[: np.argmax(labels == -1)] if -1 in labels else labels
        others = [j for j in range(len(scores)) if j not in chosen]
        each.append(sum(_hinge(1 - scores[y] + scores[j]) for y in chosen for j in others))
    found = np.array(each) / x.shape[-1]
    return found if x.ndim == 2 else found[0]


def _soft(x: Any, t: Any, weight: Any = None) -> Any:
    each = t * np.log1p(np.exp(-x)) + (1 - t) * np.log1p(np.exp(x))
    return (each * (1 if weight is None else weight)).mean(-1)


class Labels(Whole):
    """Rows of labels that end at -1."""

    def draw(self, rng: Any) -> Any:
        return np.array([[2, 0, -1, 1], [1, -1, 3, 3], [-1, 0, 0, 0]])[: self.shape[0]]


def _is_alpha(t: Any, args: Any, kwargs: Any) -> None:
    x, p, train = args
    if not train or p == 0:
        np.testing.assert_array_equal(t, x)
        return
    if p == 1:
        np.testing.assert_array_equal(t, 0 * x)
        return
    low = 1.7580993408473766
    a = (low**2 * p + 1) ** -0.5 * (1 - p) ** -0.5
    dropped = np.isclose(t, -low * a + low * a * p, atol=1e-5)
    np.testing.assert_allclose(t[~dropped], (a * x + low * a * p)[~dropped], atol=1e-5)
    assert 0 < dropped.mean() < 1


def _is_rrelu(t: Any, args: Any, kwargs: Any) -> None:
    x, low, high, train = args
    np.testing.assert_array_equal(t[x > 0], x[x > 0])
    slope = (t / x)[x < 0]
    assert (slope >= low - 1e-6).all()
    assert (slope <= high + 1e-6).all()
    assert np.ptp(slope) > 0.01 if train else np.ptp(slope) < 1e-6


def _channels_dropped(t: Any, args: Any, kwargs: Any) -> None:
    x, p, train = args
    kept = (t != 0).all((2, 3)) if train else np.ones(x.shape[:2], bool)
    scale = 1 / (1 - p) if train and p < 1 else 1.0
    np.testing.assert_allclose(t, np.where(kept[..., None, None], x * scale, 0), rtol=1e-6)
    assert not train or not kept.all()


def _random(name: str, check: Any, *cases: Case) -> Row:
    return row(name, None, *cases, order=0, torch=False, checks=check)


A, B, N = Real((4, 3)), Real((4, 3), -1.9, 2.1), Real((4, 3), -2.3, 1.7)
SIGN, COUNT, CLASS = Signs((4,)), Real((4, 3), 0.2, 4, avoid=(1.0,)), Whole((4,), 0, 2)
X = Real((40, 10), -2, 2, avoid=(0.0,))
IMAGE = Real((6, 8, 2, 3), 0.5, 2)

ROWS = [
    _loss(
        "margin_ranking_loss",
        lambda a, b, t, margin=0.0: _hinge(-t * (a - b) + margin),
        (Real((4,)), Real((4,), -1.9, 2.1), SIGN),
        case(Real((4,)), Real((4,), -1.9, 2.1), SIGN, margin=0.7),
    ),
    _loss(
        "hinge_embedding_loss",
        lambda x, t, margin=1.0: np.where(t == 1, x, _hinge(margin - x)),
        (A, Signs((4, 3))),
        case(A, Signs((4, 3)), margin=0.33),
    ),
    _loss(
        "cosine_embedding_loss",
        _cosine,
        (A, B, SIGN),
        case(A, B, SIGN, margin=0.2),
        case(Real((3,)), Real((3,), 0, 2), Signs(())),
    ),
    row(
        "nn.triplet_margin_loss",
        lambda *a, p=2.0, **k: _reduced(
            _triplet(*a, order=p, **{n: v for n, v in k.items() if n in ("margin", "swap")}),
            k.get("reduction", "mean"),
        ),
        case(A, B, N),
        case(A, B, N, margin=3.0, reduction="none"),
        case(A, B, N, margin=3.0, swap=True, reduction="sum"),
        case(A, B, N, margin=4.0, p=3.0),
        case(Real((3,)), Real((3,), -1, 1), Real((3,), 0, 2), margin=4.0),
        rtol=1e-5,
        torch_rtol=1e-9,
    ),
    _loss(
        "poisson_nll_loss",
        _poisson,
        (A, COUNT),
        case(A, COUNT, full=True),
        case(Real((4, 3), 0.5, 3), COUNT, log_input=False),
    ),
    row(
        "nn.gaussian_nll_loss",
        lambda x, t, v, full=False, reduction="mean": _reduced(
            np.broadcast_to(_gaussian(x, t, v, full), x.shape), reduction
        ),
        case(A, B, Real((4, 3), 0.3, 2)),
        case(A, B, Real((4, 1), 0.3, 2), full=True, reduction="none"),
        case(A, B, Real((4,), 0.3, 2), reduction="sum"),
        case(A, B, 0.5),
        rtol=1e-5,
    ),
    _loss(
        "multi_margin_loss",
        _multi_margin,
        (A, CLASS),
        case(A, CLASS, p=2, margin=0.8),
        case(A, CLASS, weight=Real((3,), 0.5, 2)),
        case(Real((3,)), Whole((), 0, 2)),
        constants=("weight",),
    ),
    _loss(
        "multilabel_margin_loss",
        _multilabel,
        (Real((3, 4)), Labels((3, 4))),
        case(Real((1, 4)), Labels((1, 4)), reduction="none"),
    ),
    _loss(
        "multilabel_soft_margin_loss",
        _soft,
        (A, Real((4, 3), 0.1, 0.9)),
        case(A, Real((4, 3), 0.1, 0.9), weight=Real((3,), 0.5, 2)),
        constants=("weight",),
    ),
    _random("rrelu", _is_rrelu, case(X, 0.1, 0.4, True), case(X, 0.1, 0.4, False)),
    _random(
        "feature_dropout",
        _channels_dropped,
        case(IMAGE, 0.5, True),
        case(IMAGE, 0.5, False),
        case(IMAGE, 1.0, True),
    ),
    _random(
        "alpha_dropout",
        _is_alpha,
        case(X, 0.4, True),
        case(X, 0.4, False),
        case(X, 1.0, True),
    ),
    _random("feature_alpha_dropout", _is_alpha, case(IMAGE, 0.4, True), case(IMAGE, 0.4, False)),
]
