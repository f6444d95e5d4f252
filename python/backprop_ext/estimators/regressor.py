"""A regressor of one target or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.validation import _check_sample_weight

from ..nn.modules.loss import HuberLoss, L1Loss, MSELoss
from ..training import Metric
from ._base import NeuralEstimator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["NeuralRegressor"]


class NeuralRegressor(RegressorMixin, NeuralEstimator):  # type: ignore[misc]
    """y = module(x), one output per target.

    loss: "squared_error" (None), "absolute_error", "huber", or a function (output, target), both
    (n, targets). Early stopping looks at R^2. All else is as for NeuralClassifier, without
    classes.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralRegressor:
        """Train on X (n, features) and y (n,) or (n, targets)."""
        again = self.warm_start and hasattr(self, "module_")
        return self._fit_on(X, y, sample_weight, again, partial=False)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralRegressor:
        """One epoch more."""
        return self._fit_on(X, y, sample_weight, hasattr(self, "module_"), partial=True)

    def predict(self, X: Any) -> Array:
        """(n,) or (n, targets), as y was."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._flat else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    # What NeuralEstimator asks

    def _fit_on(
        self, X: Any, y: Any, sample_weight: Any, again: bool, partial: bool
    ) -> NeuralRegressor:
        X, y = self._start(X, y, reset=not again, y_numeric=True)
        if y.ndim > 1 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        columns = 1 if y.ndim == 1 else y.shape[1]
        if again and columns != self.n_outputs_:
            raise ValueError(
                f"[fit] y has {columns} targets, the first fit had {self.n_outputs_}; pass as many"
            )
        self._flat, self.n_outputs_ = y.ndim == 1, columns
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        self._fit(X, y.astype(X.dtype).reshape(len(y), columns), weight, partial)
        return self

    def _losses(self) -> dict[str, Callable[[], Any]]:
        return {
            "squared_error": MSELoss,
            "absolute_error": L1Loss,
            "huber": HuberLoss,
        }

    def _n_outputs(self) -> int:
        return self.n_outputs_

    def _metric(self) -> Metric:
        return _R2()


class _R2(Metric):
    """1 - sum (y - o)^2 / sum (y - mean y)^2, the mean over the targets."""

    name = "r2"

    def reset(self) -> None:
        """Forget all batches."""
        self._pairs: list[tuple[Array, Array]] = []

    def update(self, output: Any, target: Any) -> None:
        """Keep a batch."""
        self._pairs.append((output.numpy().copy(), target.numpy().copy()))

    def value(self) -> float:
        """The score; 0 for a target that does not vary."""
        output, target = (np.concatenate(parts) for parts in zip(*self._pairs, strict=True))
        rest = np.square(target - output).sum(axis=0)
        whole = np.square(target - target.mean(axis=0)).sum(axis=0)
        return float(np.mean(np.where(whole > 0, 1.0 - rest / np.where(whole > 0, whole, 1), 0.0)))
