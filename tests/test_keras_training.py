"""compile, fit, evaluate, predict: Keras' face of the loop, on models of keras."""

from __future__ import annotations

import builtins
import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import nn
from backprop_ext.keras.criterion import ClassNLLCriterion, MSECriterion, ParallelCriterion
from backprop_ext.keras.layers import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    Lambda,
    merge,
)
from backprop_ext.keras.models import Model, Sequential
from backprop_ext.keras.optimizer import SGD, Adam, MaxEpoch, Optimizer
from backprop_ext.keras.regularizers import L2Regularizer
from backprop_ext.training import AUC, Accuracy, SeveralIteration, TrainSummary

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int64)
T = (X @ [[1.0], [-2.0], [0.5]] + 0.3).astype(np.float32)


def classifier(dropout: float = 0.2, width: int = 8) -> Sequential:
    model = Sequential()
    model.add(Dense(width, activation="tanh", input_shape=(3,)))
    model.add(BatchNormalization()) if dropout else None
    model.add(Dropout(dropout))
    return model.add(Dense(2, activation="softmax"))


def compiled(seed: int = 0, optimizer: Any = "adam", **options: Any) -> Sequential:
    bx.manual_seed(seed)
    model = classifier(**options)
    model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])
    return model


def regressor(optimizer: Any = "sgd", loss: Any = "mse") -> Sequential:
    bx.manual_seed(0)
    model = Sequential().add(Dense(1, input_shape=(3,)))
    model.compile(optimizer, loss)
    return model


def weights(model: Any) -> list[Any]:
    return [
        t.detach().numpy().copy() for t in (*model.module.parameters(), *model.module.buffers())
    ]


def same_bits(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_fit_is_gradient_descent_by_hand() -> None:
    model = regressor(SGD(learningrate=0.1))
    w, b = (a.astype(np.float64) for a in model.get_weights())
    w = w.reshape(1, 3)
    history = model.fit(X, T, batch_size=20, nb_epoch=3, shuffle=False, verbose=False)
    losses = []
    for _ in range(3):
        epoch = []
        for start in range(0, 60, 20):
            x, t = X[start : start + 20], T[start : start + 20]
            error = x @ w.T + b - t
            epoch.append(np.mean(error**2))
            w -= 0.1 * 2 * (error.T @ x) / 20
            b -= 0.1 * 2 * error.mean(0)
        losses.append(np.mean(epoch))
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[0].reshape(1, 3), w, rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[1], b, rtol=1e-5)
    assert history.epoch == [0, 1, 2]


def test_a_classifier_learns_and_its_scores_are_those_of_its_predictions() -> None:
    model = compiled(width=16)
    history = model.fit(
        X, Y, batch_size=16, nb_epoch=60, validation_data=(X, Y[:, None]), verbose=False
    )
    assert set(history.history) == {"loss", "val_loss", "val_accuracy"}
    assert history.history["loss"][-1] < 0.6 * history.history["loss"][0]
    probabilities = model.predict(X, batch_size=7)
    assert probabilities.shape == (60, 2)
    np.testing.assert_allclose(probabilities.sum(1), 1.0, rtol=1e-5)
    classes = model.predict_classes(X)
    assert np.array_equal(classes, probabilities.argmax(1))
    assert np.array_equal(model.predict_classes(X, zero_based_label=False), classes + 1)
    loss, accuracy = model.evaluate(X, Y)
    assert model.metrics_names == ["loss", "accuracy"]
    assert accuracy == (classes == Y).mean() > 0.9
    expected = -np.log(probabilities[np.arange(60), Y]).mean()
    assert loss == pytest.approx(expected, rel=1e-4)
    assert history.history["val_accuracy"][-1] == accuracy
    assert history.history["val_loss"][-1] == pytest.approx(loss, rel=1e-6)


def test_an_output_of_one_takes_flat_targets_and_a_threshold() -> None:
    bx.manual_seed(0)
    model = Sequential().add(Dense(1, activation="sigmoid", input_shape=(3,)))
    model.compile("rmsprop", "binary_crossentropy", ["accuracy", "auc", "mae"])
    model.fit(X, Y, nb_epoch=2, verbose=False)
    classes = model.predict_classes(X)
    assert classes.shape == (60,)
    assert np.array_equal(classes, model.predict(X)[:, 0] > 0.5)
    scores = dict(zip(model.metrics_names, model.evaluate(X, Y), strict=True))
    assert scores["accuracy"] == (classes == Y).mean()
    assert scores["mae"] == pytest.approx(np.abs(model.predict(X)[:, 0] - Y).mean(), rel=1e-5)


def test_training_goes_on_with_a_second_fit_and_begins_anew_with_compile() -> None:
    once, twice = compiled(), compiled()
    bx.manual_seed(9)
    once.fit(X, Y, nb_epoch=4, verbose=False)
    bx.manual_seed(9)
    twice.fit(X, Y, nb_epoch=1, verbose=False)
    second = twice.fit(X, Y, nb_epoch=3, verbose=False)
    assert second.epoch == [1, 2, 3]
    assert same_bits(weights(once), weights(twice))  # Adam's state goes on too.
    before = weights(twice)
    twice.compile("adam", "sparse_categorical_crossentropy")
    assert same_bits(before, weights(twice))
    assert twice.fit(X, Y, nb_epoch=1, verbose=False).epoch == [0]


def test_steps_of_keras_models_are_captured_with_the_same_bits() -> None:
    model, eager = compiled(), compiled()
    bx.manual_seed(4)
    model.fit(X, Y, nb_epoch=3, verbose=False)
    assert model._loop is not None
    assert model._loop.step.eager_reason is None
    model._loop.step.capture = False
    eager.add(Lambda(lambda x: x * 1.0))
    bx.manual_seed(4)
    eager.fit(X, Y, nb_epoch=3, verbose=False)
    assert eager._loop is not None
    assert "<lambda> is code of yours" in str(eager._loop.step.eager_reason)
    assert same_bits(weights(model), weights(eager))
    own = Sequential().add(Dense(2, input_shape=(3,))).add(Activation(lambda x: x * 1.0))
    own.compile("sgd", "mse")
    own.fit(X, X[:, :2], nb_epoch=1, verbose=False)
    assert own._loop is not None
    assert "is code of yours" in str(own._loop.step.eager_reason)


def test_passes_by_hand_may_come_between_two_fits() -> None:
    model = compiled()
    for _ in range(3):
        model.fit(X, Y, nb_epoch=1, verbose=False)
        output = model.forward(X)
        model.backward(X, np.ones_like(output))
    assert model._loop is not None
    assert model._loop.step.eager_reason is None


def test_labels_and_words_are_captured_and_refused_out_of_range() -> None:
    words = RNG.integers(1, 11, (40, 4))
    label = 1.0 + (words[:, 0] > 5)
    found = []
    for capture in (None, False):
        bx.manual_seed(0)
        model = Sequential().add(Embedding(10, 3, input_length=4, zero_based_id=False))
        model.add(Flatten()).add(Dense(2, activation="log_softmax"))
        made = Optimizer(
            model, (words, label), ClassNLLCriterion(), SGD(0.1), MaxEpoch(3), 16, capture=capture
        )
        made.optimize()
        assert made._loop is not None
        assert (made._loop.step.eager_reason is None) == (capture is None)
        found.append(weights(model))
        for bad in (0, 11):
            wrong = words.copy()
            wrong[-1, 2] = bad
            with pytest.raises(IndexError, match=f"{bad} is out of range"):
                Optimizer(model, (wrong, label), ClassNLLCriterion())
    with pytest.raises(IndexError, match="label 3 is out of range"):
        Optimizer(model, (words, label + 1), ClassNLLCriterion())
    assert same_bits(found[-1], weights(model))
    assert same_bits(*found)


def test_regularizers_enter_the_loss_that_is_trained() -> None:
    bx.manual_seed(0)
    model = Sequential().add(Dense(1, input_shape=(3,), W_regularizer=L2Regularizer(0.5)))
    model.compile(SGD(learningrate=0.0), "mse")
    history = model.fit(X, T, batch_size=60, nb_epoch=1, verbose=False)
    penalty = model.regularization()
    assert penalty is not None
    (bare,) = model.evaluate(X, T)
    assert penalty.item() > 0.01
    assert history.history["loss"][0] == pytest.approx(bare + penalty.item(), rel=1e-5)


def test_a_frozen_layer_stays_as_it_is() -> None:
    model = compiled(dropout=0.0)
    first = model.layers[0]
    first.freeze()
    before = [w.copy() for w in first.get_weights()]
    rest = [w.copy() for w in model.layers[-1].get_weights()]
    model.fit(X, Y, nb_epoch=2, verbose=False)
    assert same_bits(before, first.get_weights())
    assert not same_bits(rest, model.layers[-1].get_weights())
    first.unfreeze()
    model.fit(X, Y, nb_epoch=1, verbose=False)
    assert not same_bits(before, first.get_weights())


def test_a_layer_added_after_compile_is_trained() -> None:
    bx.manual_seed(0)
    model = Sequential().add(Dense(4, input_shape=(3,)))
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((60, 4)), nb_epoch=1, verbose=False)
    model.add(Dense(1))
    before = weights(model)
    model.fit(X, T, nb_epoch=1, verbose=False)
    assert all(not np.array_equal(a, b) for a, b in zip(before, weights(model), strict=True))


def test_models_of_several_inputs_and_outputs() -> None:
    bx.manual_seed(0)
    a, b = Input(shape=(3,)), Input(shape=(2,))
    joined = merge([Dense(4)(a), Dense(4)(b)], mode="sum")
    model = Model([a, b], [Dense(1)(joined), Dense(2)(joined)])
    criterion = ParallelCriterion()
    criterion.add(MSECriterion(), 1.0)
    criterion.add(MSECriterion(), 0.5)
    model.compile("adam", criterion)
    second = X[:, :2] * 2
    history = model.fit([X, second], [T, second], nb_epoch=30, verbose=False)
    assert history.history["loss"][-1] < 0.8 * history.history["loss"][0]
    one, two = model.predict([X, second])
    assert (one.shape, two.shape) == ((60, 1), (60, 2))
    expected = np.mean((one - T) ** 2) + 0.5 * np.mean((two - second) ** 2)
    assert model.evaluate([X, second], [T, second]) == [pytest.approx(expected, rel=1e-5)]
    with pytest.raises(ValueError, match="the model has 2 outputs, y 1 arrays"):
        model.fit([X, second], T, verbose=False)
    with pytest.raises(ValueError, match=r"5 in x\[1\]"):
        model.fit([X, second[:5]], [T, second], verbose=False)
    with pytest.raises(ValueError, match="2 outputs; use predict and argmax"):
        model.predict_classes([X, second])


def test_numbers_of_words_go_through_an_embedding() -> None:
    bx.manual_seed(0)
    words = RNG.integers(0, 10, (40, 4))
    label = (words[:, 0] > 4).astype(np.int64)
    model = Sequential().add(Embedding(10, 3, input_length=4)).add(Flatten())
    model.add(Dense(2, activation="softmax"))
    model.compile(Adam(learningrate=0.01), "sparse_categorical_crossentropy")
    losses = model.fit(words, label, nb_epoch=40, verbose=False).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


def test_validation_split_holds_the_last_samples_out() -> None:
    model = compiled()
    history = model.fit(X, Y, nb_epoch=1, validation_split=0.25, verbose=False, batch_size=64)
    loss, accuracy = model.evaluate(X[45:], Y[45:])
    assert history.history["val_loss"] == [pytest.approx(loss, rel=1e-6)]
    assert history.history["val_accuracy"] == [accuracy]
    for share in (1.0, -0.1, 0.001):
        with pytest.raises(ValueError, match=f"validation_split={share}"):
            model.fit(X, Y, validation_split=share, verbose=False)


OPTIMIZERS: dict[str, Any] = {
    "name": "sgd",
    "method": SGD(learningrate=0.01),
    "class": bx.optim.Adam,
    "function": lambda p: bx.optim.SGD(p, lr=0.01, momentum=0.9),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_optimizers_of_every_form(kind: str) -> None:
    losses = regressor(OPTIMIZERS[kind]).fit(X, T, nb_epoch=5, verbose=False).history["loss"]
    assert losses == sorted(losses, reverse=True)


def test_an_optimizer_that_has_the_parameters_already() -> None:
    model = regressor()
    optimizer = bx.optim.SGD(model.module.parameters(), lr=0.05)
    model.compile(optimizer, nn.MSELoss())
    losses = model.fit(X, T, nb_epoch=5, verbose=False).history["loss"]
    assert losses == sorted(losses, reverse=True)
    other = regressor()
    other.compile(optimizer, "mse")
    with pytest.raises(ValueError, match="2 of the optimizer's 2 parameters are not the model's"):
        other.fit(X, T, verbose=False)


@pytest.mark.parametrize(
    "name", ["sgd", "adam", "adagrad", "adadelta", "adamax", "rmsprop", "Adam"]
)
def test_every_named_optimizer_lowers_the_loss(name: str) -> None:
    model = regressor(name)
    (before,) = model.evaluate(X, T)
    model.fit(X, T, nb_epoch=3, verbose=False)
    assert model.evaluate(X, T)[0] < before


def test_unknown_names_name_the_nearest_and_leave_the_plan() -> None:
    model = compiled()
    for arguments, message in (
        (("adem", "mse"), "optimizer 'adem' is unknown; did you mean 'adam'"),
        (("sgd", "mean_square_error"), "did you mean 'mean_squared_error'"),
        (("sgd", "crossentropy"), r"loss 'crossentropy' .* did you mean '.*crossentropy'"),
        (("sgd", "mse", ["acuracy"]), "metric 'acuracy' is unknown; did you mean 'accuracy'"),
        (("sgd", "zzz"), "known: binary_crossentropy"),
        (("sgd", "mse", [Accuracy(), "acc"]), "give each another name"),
    ):
        with pytest.raises(ValueError, match=message):
            model.compile(*arguments)
    for arguments in ((3, "mse"), ("sgd", 3), ("sgd", "mse", [3])):
        with pytest.raises(TypeError):
            model.compile(*arguments)
    assert model.metrics_names == ["loss", "accuracy"]
    model.fit(X, Y, nb_epoch=1, verbose=False)


def _changed(values: Any, index: Any, value: Any) -> Any:
    values = np.array(values, np.float64 if isinstance(value, float) else None)
    values[index] = value
    return values


BAD: dict[str, tuple[Any, Any, str]] = {
    "unequal lengths": (X, Y[:7], "60 in x, 7 in y"),
    "nan target": (X, _changed(Y, 3, np.nan), r"y\[3\] is nan"),
    "infinite target": (X, _changed(Y, 5, -np.inf), r"y\[5\] is -inf"),
    "nan input": (_changed(X, (2, 1), np.nan), Y, r"x\[2, 1\] is nan"),
    "too large for float32": (_changed(X, (2, 1), 1e300), Y, r"x\[2, 1\] is inf"),
    "no samples": (X[:0], Y[:0], "no samples"),
    "one sample": (X[0], Y[0], r"add a dimension for the samples: x\[None\]"),
    "label too large": (X, _changed(Y, 59, 2), "label 2 is out of range, 0 to 1"),
    "label negative": (X, _changed(Y, 9, -1), "label -1 is out of range"),
    "label not whole": (X, _changed(Y, 9, 0.5), r"label 0\.5 is out of range"),
    "one-hot rows": (X, np.eye(2)[Y], "take categorical_crossentropy for one-hot rows"),
    "too many features": (np.ones((60, 4)), Y, r"\(None, 3\)"),
    "no target": (X, None, "y is missing"),
    "a number as target": (X, 1.0, "y"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("where", ["fit", "validation_data", "evaluate"])
def test_bad_data_is_a_clear_error_and_the_model_is_as_it_was(name: str, where: str) -> None:
    x, y, message = BAD[name]
    model = compiled()
    model.fit(X, Y, nb_epoch=1, verbose=False)
    before, draw, state = weights(model), bx.get_rng_state(), copy.deepcopy(model._loop.state)
    calls = {
        "fit": lambda: model.fit(x, y, nb_epoch=2, verbose=False),
        "validation_data": lambda: model.fit(X, Y, validation_data=(x, y), verbose=False),
        "evaluate": lambda: model.evaluate(x, y),
    }
    with pytest.raises(ValueError, match=message):
        calls[where]()
    assert same_bits(before, weights(model))
    assert bx.get_rng_state().equal(draw)
    assert model._loop.state == state
    assert model.is_training()


def test_shapes_that_would_broadcast_are_refused() -> None:
    model = regressor()
    before = weights(model)
    for target, shape in ((np.ones((60, 2)), r"\(60, 2\)"), (np.ones((60, 1, 1)), r"\(60, 1, 1\)")):
        with pytest.raises(ValueError, match=f"y has shape {shape}, the model's output"):
            model.fit(X, target, verbose=False)
    with pytest.raises(TypeError, match="y is an array of"):
        model.fit(X, np.array(["a"] * 60), verbose=False)
    for size in (0, -3, 2.5):
        with pytest.raises(ValueError, match=f"batch_size={size}"):
            model.fit(X, T, batch_size=size, verbose=False)  # type: ignore[arg-type]
    for epochs in (0, 1.5):
        with pytest.raises(ValueError, match=f"nb_epoch={epochs}"):
            model.fit(X, T, nb_epoch=epochs, verbose=False)  # type: ignore[arg-type]
    model.compile("sgd", "mse", [AUC()])
    with pytest.raises(ValueError, match="only one class was seen"):
        model.fit(X, Y, validation_data=(X, np.ones(60)), verbose=False)
    assert same_bits(before, weights(model))


def test_before_compile_and_without_summaries_errors_say_what_to_call() -> None:
    model = classifier()
    for call in (lambda: model.fit(X, Y), lambda: model.evaluate(X, Y)):
        with pytest.raises(RuntimeError, match=r"call compile\(optimizer, loss\) first"):
            call()
    assert model.predict(X).shape == (60, 2)  # This needs no loss.
    assert model.evaluate() is model
    assert not model.is_training()
    with pytest.raises(RuntimeError, match="call set_tensorboard first"):
        model.get_train_summary("Loss")
    with pytest.raises(ValueError, match="call set_checkpoint first"):
        compiled().fit(X, Y, resume=True)
    with pytest.raises(ValueError, match="x has no samples"):
        model.predict(X[:0])


def test_a_loss_that_becomes_nan_leaves_the_last_finite_weights() -> None:
    model = regressor(SGD(learningrate=1e3))
    seen: list[list[Any]] = []
    keep = [lambda _: seen.append(weights(model))]
    with pytest.raises(FloatingPointError, match=r"epoch \d+, iteration \d+.*lower the learning"):
        model.fit(X, T, nb_epoch=100, callbacks=keep, verbose=False)
    assert same_bits(seen[-1], weights(model))
    assert all(np.isfinite(w).all() for w in weights(model))


def test_fit_goes_on_from_a_checkpoint_to_the_same_bits(tmp_path: Path) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    def stop(state: Any) -> None:
        if state.iteration == 9:
            raise Stop

    def settings(seed: int) -> Any:
        model = compiled(seed)
        model.set_checkpoint(tmp_path, trigger=SeveralIteration(4))
        model.set_gradient_clipping_by_l2_norm(0.5)
        return model

    call: dict[str, Any] = {"nb_epoch": 4, "batch_size": 16, "verbose": False}
    call["validation_data"] = (X[:20], Y[:20])
    whole = compiled(0)
    whole.set_gradient_clipping_by_l2_norm(0.5)
    bx.manual_seed(7)
    first = whole.fit(X, Y, **call)
    stopped = settings(0)
    bx.manual_seed(7)
    with pytest.raises(Stop):
        stopped.fit(X, Y, callbacks=[stop], **call)
    resumed = settings(5)
    second = resumed.fit(X, Y, resume=True, **call)
    assert same_bits(weights(whole), weights(resumed))
    assert (first.history, first.epoch) == (second.history, second.epoch)


def test_summaries_and_clipping_under_analytics_zoos_names(tmp_path: Path) -> None:
    model = compiled()
    model.set_tensorboard(tmp_path, "app")
    model.fit(X, Y, nb_epoch=2, batch_size=30, validation_data=(X, Y), verbose=False)
    assert model.get_train_summary("Loss").shape == (4, 3)
    assert model.get_train_summary("LearningRate")[:, 1].tolist() == [0.001] * 4
    scores = model.get_validation_summary("accuracy")
    assert scores[:, 0].tolist() == [2.0, 4.0]
    assert TrainSummary(tmp_path, "app").read_scalar("Loss").shape == (4, 3)
    clipped = regressor(SGD(learningrate=1.0))
    start = clipped.get_weights()
    clipped.set_constant_gradient_clipping(-1e-3, 1e-3)
    clipped.fit(X, T, batch_size=60, nb_epoch=1, verbose=False)
    moved = [np.abs(a - b).max() for a, b in zip(start, clipped.get_weights(), strict=True)]
    np.testing.assert_allclose(moved, 1e-3, rtol=1e-3)
    start = clipped.get_weights()
    clipped.clear_gradient_clipping()
    clipped.set_gradient_clipping_by_l2_norm(0.01)
    clipped.fit(X, T, batch_size=60, nb_epoch=1, verbose=False)
    moved = [a - b for a, b in zip(start, clipped.get_weights(), strict=True)]
    norm = np.sqrt(sum(float((m.astype(np.float64) ** 2).sum()) for m in moved))
    assert norm == pytest.approx(0.01, rel=1e-3)


def test_progress_is_a_line_for_each_epoch_with_tqdm_and_without(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tqdm")
    model = compiled()
    model.fit(X, Y, nb_epoch=2, validation_data=(X, Y))
    with_bar = capsys.readouterr()
    assert "batch/s" in with_bar.err
    lines = with_bar.out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "tqdm":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    model.fit(X, Y, nb_epoch=1, validation_data=(X, Y))
    plain = capsys.readouterr()
    assert plain.err == ""
    assert plain.out.startswith("epoch 3/3  loss ")
    assert "val_accuracy 0." in plain.out
    model.fit(X, Y, nb_epoch=1, verbose=False)
    assert capsys.readouterr().out == ""


def test_a_trained_model_can_be_copied() -> None:
    model = compiled()
    model.fit(X, Y, nb_epoch=1, verbose=False)
    twin = copy.deepcopy(model)
    assert np.array_equal(model.predict(X), twin.predict(X))
    bx.manual_seed(3)
    model.fit(X, Y, nb_epoch=2, verbose=False)
    bx.manual_seed(3)
    twin.fit(X, Y, nb_epoch=2, verbose=False)
    assert same_bits(weights(model), weights(twin))
