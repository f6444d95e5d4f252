"""scikit-learn's own checks of the estimators, every one of them."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks

from backprop_ext import nn, optim
from backprop_ext.estimators import NeuralClassifier, NeuralRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]


def network(n_features: int, n_outputs: int) -> nn.Module:
    """A module of one's own."""
    return nn.Sequential(nn.Linear(n_features, 64), nn.Tanh(), nn.Linear(64, n_outputs))


ESTIMATORS = [
    NeuralClassifier(max_iter=100),
    NeuralRegressor(max_iter=100),
    NeuralClassifier(network, optimizer=optim.AdamW, learning_rate=0.01, max_iter=100),
    NeuralRegressor(network, loss="huber", optimizer="rmsprop", learning_rate=0.01, max_norm=5.0),
]


# Before 1.9 the cases are a generator, which pytest no longer takes.
MARK = parametrize_with_checks(ESTIMATORS)


@pytest.mark.parametrize(MARK.args[0], list(MARK.args[1]), **MARK.kwargs)
def test_scikit_learns_check(estimator: Any, check: Any) -> None:
    check(estimator)
