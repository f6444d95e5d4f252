"""Models of every kind of layer are trained: captured and eagerly to the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.keras import criterion
from backprop_ext.keras.layers import (
    GRU,
    LSTM,
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Bidirectional,
    Convolution1D,
    Convolution2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    GlobalMaxPooling1D,
    Highway,
    Input,
    MaxPooling2D,
    PReLU,
    Reshape,
    SimpleRNN,
    TimeDistributed,
    merge,
)
from backprop_ext.keras.models import Model, Sequential
from backprop_ext.keras.optimizer import SGD, MaxEpoch, Optimizer

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((40, 1, 8, 8)).astype(np.float32)
SERIES = RNG.standard_normal((40, 6, 4)).astype(np.float32)
WORDS = RNG.integers(0, 12, (40, 6))
ROWS = RNG.standard_normal((40, 5)).astype(np.float32)
LABELS = RNG.integers(0, 3, 40)


def _of(*layers: Any) -> Sequential:
    model = Sequential()
    for layer in layers:
        model.add(layer)
    return model.add(Dense(3, activation="softmax"))


def _lenet() -> Sequential:
    return _of(
        Reshape((1, 8, 8), input_shape=(1, 8, 8)),
        Convolution2D(6, 3, 3, activation="tanh"),
        MaxPooling2D(),
        Convolution2D(8, 2, 2, activation="relu"),
        Flatten(),
        Dropout(0.2),
    )


def _branches() -> Model:
    x = Input(shape=(5,))
    left = Dense(6, activation="tanh")(x)
    shared = Dense(6)
    right = PReLU()(shared(shared(merge([left, Dense(6)(x)], mode="sum"))))
    joined = merge([left, right], mode="concat")
    return Model(x, Dense(3, activation="softmax")(joined))


MODELS: dict[str, tuple[Callable[[], Any], Any]] = {
    "LeNet": (_lenet, IMAGES),
    "batch norm and mean pooling": (
        lambda: _of(
            Convolution2D(4, 3, 3, border_mode="same", input_shape=(1, 8, 8)),
            BatchNormalization(axis=1),
            Activation("relu"),
            AveragePooling2D(),
            Flatten(),
        ),
        IMAGES,
    ),
    "LSTM": (lambda: _of(LSTM(5, input_shape=(6, 4))), SERIES),
    "GRU": (lambda: _of(GRU(5, return_sequences=True, input_shape=(6, 4)), GRU(4)), SERIES),
    "SimpleRNN both ways": (
        lambda: _of(Bidirectional(SimpleRNN(5), input_shape=(6, 4))),
        SERIES,
    ),
    "TimeDistributed": (
        lambda: _of(TimeDistributed(Dense(4), input_shape=(6, 4)), Flatten()),
        SERIES,
    ),
    "words": (
        lambda: _of(Embedding(12, 5, input_length=6), Convolution1D(4, 3), GlobalMaxPooling1D()),
        WORDS,
    ),
    "noise": (lambda: _of(GaussianNoise(0.3, input_shape=(5,)), Highway()), ROWS),
    "branches": (_branches, ROWS),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_trains_to_the_same_bits_captured_and_eagerly(name: str) -> None:
    make, x = MODELS[name]
    found, losses = [], []
    for capture in (None, False):
        bx.manual_seed(0)
        model = make()
        made = Optimizer(
            model,
            (x, LABELS),
            "sparse_categorical_crossentropy",
            SGD(learningrate=0.05, momentum=0.9, dampening=0.0),
            MaxEpoch(12),
            16,
            capture=capture,
        )
        made.optimize()
        assert made._loop is not None
        assert made._loop.step.eager_reason == (None if capture is None else "capture=False")
        found.append([w.detach().numpy().copy() for w in model.module.parameters()])
        losses.append([row["loss"] for row in made.state.history])
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0]
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_fit_evaluate_and_predict_agree(name: str) -> None:
    make, x = MODELS[name]
    bx.manual_seed(0)
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy", "top5accuracy"])
    history = model.fit(
        x, LABELS, batch_size=16, nb_epoch=2, validation_data=(x, LABELS), verbose=0
    )
    shares = model.predict(x)
    loss, accuracy, top5 = model.evaluate(x, LABELS, batch_size=7)
    assert loss == pytest.approx(-np.log(shares[np.arange(40), LABELS]).mean(), rel=1e-4)
    assert accuracy == (model.predict_classes(x) == LABELS).mean()
    assert top5 == 1.0
    assert history.history["val_loss"][-1] == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("name", ["BCECriterion", "CrossEntropyCriterion", "MSECriterion"])
def test_criteria_train_captured_to_the_same_bits(name: str) -> None:
    kind = getattr(criterion, name)
    target = {"BCECriterion": LABELS == 1, "CrossEntropyCriterion": LABELS % 2 + 1}
    found = []
    for capture in (None, False):
        bx.manual_seed(0)
        width, end = (2, "linear") if name == "CrossEntropyCriterion" else (1, "sigmoid")
        model = Sequential().add(Dense(width, activation=end, input_shape=(5,)))
        y = target.get(name, ROWS[:, :1])
        made = Optimizer(model, (ROWS, y), kind(), "sgd", MaxEpoch(3), 16, capture=capture)
        made.optimize()
        assert made._loop is not None
        assert made._loop.step.eager_reason == (None if capture is None else "capture=False")
        found.append([w.detach().numpy().copy() for w in model.module.parameters()])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def test_an_output_that_the_criterion_refuses_is_found_before_training() -> None:
    bx.manual_seed(0)
    model = Sequential().add(Dense(1, input_shape=(5,)))
    inside = model.predict(ROWS[:1])[0, 0]
    model.set_weights([model.get_weights()[0], np.array([0.5 - inside])])
    assert 0 < model.predict(ROWS[:1])[0, 0] < 1
    with pytest.raises(ValueError, match="no probabilities; end the model with a sigmoid"):
        Optimizer(model, (ROWS, LABELS == 1), criterion.BCECriterion())
