"""scikit-learn's own checks of the estimators, every one of them."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks

from backprop_ext.estimators import NeuralClassifier, NeuralRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]


@parametrize_with_checks([NeuralClassifier(max_iter=100), NeuralRegressor(max_iter=100)])
def test_scikit_learns_check(estimator: Any, check: Any) -> None:
    check(estimator)
