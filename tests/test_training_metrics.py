"""Metrics against scikit-learn, and the losses of Keras' names against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.training import (
    AUC,
    MAE,
    MSE,
    Accuracy,
    BinaryAccuracy,
    Loss,
    Metric,
    Top5Accuracy,
)
from backprop_ext.training.losses import loss_of
from backprop_ext.training.metrics import metric_of

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((97, 8)).astype(np.float32)
LABELS = RNG.integers(0, 8, 97)
SCORES = np.round(RNG.random(97), 1).astype(np.float32)  # With ties.
TRUTH = RNG.integers(0, 2, 97)
VALUES = RNG.standard_normal((97, 3)).astype(np.float32)
AIMS = RNG.standard_normal((97, 3)).astype(np.float32)


def score(metric: Metric, output: Any, target: Any, size: int = 10) -> float:
    """In batches, the last of which is smaller."""
    metric.reset()
    for start in range(0, len(output), size):
        part = slice(start, start + size)
        metric.update(bx.tensor(output[part]), bx.tensor(target[part]))
    return metric.value()


def test_metrics_are_scikit_learns() -> None:
    pytest.importorskip("sklearn")
    from sklearn import metrics

    one_hot = np.eye(8, dtype=np.float32)[LABELS]
    expected = metrics.accuracy_score(LABELS, LOGITS.argmax(1))
    for target in (LABELS, LABELS[:, None], one_hot, LABELS.astype(np.float32)):
        assert score(Accuracy(), LOGITS, target) == pytest.approx(expected)
    assert score(Accuracy(zero_based_label=False), LOGITS, LABELS + 1) == pytest.approx(expected)
    expected = metrics.top_k_accuracy_score(LABELS, LOGITS, k=5)
    assert score(Top5Accuracy(), LOGITS, LABELS) == pytest.approx(expected)
    expected = metrics.accuracy_score(TRUTH, SCORES > 0.5)
    for output, target in ((SCORES, TRUTH), (SCORES[:, None], TRUTH), (SCORES, TRUTH[:, None])):
        assert score(Accuracy(), output, target) == pytest.approx(expected)
        assert score(BinaryAccuracy(), output, target) == pytest.approx(expected)
    expected = metrics.accuracy_score(TRUTH, SCORES > 0.2)
    assert score(BinaryAccuracy(0.2), SCORES, TRUTH) == pytest.approx(expected)
    expected = metrics.roc_auc_score(TRUTH, SCORES)
    assert score(AUC(), SCORES, TRUTH) == pytest.approx(expected, abs=1e-12)
    assert score(AUC(), SCORES[:, None], TRUTH) == pytest.approx(expected, abs=1e-12)
    expected = metrics.mean_absolute_error(AIMS, VALUES)
    assert score(MAE(), VALUES, AIMS) == pytest.approx(expected, rel=1e-6)
    expected = metrics.mean_squared_error(AIMS, VALUES)
    assert score(MSE(), VALUES, AIMS) == pytest.approx(expected, rel=1e-6)


def test_the_loss_is_a_mean_over_samples_and_not_over_batches() -> None:
    whole = bx.nn.functional.mse_loss(bx.tensor(VALUES), bx.tensor(AIMS)).item()
    assert score(Loss(bx.nn.MSELoss()), VALUES, AIMS, 60) == pytest.approx(whole, rel=1e-6)


def test_sequences_are_scored_by_element() -> None:
    output = RNG.standard_normal((6, 5, 4)).astype(np.float32)
    target = RNG.integers(0, 4, (6, 5))
    expected = (output.argmax(2) == target).mean()
    assert score(Accuracy(), output, target, 4) == pytest.approx(expected)


def test_equal_outputs_are_decided_as_argmax_decides() -> None:
    flat = np.zeros((10, 8), np.float32)
    label = np.arange(10) % 8
    assert score(Accuracy(), flat, label) == (label == 0).mean()
    assert score(Top5Accuracy(), flat, label) == (label < 5).mean()
    assert score(Accuracy(), np.full((4, 3), np.nan, np.float32), np.zeros(4)) == 0.0


def test_bad_targets_are_clear_errors() -> None:
    for metric, output, target, message in (
        (Accuracy(), LOGITS, LABELS + 1, "label 8 is out of range, 0 to 7"),
        (Accuracy(), LOGITS, LABELS - 1, "label -1 is out of range.*zero_based_label=False"),
        (Accuracy(False), LOGITS, LABELS, "label 0 is out of range, 1 to 8.*_label=True"),
        (Accuracy(), LOGITS, LABELS + 0.5, r"\.5 is out of range"),
        (Accuracy(), LOGITS, VALUES, r"\(10, 3\) for output \(10, 8\)"),
        (BinaryAccuracy(), SCORES, TRUTH * 2, "has 2, 0 and 1 are needed"),
        (AUC(), SCORES, TRUTH - 1, "has -1, 0 and 1"),
        (AUC(), SCORES, np.ones(97), "only one class"),
        (MAE(), VALUES, AIMS[:, :2], "equal shapes are needed"),
    ):
        with pytest.raises(ValueError, match=message):
            score(metric, output, target)
    with pytest.raises(ValueError, match="there is no criterion"):
        score(Loss(), VALUES, AIMS)
    for metric in (Accuracy(), AUC()):
        with pytest.raises(ValueError, match=r"samples|class"):
            metric.value()


def test_metrics_by_name() -> None:
    assert [type(metric_of(name)) for name in ("accuracy", "acc", "auc", "mse")] == [
        *(Accuracy, Accuracy, AUC, MSE)
    ]
    own = MAE()
    assert metric_of(own) is own


POSITIVE = np.abs(VALUES) + 0.1
SHARES = POSITIVE / POSITIVE.sum(1, keepdims=True)
AIM_SHARES = (np.abs(AIMS) + 0.1) / (np.abs(AIMS) + 0.1).sum(1, keepdims=True)
SIGNS = np.sign(AIMS)
CLASSES = RNG.integers(0, 3, 97)
ONE_HOT = np.eye(3, dtype=np.float32)[CLASSES]
PICKED = -np.log(SHARES[np.arange(97), CLASSES]).mean()


def _unit(a: Any) -> Any:
    return a / np.linalg.norm(a, axis=-1, keepdims=True)


LOSSES: dict[str, tuple[Any, Any, Any]] = {
    "mse": (VALUES, AIMS, np.square(VALUES - AIMS).mean()),
    "mean_squared_error": (VALUES, AIMS, np.square(VALUES - AIMS).mean()),
    "mae": (VALUES, AIMS, np.abs(VALUES - AIMS).mean()),
    "mape": (VALUES, AIMS, 100 * np.abs((VALUES - AIMS) / AIMS).mean()),
    "msle": (POSITIVE, AIM_SHARES, np.square(np.log1p(POSITIVE) - np.log1p(AIM_SHARES)).mean()),
    "hinge": (VALUES, SIGNS, np.maximum(0, 1 - VALUES * SIGNS).mean()),
    "squared_hinge": (VALUES, SIGNS, np.square(np.maximum(0, 1 - VALUES * SIGNS)).mean()),
    "binary_crossentropy": (
        SHARES,
        ONE_HOT,
        -(ONE_HOT * np.log(SHARES) + (1 - ONE_HOT) * np.log(1 - SHARES)).mean(),
    ),
    "categorical_crossentropy": (POSITIVE, ONE_HOT, PICKED),
    "sparse_categorical_crossentropy": (POSITIVE, CLASSES, PICKED),
    "kld": (SHARES, AIM_SHARES, (AIM_SHARES * np.log(AIM_SHARES / SHARES)).sum(1).mean()),
    "poisson": (POSITIVE, AIM_SHARES, (POSITIVE - AIM_SHARES * np.log(POSITIVE)).mean()),
    "cosine_proximity": (VALUES, AIMS, -(_unit(VALUES) * _unit(AIMS)).mean()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_named_loss_is_its_formula_with_a_finite_gradient(name: str) -> None:
    output, target, expected = LOSSES[name]
    x = bx.tensor(np.asarray(output, np.float64), requires_grad=True)
    wide = target if target.dtype.kind == "i" else target.astype(np.float64)
    loss = loss_of(name)(x, bx.tensor(wide))
    assert loss.item() == pytest.approx(float(expected), rel=1e-5)
    function = loss_of(name)
    assert bx.autograd.gradcheck(lambda a: function(a, bx.tensor(wide)), (x,))


@pytest.mark.parametrize(
    "name", ["binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"]
)
def test_probabilities_of_0_and_1_give_finite_losses_and_gradients(name: str) -> None:
    output = bx.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    target = bx.tensor([1, 0]) if "sparse" in name else bx.tensor([[0.0, 1.0], [1.0, 0.0]])
    loss = loss_of(name)(output, target)
    loss.backward()
    assert 10.0 < loss.item() < 20.0
    assert output.grad is not None
    assert np.isfinite(output.grad.numpy()).all()
