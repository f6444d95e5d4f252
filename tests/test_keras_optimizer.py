"""BigDL's Optimizer, its methods and schedules, on models of keras and plain modules."""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import nn
from backprop_ext.keras import optimizer as bigdl
from backprop_ext.keras import optimizers
from backprop_ext.keras.criterion import ClassNLLCriterion, MSECriterion
from backprop_ext.keras.layers import Dense, Dropout
from backprop_ext.keras.models import Sequential
from backprop_ext.keras.optimizer import (
    SGD,
    Adam,
    EveryEpoch,
    Loss,
    MaxEpoch,
    MaxIteration,
    MaxScore,
    Optimizer,
    SeveralIteration,
    Top1Accuracy,
    TrainSummary,
    TriggerOr,
    ValidationSummary,
)

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3)).astype(np.float32)
Y = 1.0 + (X[:, 0] + X[:, 1] > 0)  # Labels from 1, as BigDL has them, and floats.
T = (X @ [[1.0], [-2.0], [0.5]] + 0.3).astype(np.float32)


def classifier() -> Sequential:
    model = Sequential().add(Dense(8, activation="tanh", input_shape=(3,))).add(Dropout(0.1))
    return model.add(Dense(2, activation="log_softmax"))


def weights(model: Any) -> list[Any]:
    module = getattr(model, "module", model)
    return [p.detach().numpy().copy() for p in module.parameters()]


def same_bits(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def optimizer(model: Any = None, end: Any = None, **options: Any) -> Optimizer:
    chosen: dict[str, Any] = {
        "model": classifier() if model is None else model,
        "training_set": (X, Y),
        "criterion": ClassNLLCriterion(),
        "optim_method": SGD(learningrate=0.1, momentum=0.9, dampening=0.0),
        "end_trigger": MaxEpoch(5) if end is None else end,
        "batch_size": 16,
    }
    return Optimizer(**(chosen | options))


def test_optimize_trains_the_model_and_returns_it() -> None:
    bx.manual_seed(0)
    model = classifier()
    trained = optimizer(model, MaxEpoch(30))
    trained.set_validation(
        batch_size=32, val_rdd=(X, Y), trigger=EveryEpoch(), val_method=[Top1Accuracy()]
    )
    assert trained.optimize() is model
    accuracy = float((model.predict_classes(X, zero_based_label=False) == Y).mean())
    assert trained.state.scores == {"Top1Accuracy": accuracy}
    assert accuracy > 0.9
    assert trained.state.history[-1]["loss"] < 0.5 * trained.state.history[0]["loss"]


def test_optimizer_and_fit_are_one_loop() -> None:
    models = [Sequential().add(Dense(1, input_shape=(3,))) for _ in range(2)]
    models[1].set_weights(models[0].get_weights())
    method = {"learningrate": 0.05, "momentum": 0.5}
    bx.manual_seed(3)
    models[0].compile(SGD(**method), MSECriterion())
    models[0].fit(X, T, batch_size=16, nb_epoch=3, verbose=False)
    bx.manual_seed(3)
    Optimizer(models[1], (X, T), MSECriterion(), SGD(**method), MaxEpoch(3), 16).optimize()
    assert same_bits(*map(weights, models))


def test_a_plain_module_and_a_loss_of_pytorch_train_too() -> None:
    bx.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    labels = Y.astype(np.int64) - 1
    made = Optimizer(module, (X, labels), nn.CrossEntropyLoss(), bx.optim.Adam, MaxEpoch(20))
    made.set_validation(32, (X, labels), EveryEpoch(), ["accuracy", Loss()])
    assert made.optimize() is module
    assert made.state.history[-1]["loss"] < made.state.history[0]["loss"]
    assert set(made.state.scores) == {"accuracy", "Loss"}


def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    def made(seed: int, end: Any, folder: Path | None) -> Optimizer:
        bx.manual_seed(seed)
        found = optimizer(
            end=end,
            optim_method=SGD(
                learningrate=0.1,
                momentum=0.9,
                nesterov=True,
                leaningrate_schedule=bigdl.Poly(0.5, 100),
            ),
        )
        found.set_gradclip_l2norm(0.5)
        found.set_validation(32, (X, Y), SeveralIteration(3), [Top1Accuracy()])
        found.set_train_summary(TrainSummary(tmp_path, f"{folder and folder.name}"))
        if folder is not None:
            found.set_checkpoint(SeveralIteration(3), folder)
        return found

    folder = tmp_path / "run"
    whole = made(0, MaxEpoch(5), None)
    whole.optimize()
    made(0, MaxIteration(11), folder).optimize()
    resumed = made(9, MaxEpoch(5), folder)
    resumed.optimize(resume=True)
    assert same_bits(weights(whole.model), weights(resumed.model))
    assert resumed.state == whole.state
    tables = [TrainSummary(tmp_path, name).read_scalar("Loss") for name in ("None", "run")]
    assert np.array_equal(tables[0][:, :2], tables[1][:, :2])


def test_every_trigger_ends_a_run_and_a_second_call_goes_on() -> None:
    found = optimizer(end=TriggerOr(MaxIteration(3), MaxEpoch(9)))
    found.optimize()
    assert found.state.iteration == 3
    found.set_end_when(MaxIteration(7))
    found.optimize()
    assert found.state.iteration == 7
    found.set_validation(32, X_val=X, Y_val=Y, val_method=[Top1Accuracy()])
    found.set_end_when(TriggerOr(MaxScore(0.9), MaxEpoch(300)))
    found.optimize()
    assert found.state.score is not None
    assert found.state.score > 0.9
    assert found.state.epoch < 300
    created = Optimizer.create(classifier(), (X, Y), ClassNLLCriterion(), MaxIteration(2), 20)
    created.optimize()
    assert created.state.iteration == 2


def test_summaries_and_clipping(tmp_path: Path) -> None:
    bx.manual_seed(0)
    model = Sequential().add(Dense(1, input_shape=(3,)))
    found = Optimizer(model, (X, T), MSECriterion(), SGD(learningrate=1.0), MaxIteration(1), 60)
    found.set_train_summary(TrainSummary(tmp_path, "app"))
    scores = ValidationSummary(tmp_path, "app")
    found.set_val_summary(scores)
    found.set_validation(60, (X, T), EveryEpoch(), [Loss()])
    found.set_gradclip_const(-0.01, 0.02)
    before = weights(model)
    found.optimize()
    for old, new in zip(before, weights(model), strict=True):
        step = old - new
        assert np.all(np.isclose(step, -0.01, rtol=1e-3) | np.isclose(step, 0.02, rtol=1e-3))
    (loss,) = scores.read_scalar("Loss")
    assert loss[:2].tolist() == [1.0, found.state.scores["Loss"]]
    found.disable_gradclip()
    found.set_end_when(MaxIteration(2))
    before = weights(model)
    found.optimize()
    assert max(np.abs(a - b).max() for a, b in zip(before, weights(model), strict=True)) > 0.1
    found.set_gradclip_l2norm(0.005)
    found.set_end_when(MaxIteration(3))
    before = weights(model)
    found.optimize()
    moved = sum(((a - b) ** 2).sum() for a, b in zip(before, weights(model), strict=True))
    assert float(moved) ** 0.5 == pytest.approx(0.005, rel=1e-3)


# Methods: each is an optimizer of backprop_ext.optim, which has tests of its own.

METHODS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "SGD": (
        SGD(0.1, weightdecay=0.01, momentum=0.9),
        # BigDL: dampening is the momentum unless it is given.
        lambda p: bx.optim.SGD(p, 0.1, momentum=0.9, dampening=0.9, weight_decay=0.01),
    ),
    "SGD without dampening": (
        SGD(0.1, momentum=0.9, dampening=0.0),
        lambda p: bx.optim.SGD(p, 0.1, momentum=0.9),
    ),
    "SGD with Nesterov's momentum": (
        SGD(0.1, momentum=0.9, nesterov=True),
        lambda p: bx.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    ),
    "Adam": (Adam(0.01, beta1=0.8), lambda p: bx.optim.Adam(p, 0.01, betas=(0.8, 0.999))),
    "Keras' Adam": (
        optimizers.Adam(0.01, beta_1=0.8),
        lambda p: bx.optim.Adam(p, 0.01, betas=(0.8, 0.999)),
    ),
    "Adagrad": (
        bigdl.Adagrad(0.01, learningrate_decay=0.1),
        lambda p: bx.optim.Adagrad(p, 0.01, lr_decay=0.1),
    ),
    "Adadelta": (bigdl.Adadelta(0.8, 1e-6), lambda p: bx.optim.Adadelta(p, rho=0.8, eps=1e-6)),
    "Adamax": (bigdl.Adamax(0.01), lambda p: bx.optim.Adamax(p, 0.01, eps=1e-38)),
    "RMSprop": (
        bigdl.RMSprop(0.01, decayrate=0.9),
        lambda p: bx.optim.RMSprop(p, 0.01, alpha=0.9),
    ),
    "LBFGS": (
        bigdl.LBFGS(max_iter=3, ncorrection=5),
        lambda p: bx.optim.LBFGS(
            p, max_iter=3, tolerance_grad=1e-5, tolerance_change=1e-9, history_size=5
        ),
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_the_optimizer_of_its_settings(name: str) -> None:
    found = []
    for method in METHODS[name]:
        bx.manual_seed(1)
        module = nn.Linear(3, 1)
        Optimizer(module, (X, T), nn.MSELoss(), method, MaxEpoch(4), 20).optimize()
        found.append(weights(module))
    assert same_bits(*found)


SCHEDULES: dict[str, tuple[Any, Callable[[int], float]]] = {
    "Default": (bigdl.Default(0.1), lambda n: 1 / (1 + 0.1 * n)),
    "Poly": (bigdl.Poly(2.0, 6), lambda n: (1 - n / 6) ** 2 if n < 6 else 0.0),
    "Exponential": (bigdl.Exponential(4, 0.5), lambda n: 0.5 ** (n / 4)),
    "stairs": (bigdl.Exponential(4, 0.5, stair_case=True), lambda n: 0.5 ** (n // 4)),
    "NaturalExp": (bigdl.NaturalExp(2, 0.3), lambda n: exp(-0.3 * (n // 2))),
    "Step": (bigdl.Step(3, 0.1), lambda n: 0.1 ** (n // 3)),
    "EpochStep": (bigdl.EpochStep(1, 0.1), lambda n: 0.1 ** (n // 3)),
    "MultiStep": (bigdl.MultiStep([2, 5], 0.1), lambda n: 0.1 ** ((n >= 2) + (n >= 5))),
    "Warmup": (bigdl.Warmup(0.05), lambda n: 1 + n * 0.05 / 0.2),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_its_formula_of_the_steps_before(name: str, tmp_path: Path) -> None:
    schedule, factor = SCHEDULES[name]
    summary = TrainSummary(tmp_path, "app")
    found = Optimizer(
        nn.Linear(3, 1),
        (X, T),
        nn.MSELoss(),
        SGD(0.2, leaningrate_schedule=schedule),
        MaxIteration(9),
        20,  # 3 batches an epoch
    )
    found.set_train_summary(summary)
    found.optimize()
    rates = summary.read_scalar("LearningRate")[:, 1]
    np.testing.assert_allclose(rates, [0.2 * factor(n) for n in range(9)], rtol=1e-12)


def test_schedules_one_after_another_as_bigdl_counts_them(tmp_path: Path) -> None:
    warmup, poly, stairs = bigdl.Warmup(0.02), bigdl.Poly(1.0, 30), bigdl.EpochStep(1, 0.5)
    schedule = bigdl.SequentialSchedule(3).add(warmup, 4).add(poly, 5).add(stairs, 100)
    summary = TrainSummary(tmp_path, "app")
    method = SGD(0.1, leaningrate_schedule=schedule)
    found = Optimizer(nn.Linear(3, 1), (X, T), nn.MSELoss(), method, MaxIteration(18), 20)
    found.set_train_summary(summary)
    found.optimize()
    # Its own procedure: a schedule ends when n has passed its last iteration.
    base, current, phase, expected = 0.1, 0.1, 0, []
    for n in range(18):
        if phase < 2 and n > (4, 9)[phase]:
            base, phase = current, phase + 1
        current = (
            base + 0.02 * n,
            base * (1 - n / 30),
            base * 0.5 ** ((n - 9) // 3),
        )[phase]
        expected.append(current)
    np.testing.assert_allclose(summary.read_scalar("LearningRate")[:, 1], expected, rtol=1e-12)
    with pytest.raises(TypeError, match="Plateau is no function of the iteration"):
        bigdl.SequentialSchedule(3).add(bigdl.Plateau("Loss"), 5)
    for bad, rate in ((bigdl.SequentialSchedule(3), 0.1), (bigdl.Warmup(0.1), 0.0)):
        made = Optimizer(nn.Linear(3, 1), (X, T), nn.MSELoss(), SGD(rate, leaningrate_schedule=bad))
        with pytest.raises(ValueError, match=r"add a schedule first|learningrate=0"):
            made.optimize()


def test_the_decay_of_a_method_is_the_default_schedule(tmp_path: Path) -> None:
    for name, method in {
        "SGD": SGD(0.2, 0.5),
        "Adam": Adam(0.2, 0.5),
        "RMSprop": bigdl.RMSprop(0.2, 0.5),
        "Keras": optimizers.Adam(0.2, decay=0.5),
        "schedule": optimizers.Adam(0.2, schedule=bigdl.Default(0.5)),
    }.items():
        summary = TrainSummary(tmp_path, name)
        found = Optimizer(nn.Linear(3, 1), (X, T), nn.MSELoss(), method, MaxIteration(3))
        found.set_train_summary(summary)
        found.optimize()
        rates = summary.read_scalar("LearningRate")[:, 1]
        np.testing.assert_allclose(rates, [0.2, 0.2 / 1.5, 0.2 / 2.0])


def test_plateau_lowers_the_rate_of_a_stalled_loss_or_score(tmp_path: Path) -> None:
    for monitor, validates in (("Loss", False), ("score", True)):
        schedule = bigdl.Plateau(monitor, factor=0.5, patience=1, epsilon=10.0)
        summary = TrainSummary(tmp_path, monitor)
        method = SGD(0.1, leaningrate_schedule=schedule)
        found = Optimizer(nn.Linear(3, 1), (X, T), nn.MSELoss(), method, MaxEpoch(6), 60)
        found.set_train_summary(summary)
        if validates:
            found.set_validation(60, (X, T), EveryEpoch(), ["mae"])
        found.optimize()
        rates = summary.read_scalar("LearningRate")[:, 1]
        np.testing.assert_allclose(rates, [0.1, 0.1, 0.1, 0.05, 0.05, 0.025])
    with pytest.raises(ValueError, match="monitor 'scor' is unknown; did you mean 'score'"):
        bigdl.Plateau("scor")


def test_labels_from_0_and_from_1() -> None:
    zero = optimizer(criterion=ClassNLLCriterion(zero_based_label=True), training_set=(X, Y - 1))
    zero.set_validation(32, (X, Y - 1), EveryEpoch(), [Top1Accuracy(zero_based_label=True)])
    zero.optimize()
    with pytest.raises(IndexError, match=r"label 0 is out of range.*zero_based_label=True"):
        optimizer(training_set=(X, Y - 1))
    with pytest.raises(ValueError, match=r"label 0 is out of range.*zero_based_label=True"):
        optimizer(
            training_set=(X, Y - 1), criterion=ClassNLLCriterion(zero_based_label=True)
        ).set_validation(32, (X, Y - 1), EveryEpoch(), [Top1Accuracy()])


def test_bad_arguments_are_clear_errors_before_anything_changes() -> None:
    bx.manual_seed(0)
    model = classifier()
    before = weights(model)
    bad: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"model": 3}, TypeError, "the model is a int"),
        ({"training_set": X}, ValueError, r"training_set is not \(x, y\)"),
        ({"training_set": (X, Y[:5])}, ValueError, "60 in x, 5 in y"),
        ({"training_set": (X, Y * np.nan)}, ValueError, r"y\[0\] is nan"),
        ({"training_set": (X, Y + 2)}, IndexError, "label 3 is out of range"),
        ({"criterion": "msee"}, ValueError, "did you mean 'mse'"),
        ({"criterion": 3}, TypeError, "loss is a int"),
        ({"optim_method": "adem"}, ValueError, "did you mean 'adam'"),
        ({"optim_method": 3}, TypeError, "the optimizer is a int"),
        ({"optim_method": lambda p: 3, "end": 1}, TypeError, "end_trigger is a int"),
        ({"batch_size": 0}, ValueError, "batch_size=0"),
    ]
    for options, kind, message in bad:
        with pytest.raises(kind, match=message):
            optimizer(**({"model": model} | options))
    with pytest.raises(TypeError, match="made a int of the parameters"):
        optimizer(model, optim_method=lambda p: 3).optimize()
    with pytest.raises(ValueError, match="call set_checkpoint first"):
        optimizer(model).optimize(resume=True)
    with pytest.raises(ValueError, match=r"low=1\.0, high=0\.0"):
        optimizer(model).set_gradclip_const(1.0, 0.0)
    with pytest.raises(TypeError, match="the schedule is a float"):
        SGD(leaningrate_schedule=0.5)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="parameter groups"):
        SGD(learningrates=[1.0])
    for make in (bigdl.Step, bigdl.Exponential, bigdl.NaturalExp):
        with pytest.raises(ValueError, match="=0; 1 or more is needed"):
            make(0, 0.5)
    assert same_bits(before, weights(model))
