"""A classifier: one class of several, or several labels at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight

from ..nn.modules.loss import BCEWithLogitsLoss, CrossEntropyLoss
from ..training import Metric
from ._base import NeuralEstimator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["NeuralClassifier"]


class NeuralClassifier(ClassifierMixin, NeuralEstimator):  # type: ignore[misc]
    """P(class | x) = softmax(module(x)); for y of several columns 0 or 1, sigmoid(module(x)).

    module: an nn.Module, of which a copy is trained, or a function (n_features, n_outputs) that
    makes one; None is a perceptron of `hidden_layer_sizes`, `activation` and `dropout`. Its
    outputs are logits, one per class. loss: "log_loss" (None), or a function (output, target),
    target int64 or 0.0 and 1.0 columns; sample weights need a loss of backprop_ext.nn. optimizer:
    a name, or a class of backprop_ext.optim; `learning_rate` is its lr, `optimizer_params` its
    other settings, {"weight_decay": 1e-4} among them. batch_size "auto" is min(200, n_samples).
    max_norm clips the gradients. class_weight: as everywhere in scikit-learn. The dtype of X,
    float32 or float64, is that of the network.

    Training ends after `max_iter` epochs, or when the epoch's loss (with `early_stopping` the
    accuracy on `validation_fraction` of the samples, whose best weights are kept) has not improved
    by `tol` for `n_iter_no_change` epochs. Draws come from `random_state` alone.

    After fit: `module_`, `classes_`, `n_iter_`, `loss_`, `loss_curve_`, `best_loss_`, with
    early stopping `validation_scores_` and `best_validation_score_`.
    Raises ValueError and TypeError for parameters and data that make no sense.
    """

    def __init__(
        self,
        module: Any = None,
        *,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        dropout: float = 0.0,
        loss: Any = None,
        optimizer: Any = "adam",
        learning_rate: float = 1e-3,
        optimizer_params: dict[str, Any] | None = None,
        batch_size: Any = "auto",
        max_iter: int = 200,
        shuffle: bool = True,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        max_norm: float | None = None,
        class_weight: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            module=module,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            dropout=dropout,
            loss=loss,
            optimizer=optimizer,
            learning_rate=learning_rate,
            optimizer_params=optimizer_params,
            batch_size=batch_size,
            max_iter=max_iter,
            shuffle=shuffle,
            tol=tol,
            n_iter_no_change=n_iter_no_change,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            max_norm=max_norm,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralClassifier:
        """Train on X (n, features) and y (n,), or (n, labels) of 0 and 1."""
        again = self.warm_start and hasattr(self, "module_")
        X, y = self._start(X, y, reset=not again)
        y = self._targets(y)
        if again:
            self._encode(y)  # Raises for other classes, before anything changes.
        else:
            self._set_classes(y)
        self._fit(X, self._encode(y), self._weights(X, y, sample_weight))
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> NeuralClassifier:
        """One epoch more. The first call is told all `classes`, or for labels none."""
        first = not hasattr(self, "module_")
        X, y = self._start(X, y, reset=first)
        y = self._targets(y)
        if first:
            if classes is None and y.ndim == 1:
                raise ValueError(
                    "[partial_fit] classes is None; the first call needs all of them: "
                    "classes=numpy.unique(y)"
                )
            self._set_classes(y if classes is None else y if y.ndim > 1 else np.asarray(classes))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"[partial_fit] classes={classes!r} is not the same as on the first call, "
                f"{self.classes_.tolist()}; pass these, or none"
            )
        self._fit(X, self._encode(y), self._weights(X, y, sample_weight), partial=True)
        return self

    def predict(self, X: Any) -> Array:
        """The most probable class of each sample; of several labels, those above 1 / 2."""
        outputs = self._outputs(X)
        if self._labels:
            return (outputs > 0).astype(np.int64)
        return np.asarray(self.classes_[outputs.argmax(axis=1)])

    def predict_proba(self, X: Any) -> Array:
        """(n, classes), the probability of each class or label."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of `predict_proba`."""
        outputs = self._outputs(X)
        if self._labels:
            return -np.logaddexp(0.0, -outputs)
        below = outputs - outputs.max(axis=1, keepdims=True)
        return np.asarray(below - np.log(np.exp(below).sum(axis=1, keepdims=True)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    # What NeuralEstimator asks

    def _losses(self) -> dict[str, Callable[[], Any]]:
        return {"log_loss": BCEWithLogitsLoss if self._labels else CrossEntropyLoss}

    def _n_outputs(self) -> int:
        return len(self.classes_)

    def _metric(self) -> Metric:
        return _Right()

    def _strata(self, y: Array) -> Array | None:
        return None if self._labels else y

    def _targets(self, y: Array) -> Array:
        check_classification_targets(y)
        return y if type_of_target(y).startswith("multilabel") else column_or_1d(y, warn=True)

    def _set_classes(self, y: Array) -> None:
        self._labels = y.ndim > 1
        self.classes_ = np.arange(y.shape[1]) if self._labels else np.unique(y)

    def _encode(self, y: Array) -> Array:
        """Numbers of classes, or 0.0 and 1.0. Raises ValueError for a class that is none."""
        if (y.ndim > 1) != self._labels or (y.ndim > 1 and y.shape[1] != len(self.classes_)):
            raise ValueError(
                f"[fit] y has shape {y.shape}, the first fit had {len(self.classes_)} "
                f"{'labels' if self._labels else 'classes'}; pass targets of one kind"
            )
        if self._labels:
            return y.astype(np.float64)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"[fit] class {unknown[0]} is none of {self.classes_.tolist()}; fit without "
                "warm_start, or tell partial_fit all classes"
            )
        return np.searchsorted(self.classes_, y)

    def _weights(self, X: Array, y: Array, sample_weight: Any) -> Array | None:
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        if self.class_weight is not None:
            of_class = compute_sample_weight(self.class_weight, y).astype(X.dtype)
            weight = of_class if weight is None else weight * of_class
        return weight


class _Right(Metric):
    """The share of samples whose classes are all right, of logits."""

    name = "accuracy"

    def measure(self, output: Array, target: Array) -> tuple[float, int]:
        if target.ndim > 1:
            right = ((output > 0) == (target > 0.5)).all(axis=1)
        else:
            right = output.argmax(axis=1) == target
        return int(right.sum()), len(right)
