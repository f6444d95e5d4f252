"""BigDL's losses against NumPy and PyTorch, their gradients against differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.keras import criterion as c

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(0, 2, (4, 3))
T = RANDOM.normal(0, 2, (4, 3))
X2 = RANDOM.normal(0, 2, (4, 3))
P = RANDOM.uniform(0.05, 0.95, (4, 3))
Q = RANDOM.uniform(0.05, 0.95, (4, 3))
LABELS = np.array([1, 3, 2, 3])
ONE_HOT = np.eye(3)[LABELS - 1]
SIGNS = np.array([[1, -1, 1]] * 4) * np.array([[1], [-1], [1], [1]])
ROW_SIGNS = np.array([1, -1, 1, -1])
WEIGHTS = np.array([0.5, 1.0, 2.0])


def log_softmax(x: Array) -> Array:
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def smooth(d: Array) -> Array:
    return np.where(np.abs(d) < 1, d * d / 2, np.abs(d) - 0.5)


def cosine(x: Array, y: Array) -> Array:
    return (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)


def multi_margin(x: Array, p: int, margin: float, w: Array) -> Array:
    loss = np.zeros(len(x))
    for n, label in enumerate(LABELS - 1):
        for k in range(3):
            if k != label:
                loss[n] += w[label] * max(0, margin - x[n, label] + x[n, k]) ** p / 3
    return loss


def multi_label_margin(x: Array, sets: list[list[int]]) -> Array:
    loss = np.zeros(len(x))
    for n, has in enumerate(sets):
        for label in has:
            for k in set(range(3)) - set(has):
                loss[n] += max(0, 1 - x[n, label] + x[n, k]) / 3
    return loss


def nll(log_p: Array, weights: Array | None = None, average: bool = True) -> Array:
    w = np.ones(3)[LABELS - 1] if weights is None else weights[LABELS - 1]
    total = -(w * log_p[np.arange(4), LABELS - 1]).sum()
    return total / w.sum() if average else total


SETS = np.array([[3, 1, 0], [2, 0, 0], [1, 2, 3], [3, 0, 0]])
SET_LISTS = [[2, 0], [1], [0, 1, 2], [2]]


class Row(NamedTuple):
    """A criterion, its output and target, and the loss in NumPy."""

    name: str
    criterion: Any
    output: Any
    target: Any
    expected: Callable[..., Any]


ROWS = [
    Row("Abs", c.AbsCriterion(), X, T, lambda x, t: np.abs(x - t).mean()),
    Row("Abs sum", c.AbsCriterion(False), X, T, lambda x, t: np.abs(x - t).sum()),
    Row("MSE", c.MSECriterion(), X, T, lambda x, t: ((x - t) ** 2).mean()),
    Row("MSE sum", c.MSECriterion(False), X, T, lambda x, t: ((x - t) ** 2).sum()),
    Row("SmoothL1", c.SmoothL1Criterion(), X, T, lambda x, t: smooth(x - t).mean()),
    Row("SmoothL1 sum", c.SmoothL1Criterion(False), X, T, lambda x, t: smooth(x - t).sum()),
    Row("L1Cost", c.L1Cost(), X, T, lambda x, t: np.abs(x).sum()),
    Row(
        "MeanAbsolutePercentage",
        c.MeanAbsolutePercentageCriterion(),
        X,
        T,
        lambda x, t: 100 * (np.abs(x - t) / np.abs(t)).mean(),
    ),
    Row(
        "MeanSquaredLogarithmic",
        c.MeanSquaredLogarithmicCriterion(),
        P,
        Q,
        lambda x, t: ((np.log1p(x) - np.log1p(t)) ** 2).mean(),
    ),
    Row("Poisson", c.PoissonCriterion(), P, Q, lambda x, t: (x - t * np.log(x + 1e-7)).mean()),
    Row("DotProduct", c.DotProductCriterion(), X, T, lambda x, t: (x * t).sum()),
    Row("DotProduct mean", c.DotProductCriterion(True), X, T, lambda x, t: (x * t).sum() / 4),
    Row("ClassNLL", c.ClassNLLCriterion(), log_softmax(X), LABELS, lambda x, t: nll(x)),
    Row(
        "ClassNLL weights",
        c.ClassNLLCriterion(WEIGHTS),
        log_softmax(X),
        LABELS.astype(np.float32).reshape(4, 1),
        lambda x, t: nll(x, WEIGHTS),
    ),
    Row(
        "ClassNLL sum of probabilities, labels from 0",
        c.ClassNLLCriterion(size_average=False, logProbAsInput=False, zero_based_label=True),
        P,
        LABELS - 1,
        lambda x, t: nll(np.log(x), average=False),
    ),
    Row("CrossEntropy", c.CrossEntropyCriterion(), X, LABELS, lambda x, t: nll(log_softmax(x))),
    Row(
        "CrossEntropy weights",
        c.CrossEntropyCriterion(WEIGHTS, False),
        X,
        LABELS,
        lambda x, t: nll(log_softmax(x), WEIGHTS, False),
    ),
    Row(
        "CategoricalCrossEntropy",
        c.CategoricalCrossEntropy(),
        P,
        ONE_HOT,
        lambda x, t: nll(np.log(x / x.sum(1, keepdims=True))),
    ),
    Row(
        "BCE",
        c.BCECriterion(),
        P,
        Q,
        lambda x, t: -(t * np.log(x) + (1 - t) * np.log(1 - x)).mean(),
    ),
    Row(
        "BCE weights",
        c.BCECriterion(WEIGHTS, False),
        P,
        Q,
        lambda x, t: -(WEIGHTS * (t * np.log(x) + (1 - t) * np.log(1 - x))).sum(),
    ),
    Row(
        "MultiLabelSoftMargin",
        c.MultiLabelSoftMarginCriterion(WEIGHTS),
        X,
        ONE_HOT,
        lambda x, t: (
            -(WEIGHTS * (t * np.log(sigmoid(x)) + (1 - t) * np.log(1 - sigmoid(x)))).mean()
        ),
    ),
    Row(
        "Margin",
        c.MarginCriterion(0.5),
        X,
        SIGNS,
        lambda x, t: np.maximum(0, 0.5 - x * t).mean(),
    ),
    Row(
        "Margin squared",
        c.MarginCriterion(squared=True, size_average=False),
        X,
        SIGNS,
        lambda x, t: (np.maximum(0, 1 - x * t) ** 2).sum(),
    ),
    Row(
        "SoftMargin",
        c.SoftMarginCriterion(),
        X,
        SIGNS,
        lambda x, t: np.log1p(np.exp(-x * t)).mean(),
    ),
    Row(
        "MarginRanking",
        c.MarginRankingCriterion(0.5),
        [X[:, 0], X2[:, 0]],
        ROW_SIGNS,
        lambda x, y, t: np.maximum(0, 0.5 - t * (x - y)).mean(),
    ),
    Row(
        "HingeEmbedding",
        c.HingeEmbeddingCriterion(1.5),
        X,
        SIGNS,
        lambda x, t: np.where(t == 1, x, np.maximum(0, 1.5 - x)).mean(),
    ),
    Row(
        "L1HingeEmbedding near",
        c.L1HingeEmbeddingCriterion(),
        [X[0], X2[0]],
        np.array([1.0]),
        lambda x, y, t: np.abs(x - y).sum(),
    ),
    Row(
        "L1HingeEmbedding far",
        c.L1HingeEmbeddingCriterion(50.0),
        [X[0], X2[0]],
        np.array([-1.0]),
        lambda x, y, t: 50 - np.abs(x - y).sum(),
    ),
    Row(
        "MultiMargin",
        c.MultiMarginCriterion(),
        X,
        LABELS,
        lambda x, t: multi_margin(x, 1, 1, np.ones(3)).mean(),
    ),
    Row(
        "MultiMargin squared",
        c.MultiMarginCriterion(2, WEIGHTS, 0.5, False, zero_based_label=True),
        X,
        LABELS - 1,
        lambda x, t: multi_margin(x, 2, 0.5, WEIGHTS).sum(),
    ),
    Row(
        "MultiLabelMargin",
        c.MultiLabelMarginCriterion(),
        X,
        SETS,
        lambda x, t: multi_label_margin(x, SET_LISTS).mean(),
    ),
    Row(
        "MultiLabelMargin from 0",
        c.MultiLabelMarginCriterion(False, zero_based_label=True),
        X,
        SETS - 1,
        lambda x, t: multi_label_margin(x, SET_LISTS).sum(),
    ),
    Row(
        "CosineEmbedding",
        c.CosineEmbeddingCriterion(0.1),
        [X, X2],
        [ROW_SIGNS],
        lambda x, y, t: np.where(
            t == 1, 1 - cosine(x, y), np.maximum(0, cosine(x, y) - 0.1)
        ).mean(),
    ),
    Row(
        "CosineDistance",
        c.CosineDistanceCriterion(),
        X,
        T,
        lambda x, t: (1 - cosine(x, t)).mean(),
    ),
    Row(
        "CosineProximity",
        c.CosineProximityCriterion(),
        X,
        T,
        lambda x, t: -cosine(x, t).sum() / 12,
    ),
    Row(
        "DistKLDiv",
        c.DistKLDivCriterion(),
        log_softmax(X),
        Q,
        lambda x, t: (t * (np.log(t) - x)).mean(),
    ),
    Row(
        "KullbackLeiblerDivergence",
        c.KullbackLeiblerDivergenceCriterion(),
        P,
        Q,
        lambda x, t: (t * np.log(t / x)).sum() / 4,
    ),
    Row(
        "KLD",
        c.KLDCriterion(),
        [X, X2],
        T,
        lambda m, s, t: -0.5 * (1 + s - m * m - np.exp(s)).sum() / 4,
    ),
    Row(
        "Gaussian",
        c.GaussianCriterion(),
        [X, X2],
        T,
        lambda m, s, t: (
            -np.log(
                np.exp(-((t - m) ** 2) / (2 * np.exp(s))) / np.sqrt(2 * np.pi * np.exp(s))
            ).sum()
        ),
    ),
    Row(
        "DiceCoefficient",
        c.DiceCoefficientCriterion(),
        P,
        Q,
        lambda x, t: (1 - (2 * (x * t).sum(1) + 1) / (x.sum(1) + t.sum(1) + 1)).mean(),
    ),
    Row(
        "Multi",
        c.MultiCriterion().add(c.MSECriterion(), 0.5).add(c.AbsCriterion()),
        X,
        T,
        lambda x, t: 0.5 * ((x - t) ** 2).mean() + np.abs(x - t).mean(),
    ),
    Row(
        "Parallel",
        c.ParallelCriterion().add(c.MSECriterion(), 0.5).add(c.ClassNLLCriterion()),
        [X2, log_softmax(X)],
        [T, LABELS],
        lambda x, y, t, s: 0.5 * ((x - t) ** 2).mean() + nll(y),
    ),
    Row(
        "Parallel of one target",
        c.ParallelCriterion(repeat_target=True).add(c.MSECriterion()).add(c.AbsCriterion()),
        [X2, X],
        T,
        lambda x, y, t: ((x - t) ** 2).mean() + np.abs(y - t).mean(),
    ),
    Row(
        "TimeDistributed",
        c.TimeDistributedCriterion(c.CrossEntropyCriterion()),
        np.stack([X, X2], 1),
        np.stack([LABELS, LABELS], 1),
        lambda x, t: nll(log_softmax(x[:, 0])) + nll(log_softmax(x[:, 1])),
    ),
    Row(
        "TimeDistributed mean",
        c.TimeDistributedCriterion(c.MSECriterion(), size_average=True),
        X,
        T,
        lambda x, t: ((x - t) ** 2).mean(),
    ),
]
rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def flat(*given: Any) -> list[Array]:
    return [x for one in given for x in (one if isinstance(one, list) else [one])]


@rows
def test_forward_is_the_formula(row: Row) -> None:
    expected = row.expected(*flat(row.output, row.target))
    loss = row.criterion.forward(row.output, row.target)
    assert isinstance(loss, float)
    assert loss == pytest.approx(expected, rel=1e-6)


@rows
def test_backward_is_the_slope_of_the_formula(row: Row) -> None:
    outputs = flat(row.output)
    grads = flat(row.criterion.backward(row.output, row.target))
    targets = flat(row.target)
    assert [g.shape for g in grads] == [x.shape for x in outputs]
    directions = [np.random.default_rng(k).normal(size=x.shape) for k, x in enumerate(outputs)]
    h = 1e-6
    ahead = row.expected(*[x + h * d for x, d in zip(outputs, directions, strict=True)], *targets)
    back = row.expected(*[x - h * d for x, d in zip(outputs, directions, strict=True)], *targets)
    slope = sum((g * d).sum() for g, d in zip(grads, directions, strict=True))
    assert slope == pytest.approx((ahead - back) / (2 * h), rel=1e-5, abs=1e-7)


@rows
def test_called_on_tensors_it_is_the_same_number_with_a_graph(row: Row) -> None:
    def tensors(given: Any, grad: bool) -> Any:
        if isinstance(given, list):
            return [tensors(x, grad) for x in given]
        return bx.tensor(given, requires_grad=grad)

    outputs = tensors(row.output, True)
    loss = row.criterion(outputs, tensors(row.target, False))
    assert loss.ndim == 0
    assert loss.item() == row.criterion.forward(row.output, row.target)
    loss.backward()
    grads = [x.grad.numpy() for x in flat(outputs)]
    for grad, expected in zip(
        grads, flat(row.criterion.backward(row.output, row.target)), strict=True
    ):
        np.testing.assert_array_equal(grad, expected)


TORCH: dict[str, Callable[..., Any]] = {
    "Abs": lambda F, x, t: F.l1_loss(x, t),
    "MSE": lambda F, x, t: F.mse_loss(x, t),
    "SmoothL1": lambda F, x, t: F.smooth_l1_loss(x, t),
    "ClassNLL": lambda F, x, t: F.nll_loss(x, t - 1),
    "CrossEntropy": lambda F, x, t: F.cross_entropy(x, t - 1),
    "BCE": lambda F, x, t: F.binary_cross_entropy(x, t),
    "SoftMargin": lambda F, x, t: F.soft_margin_loss(x, t),
    "MarginRanking": lambda F, x, y, t: F.margin_ranking_loss(x, y, t, 0.5),
    "HingeEmbedding": lambda F, x, t: F.hinge_embedding_loss(x, t, 1.5),
    "MultiMargin": lambda F, x, t: F.multi_margin_loss(x, t - 1),
    "MultiLabelMargin": lambda F, x, t: F.multilabel_margin_loss(x, t - 1),
    "CosineEmbedding": lambda F, x, y, t: F.cosine_embedding_loss(x, y, t, 0.1),
    "DistKLDiv": lambda F, x, t: F.kl_div(x, t, reduction="sum") / 12,
}


@pytest.mark.parametrize("name", TORCH)
def test_pytorch_computes_the_same(name: str) -> None:
    torch = pytest.importorskip("torch")
    row = next(row for row in ROWS if row.name == name)
    outputs = [torch.tensor(x, requires_grad=True) for x in flat(row.output)]
    targets = [torch.tensor(t) for t in flat(row.target)]
    loss = TORCH[name](torch.nn.functional, *outputs, *targets)
    loss.backward()
    assert row.criterion.forward(row.output, row.target) == pytest.approx(loss.item(), rel=1e-9)
    ours = flat(row.criterion.backward(row.output, row.target))
    for x, grad in zip(outputs, ours, strict=True):
        np.testing.assert_allclose(grad, x.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_every_criterion_has_a_row() -> None:
    tested = {type(row.criterion).__name__ for row in ROWS}
    assert tested == set(c.__all__) - {"Criterion"}


def test_loss_is_printed_as_the_float32_it_is() -> None:
    output = np.array([1.62202466], np.float32)
    assert str(c.AbsCriterion().forward(output, np.array([0]))) == "1.6220247"


def test_padding_labels_do_not_count() -> None:
    labels = np.array([1, -1, 2, -1])
    criterion = c.ClassNLLCriterion(padding_value=-1)
    log_p = log_softmax(X)
    assert criterion.forward(log_p, labels) == pytest.approx(-(log_p[0, 0] + log_p[2, 1]) / 2)
    assert (criterion.backward(log_p, labels)[[1, 3]] == 0).all()
    assert criterion.forward(log_p, np.full(4, -1)) == 0


@pytest.mark.parametrize(
    "criterion",
    [
        c.ClassNLLCriterion(),
        c.CrossEntropyCriterion(),
        c.MultiMarginCriterion(),
    ],
    ids=lambda x: type(x).__name__,
)
@pytest.mark.parametrize("wrong", [0, 4, -1])
def test_label_out_of_range_is_named_with_the_range(criterion: Any, wrong: int) -> None:
    with pytest.raises(IndexError, match=rf"label {wrong} is out of range.*labels 1 to 3"):
        criterion.forward(X, np.array([1, 2, wrong, 3]))
    with pytest.raises(IndexError, match=rf"label {wrong} "):
        criterion.backward(X, np.array([1, 2, wrong, 3]))


def test_labels_from_zero_where_asked_for() -> None:
    criterion = c.CrossEntropyCriterion(zero_based_label=True)
    assert criterion.forward(X, LABELS - 1) == c.CrossEntropyCriterion().forward(X, LABELS)
    with pytest.raises(IndexError, match=r"label 3 is out of range.*labels 0 to 2.*start from 1"):
        criterion.forward(X, LABELS)


def test_a_set_of_labels_out_of_range_is_named() -> None:
    with pytest.raises(IndexError, match="label 4 is out of range"):
        c.MultiLabelMarginCriterion().forward(X, np.full((4, 3), 4))


@pytest.mark.parametrize(
    ("criterion", "output", "target", "error", "message"),
    [
        (c.MSECriterion(), X, T[:, :2], ValueError, r"\(4, 3\), the target \(4, 2\)"),
        (c.MSECriterion(), X[:, :1], T[:, 0][None].repeat(4, 0), ValueError, "one target for each"),
        (c.ClassNLLCriterion(), X, ONE_HOT, ValueError, "not one-hot rows"),
        (c.ClassNLLCriterion(), X, LABELS + 0.5, ValueError, "not whole numbers"),
        (c.ClassNLLCriterion([1, 2]), X, LABELS, ValueError, r"\(2,\) for 3 classes"),
        (c.ClassNLLCriterion(), X[None], LABELS, ValueError, "is .batch, classes."),
        (c.BCECriterion(), X, T, ValueError, "no probabilities"),
        (c.BCECriterion([1, 2]), P, Q, ValueError, r"weights has shape \(2,\)"),
        (c.MarginRankingCriterion(), X, T, ValueError, "list of two outputs"),
        (c.KLDCriterion(), [X, X, X], T, ValueError, "two outputs, is given 3"),
        (c.MultiMarginCriterion(), X, T, ValueError, "one label for each"),
        (c.L1HingeEmbeddingCriterion(), [X, X2], T, ValueError, "one target"),
        (c.ParallelCriterion(), [X, X], T, RuntimeError, "has no criteria"),
        (
            c.ParallelCriterion().add(c.MSECriterion()),
            [X, X],
            [T],
            ValueError,
            "1 criteria and 2 outputs",
        ),
        (c.TimeDistributedCriterion(c.MSECriterion()), X, T[:, :2], ValueError, "dimension 2"),
        (c.Criterion(), X, T, NotImplementedError, "defines no loss"),
    ],
)
def test_what_does_not_fit_is_refused(
    criterion: Any, output: Any, target: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        criterion.forward(output, target)
    with pytest.raises(error, match=message):
        criterion.backward(output, target)


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(ValueError, match="p=3"):
        c.MultiMarginCriterion(p=3)
    with pytest.raises(TypeError, match="takes a criterion"):
        c.MultiCriterion().add("mse")  # type: ignore[arg-type]


def test_a_column_of_targets_fits_a_column_of_outputs() -> None:
    output = X[:, :1]
    assert c.MSECriterion().forward(output, T[:, 0]) == c.MSECriterion().forward(output, T[:, :1])
    assert c.MSECriterion().backward(output, T[:, 0]).shape == (4, 1)
