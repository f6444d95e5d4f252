"""What the estimators do beyond scikit-learn's own checks."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import nn

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backprop_ext.estimators import NeuralClassifier, NeuralRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_classification(
    300, 8, n_informative=6, n_redundant=0, n_classes=3, class_sep=1.5, random_state=0
)
RX, RY = make_regression(200, 5, noise=5.0, random_state=0)
RY = (RY - RY.mean()) / RY.std()


def weights(estimator: Any) -> list[Any]:
    return [p.detach().numpy().copy() for p in estimator.module_.parameters()]


def same_bits(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_classifier_is_as_good_as_scikit_learns() -> None:
    ours = NeuralClassifier(random_state=0).fit(X[:200], Y[:200])
    theirs = MLPClassifier(random_state=0).fit(X[:200], Y[:200])
    assert ours.score(X[200:], Y[200:]) > theirs.score(X[200:], Y[200:]) - 0.03
    probabilities = ours.predict_proba(X)
    assert probabilities.shape == (300, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1.0)
    np.testing.assert_allclose(np.log(probabilities), ours.predict_log_proba(X))
    assert np.array_equal(ours.predict(X), ours.classes_[probabilities.argmax(1)])
    assert ours.n_iter_ == len(ours.loss_curve_) <= 200
    assert ours.loss_ == ours.loss_curve_[-1]
    assert ours.best_loss_ == min(ours.loss_curve_)


def test_a_regressor_is_as_good_as_scikit_learns() -> None:
    settings: dict[str, Any] = {"max_iter": 500, "random_state": 0}
    ours = NeuralRegressor(learning_rate=0.01, **settings).fit(RX, RY)
    theirs = MLPRegressor(learning_rate_init=0.01, **settings).fit(RX, RY)
    assert ours.score(RX, RY) > theirs.score(RX, RY) - 0.02
    assert ours.score(RX, RY) == r2_score(RY, ours.predict(RX))


def test_the_training_is_that_of_scikit_learn_for_the_same_weights() -> None:
    """Full batches, SGD without momentum, no penalty: the weights after each epoch agree."""
    theirs = MLPRegressor(
        hidden_layer_sizes=(4,),
        activation="tanh",
        solver="sgd",
        alpha=0.0,
        momentum=0.0,
        nesterovs_momentum=False,
        learning_rate_init=0.05,
        batch_size=200,
        max_iter=1,
        warm_start=True,
        random_state=3,
    )
    theirs.fit(RX, RY)

    def start(n_inputs: int, n_outputs: int) -> nn.Module:
        module = nn.Sequential(nn.Linear(n_inputs, 4), nn.Tanh(), nn.Linear(4, n_outputs)).double()
        with bx.no_grad():
            for layer, w, b in zip((module[0], module[2]), first[0], first[1], strict=True):
                layer.weight.copy_(bx.tensor(w.T))
                layer.bias.copy_(bx.tensor(b))
        return module

    first = [[w.copy() for w in ws] for ws in (theirs.coefs_, theirs.intercepts_)]
    # scikit-learn's loss is half the squared error.
    ours = NeuralRegressor(start, optimizer="sgd", learning_rate=0.025, max_iter=20, batch_size=200)
    ours.set_params(n_iter_no_change=100).fit(RX, RY)
    theirs.set_params(max_iter=20, n_iter_no_change=100).fit(RX, RY)
    for layer, w in zip((0, 2), theirs.coefs_, strict=True):
        np.testing.assert_allclose(ours.module_[layer].weight.detach().numpy(), w.T, rtol=1e-9)


def test_any_module_loss_and_optimizer() -> None:
    class Net(nn.Module):
        def __init__(self, n_features: int, n_outputs: int) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(n_features, 16), nn.LayerNorm(16), nn.GELU())
            self.head = nn.Linear(16, n_outputs)

        def forward(self, x: Any) -> Any:
            return self.head(self.body(x))

    prototype = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
    kept = [p.detach().numpy().copy() for p in prototype.parameters()]
    for module in (Net, prototype, lambda a, b: Net(a, b)):
        for loss in (None, nn.CrossEntropyLoss(label_smoothing=0.1), nn.functional.cross_entropy):
            made = NeuralClassifier(
                module,
                loss=loss,
                optimizer=bx.optim.AdamW,
                learning_rate=0.01,
                optimizer_params={"weight_decay": 1e-3},
                max_norm=1.0,
                max_iter=40,
                random_state=0,
            )
            assert made.fit(X, Y).score(X, Y) > 0.85
    assert same_bits(kept, [p.detach().numpy() for p in prototype.parameters()])
    for loss in ("absolute_error", "huber"):
        model = NeuralRegressor(loss=loss, optimizer="lbfgs", learning_rate=1.0, batch_size=200)
        assert model.set_params(max_iter=5, random_state=0).fit(RX, RY).score(RX, RY) > 0.8


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "adamax", "nadam", "radam", "rmsprop"])
def test_every_named_optimizer_trains(optimizer: str) -> None:
    made = NeuralClassifier(optimizer=optimizer, learning_rate=0.01, max_iter=30, random_state=0)
    assert made.fit(X, Y).score(X, Y) > 0.8


def test_dropout_drops_in_training_alone() -> None:
    settings: dict[str, Any] = {"max_iter": 30, "learning_rate": 0.01, "random_state": 0}
    plain, dropped = (
        NeuralClassifier(hidden_layer_sizes=(32,), dropout=p, **settings).fit(X, Y)
        for p in (0.0, 0.5)
    )
    assert dropped.loss_ > plain.loss_
    assert np.array_equal(dropped.predict_proba(X), dropped.predict_proba(X))
    kinds = [type(m).__name__ for m in dropped.module_]
    assert kinds == ["Linear", "ReLU", "Dropout", "Linear"]


def test_several_labels_and_several_targets() -> None:
    x, y = make_multilabel_classification(200, 10, n_classes=4, random_state=0)
    made = NeuralClassifier(learning_rate=0.01, max_iter=100, random_state=0).fit(x, y)
    assert made.predict(x).shape == made.predict_proba(x).shape == (200, 4)
    assert np.array_equal(made.predict(x), made.predict_proba(x) > 0.5)
    assert made.score(x, y) == accuracy_score(y, made.predict(x)) > 0.6
    assert (
        made.score(x, y) > MLPClassifier(max_iter=100, random_state=0).fit(x, y).score(x, y) - 0.1
    )
    targets = np.stack([RY, -2 * RY, RX[:, 0]], axis=1)
    several = NeuralRegressor(learning_rate=0.01, random_state=0).fit(RX, targets)
    assert several.predict(RX).shape == (200, 3)
    assert several.score(RX, targets) > 0.95


def test_early_stopping_keeps_the_weights_of_the_best_epoch() -> None:
    noisy = np.where(np.random.default_rng(0).random(300) < 0.3, (Y + 1) % 3, Y)
    for made, x, y, metric in (
        (NeuralClassifier(hidden_layer_sizes=(64,)), X, noisy, accuracy_score),
        (NeuralRegressor(hidden_layer_sizes=(64,)), RX, RY, r2_score),
    ):
        made.set_params(early_stopping=True, learning_rate=0.01, max_iter=500, random_state=0)
        made.set_params(n_iter_no_change=8, validation_fraction=0.25)
        seen: list[tuple[Any, Any]] = []
        split = made._split

        def watched(a: Any, b: Any, w: Any, split: Any = split, seen: Any = seen) -> Any:
            parts = split(a, b, w)
            seen.append((parts[1], parts[3]))
            return parts

        made._split = watched  # type: ignore[method-assign]
        made.fit(x, y)
        del made._split
        (held_x, held_y) = seen[0]
        assert len(held_x) == len(x) // 4
        assert made.n_iter_ == len(made.validation_scores_) < 500
        assert made.best_validation_score_ == max(made.validation_scores_)
        last = made.predict(held_x)
        target = held_y[:, 0] if held_y.ndim > 1 else held_y
        assert metric(target, last) == pytest.approx(made.best_validation_score_)


def test_training_ends_when_the_loss_no_longer_falls_and_warns_when_it_does() -> None:
    made = NeuralRegressor(learning_rate=0.05, tol=1e-2, n_iter_no_change=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.fit(RX, RY)
    assert made.n_iter_ < 200
    with pytest.warns(ConvergenceWarning, match="after max_iter=3 epochs; raise max_iter"):
        NeuralRegressor(max_iter=3).fit(RX, RY)


def test_partial_fit_is_an_epoch_and_goes_on_like_fit() -> None:
    whole = NeuralClassifier(max_iter=4, dropout=0.2, random_state=0).fit(X, Y)
    parts = NeuralClassifier(dropout=0.2, random_state=0)
    for _ in range(4):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    assert same_bits(weights(whole), weights(parts))
    assert parts.n_iter_ == 4
    assert parts.loss_curve_ == whole.loss_curve_
    stored = pickle.loads(pickle.dumps(parts))
    assert same_bits(weights(parts.partial_fit(X, Y)), weights(stored.partial_fit(X, Y)))
    with pytest.raises(ValueError, match="classes is None"):
        NeuralClassifier().partial_fit(X, Y)
    with pytest.raises(ValueError, match="not the same as on the first call"):
        parts.partial_fit(X, Y, classes=[0, 1])
    before = weights(parts)
    with pytest.raises(ValueError, match="class 7 is none of"):
        parts.partial_fit(X, np.where(Y == 1, 7, Y))
    assert same_bits(before, weights(parts))


def test_warm_start_goes_on_from_the_weights() -> None:
    cold = NeuralRegressor(max_iter=5, random_state=0)
    once = weights(cold.fit(RX, RY))
    assert same_bits(once, weights(cold.fit(RX, RY)))
    warm = clone(cold).set_params(warm_start=True).fit(RX, RY)
    first = warm.loss_
    warm.fit(RX, RY)
    assert warm.loss_curve_[0] < first
    with pytest.raises(ValueError, match="y has 2 targets, the first fit had 1"):
        warm.fit(RX, np.stack([RY, RY], 1))


def test_a_seed_decides_all_and_the_generator_of_the_caller_is_not_touched() -> None:
    bx.manual_seed(7)
    expected = bx.rand(3)
    bx.manual_seed(7)
    first = NeuralClassifier(max_iter=3, dropout=0.3, random_state=1).fit(X, Y)
    assert bx.rand(3).equal(expected)
    second = NeuralClassifier(max_iter=3, dropout=0.3, random_state=1).fit(X, Y)
    other = NeuralClassifier(max_iter=3, dropout=0.3, random_state=2).fit(X, Y)
    assert same_bits(weights(first), weights(second))
    assert not same_bits(weights(first), weights(other))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_network_has_the_dtype_of_the_data(dtype: Any) -> None:
    made = NeuralClassifier(max_iter=2).fit(X.astype(dtype), Y)
    assert {w.dtype for w in weights(made)} == {np.dtype(dtype)}
    assert made.predict_proba(X.astype(dtype)).dtype == dtype


def test_weights_of_samples_and_classes_count_like_copies() -> None:
    counts = np.random.default_rng(0).integers(0, 4, 60)
    settings: dict[str, Any] = {"max_iter": 30, "random_state": 0, "learning_rate": 0.01}
    weighted = NeuralClassifier(**settings).fit(X[:60], Y[:60], sample_weight=counts)
    copies = np.repeat(np.arange(60), counts)
    copied = NeuralClassifier(**settings).fit(X[copies], Y[copies])
    np.testing.assert_allclose(weighted.predict_proba(X), copied.predict_proba(X), rtol=1e-6)
    by_class = NeuralClassifier(class_weight={0: 1, 1: 2, 2: 5}, **settings).fit(X[:60], Y[:60])
    by_sample = NeuralClassifier(**settings).fit(X[:60], Y[:60], np.array([1, 2, 5])[Y[:60]])
    assert same_bits(weights(by_class), weights(by_sample))
    balanced = NeuralClassifier(class_weight="balanced", **settings).fit(X[:60], Y[:60])
    assert not same_bits(weights(balanced), weights(by_class))


def test_pipelines_searches_and_cross_validation() -> None:
    pipeline = make_pipeline(StandardScaler(), NeuralClassifier(max_iter=20, random_state=0))
    grid = {
        "neuralclassifier__hidden_layer_sizes": [(4,), (32,)],
        "neuralclassifier__optimizer_params": [None, {"weight_decay": 1e-2}],
        "neuralclassifier__learning_rate": [1e-5, 1e-2],
    }
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, Y)
    assert search.best_params_["neuralclassifier__learning_rate"] == 1e-2
    assert search.best_score_ > 0.7
    scores = cross_val_score(NeuralRegressor(learning_rate=0.01, random_state=0), RX, RY, cv=3)
    assert scores.min() > 0.9
    again = pickle.loads(pickle.dumps(search))
    assert np.array_equal(again.predict(X), search.predict(X))


def test_bad_parameters_and_data_are_clear_errors() -> None:
    bad: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"activation": "rela"}, ValueError, "did you mean 'relu'"),
        ({"optimizer": "adem"}, ValueError, "did you mean 'adam'"),
        ({"optimizer": 3}, TypeError, "optimizer is a int"),
        ({"optimizer": lambda p, lr: 3}, TypeError, "optimizer made a int"),
        ({"loss": "log_lost"}, ValueError, "did you mean 'log_loss'"),
        ({"loss": 3}, TypeError, "loss is a int"),
        ({"module": 3}, TypeError, "module is a int"),
        ({"module": lambda a, b: 3}, TypeError, "module made a int"),
        ({"module": nn.Linear(8, 5)}, ValueError, r"\(1, 5\) of one sample, \(1, 3\) is needed"),
        ({"hidden_layer_sizes": (3, 0)}, ValueError, "hidden_layer_sizes="),
        ({"hidden_layer_sizes": 2.5}, ValueError, "hidden_layer_sizes="),
        ({"dropout": 1.0}, ValueError, r"dropout=1\.0"),
        ({"max_iter": 0}, ValueError, "max_iter=0"),
        ({"batch_size": "all"}, ValueError, "batch_size='all'"),
        ({"learning_rate": -1.0}, ValueError, "learning_rate=-1"),
        ({"early_stopping": True, "validation_fraction": 1.5}, ValueError, "validation_fraction"),
    ]
    for settings, kind, message in bad:
        with pytest.raises(kind, match=message):
            NeuralClassifier(**settings).fit(X, Y)
    own = NeuralClassifier(loss=lambda o, t: nn.functional.cross_entropy(o, t), max_iter=2)
    own.fit(X, Y)
    with pytest.raises(ValueError, match="the loss has no reduction"):
        own.fit(X, Y, sample_weight=np.ones(300))
    # From 1.8 on in scikit-learn's own words.
    with pytest.raises(ValueError, match=r"at least one non-zero|positive weights are needed"):
        NeuralClassifier().fit(X, Y, sample_weight=np.zeros(300))
    with pytest.raises(ValueError, match="positive weights are needed"):
        NeuralClassifier().fit(X, Y, sample_weight=-np.ones(300))
    with pytest.raises(ValueError, match="positive weights are needed"):
        NeuralClassifier(class_weight=dict.fromkeys(range(3), 0.0)).fit(X, Y)
    made = NeuralRegressor(learning_rate=1e6, optimizer="sgd", random_state=0)
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        made.fit(RX, RY)


def test_without_scikit_learn_the_import_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import backprop_ext\n"
        "try:\n    import backprop_ext.estimators\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'scikit-learn>=1.6'" in done.stdout


def test_the_package_does_not_load_the_loop_by_itself() -> None:
    code = "import sys, backprop_ext; print([*filter(lambda m: 'train' in m, sys.modules)])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
