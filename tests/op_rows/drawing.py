"""Random draws: what every value must satisfy. Their streams are compared in test_random.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Real, Row, case, row

X = Real((3, 4), whole=(-9, 9))
CHANCE = Real((3, 4), 0.0, 1.0)
RATE = Real((3, 4), 0.0, 30.0)


def _binary(t: Any, args: Any, kwargs: Any) -> None:
    assert set(np.unique(t)) <= {0, 1}


def _positive(t: Any, args: Any, kwargs: Any) -> None:
    assert (t > 0).all()
    assert np.isfinite(t).all()


def _finite(t: Any, args: Any, kwargs: Any) -> None:
    assert np.isfinite(t).all()


def _counts(t: Any, args: Any, kwargs: Any) -> None:
    assert (t >= 0).all()
    np.testing.assert_array_equal(t, np.round(t))


def _whole(low: float, high: float) -> Any:
    def check(t: Any, args: Any, kwargs: Any) -> None:
        assert (t >= low).all()
        assert (t <= high).all()
        np.testing.assert_array_equal(t, np.round(t))

    return check


def _categories(t: Any, args: Any, kwargs: Any) -> None:
    weights, count, *replacement = args
    assert t.shape == (*weights.shape[:-1], count)
    assert (np.take_along_axis(weights, t, -1) > 0).all()
    if not any(replacement):
        assert all(len(set(line)) == count for line in t.reshape(-1, count))


def _leaky(t: Any, args: Any, kwargs: Any) -> None:
    x, lower, upper = args[0], *(args[1:3] if len(args) > 1 else (0.125, 1 / 3))
    np.testing.assert_array_equal(t[x > 0], x[x > 0])
    slope = t[x < 0] / x[x < 0]
    assert (slope >= lower - 1e-6).all()
    assert (slope <= upper + 1e-6).all()


def _drawn(name: str, check: Any, *cases: Any, **options: Any) -> Row:
    return row(name, None, *cases, order=0, checks=check, **options)


ROWS = [
    _drawn("randint_like", _whole(-2, 4), case(X, 5), case(X, -2, 5)),
    _drawn("bernoulli", _binary, case(CHANCE), case(X, 0.5)),
    _drawn("exponential_", _positive, case(X), case(X, 3.0)),
    _drawn("log_normal_", _positive, case(X), case(X, 0.0, 0.5)),
    _drawn("cauchy_", _finite, case(X), case(X, 1.0, 2.0)),
    _drawn("geometric_", _whole(1, 1e6), case(X, 0.3)),
    _drawn("random_", _whole(-3, 2**24), case(X), case(X, 5), case(X, -3, 5)),
    _drawn("poisson", _counts, case(RATE)),
    _drawn(
        "normal", _finite, case(X, CHANCE), case(X, 2.0), case(2.0, CHANCE), case(0.0, 1.0, (3, 4))
    ),
    _drawn("multinomial", _categories, case(CHANCE, 2), case(CHANCE, 9, True), case(CHANCE, 1)),
    _drawn("rrelu", _leaky, case(X), case(X, 0.1, 0.3, True)),
    _drawn("nn.rrelu", _leaky, case(X), case(X, 0.1, 0.3, True)),
]
