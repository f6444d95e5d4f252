"""Models of backprop_ext.keras: the explicit passes, shapes, weights, names and modes."""

from __future__ import annotations

import pickle
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import keras_reference as ref
import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.keras.criterion import AbsCriterion, ClassNLLCriterion, MSECriterion
from backprop_ext.keras.layers import (
    GRU,
    LSTM,
    Activation,
    BatchNormalization,
    Bidirectional,
    Convolution2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Lambda,
    MaxPooling2D,
    Merge,
    Reshape,
    TimeDistributed,
    merge,
)
from backprop_ext.keras.models import Input, Model, Sequential
from backprop_ext.keras.optimizer import SGD
from backprop_ext.keras.regularizers import L1, L1L2, L2

RANDOM = np.random.default_rng(0)


def mlp(**options: Any) -> Sequential:
    bx.manual_seed(0)
    return (
        Sequential(**options)
        .add(Dense(4, activation="tanh", input_shape=(3,), name="hidden"))
        .add(Dense(2, name="out"))
    )


def by_hand(x: Any, g: Any, weights: Any) -> Any:
    """(y, dx, [dW1, db1, dW2, db2]) of the mlp."""
    w1, b1, w2, b2 = weights
    h = np.tanh(x @ w1.T + b1)
    y = h @ w2.T + b2
    dz = (g @ w2) * (1 - h * h)
    return y, dz @ w1, [dz.T @ x, dz.sum(0), g.T @ h, g.sum(0)]


def gradients(model: Any) -> list[Any]:
    return [v for t in model.parameters().values() for n, v in t.items() if n.startswith("grad")]


# The lesson of the layers with an explicit forward and backward


def test_lesson_of_one_neuron() -> None:
    linear = Sequential()
    linear.add(Dense(1, input_shape=[2]))
    assert linear.get_input_shape() == (None, 2)
    assert linear.get_output_shape() == (None, 1)
    ((name, table),) = linear.parameters().items()
    assert name.startswith("Dense")
    assert int(name.removeprefix("Dense"), 16) > 0
    assert len(name) == len("Dense") + 8
    assert list(table) == ["weight", "bias", "gradWeight", "gradBias"]
    assert [v.shape for v in table.values()] == [(1, 2), (1,), (1, 2), (1,)]
    assert all(v.dtype == np.float32 for v in table.values())
    assert table["gradWeight"].tolist() == [[0, 0]]

    linear.set_weights([np.array([[0.59797329, -1.3809334]]), np.array([0.0])])
    input, target = np.array([1, -2]), np.array([0])
    output = linear.forward(input)
    assert output.shape == (1,)
    assert output[0] == pytest.approx(3.35984009, rel=1e-7)
    mae = AbsCriterion()
    assert mae.forward(output, target) == pytest.approx(3.35984009, rel=1e-7)
    grad_output = mae.backward(output, target)
    grad_input = linear.backward(input, grad_output)
    np.testing.assert_allclose(grad_input, [0.59797329, -1.3809334], rtol=1e-7)
    table = linear.parameters()[name]
    assert table["gradWeight"].tolist() == [[1, -2]]
    assert table["gradBias"].tolist() == [1]

    linear.set_weights([np.array([[0.37797534, -0.62202466]]), np.array([0.0])])
    output = linear.forward(input)
    assert str(mae.forward(output, target)) == "1.6220247"
    linear.zero_grad_parameters()
    linear.backward(input, mae.backward(output, target))
    assert linear.parameters()[name]["gradWeight"].tolist() == [[1, -2]]
    assert linear.parameters()[name]["gradBias"].tolist() == [1]


def test_below_the_target_the_gradient_turns() -> None:
    linear = Sequential().add(Dense(1, input_shape=[2]))
    linear.set_weights([np.array([[-1.0, 1.0]]), np.array([0.0])])
    input, mae = np.array([1, -2]), AbsCriterion()
    output = linear.forward(input)
    linear.backward(input, mae.backward(output, np.array([0])))
    assert gradients(linear)[0].tolist() == [[-1, 2]]
    assert gradients(linear)[1].tolist() == [-1]


# Passes


def test_backward_is_the_chain_rule_by_hand_and_accumulates() -> None:
    model = mlp()
    x, g = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=(5, 2))
    y, dx, expected = by_hand(x, g, model.get_weights())
    np.testing.assert_allclose(model.forward(x), y, rtol=1e-5)
    np.testing.assert_allclose(model.backward(x, g), dx, rtol=1e-4, atol=1e-6)
    for grad, want in zip(gradients(model), expected, strict=True):
        np.testing.assert_allclose(grad, want, rtol=1e-4, atol=1e-6)
    model.backward(x, g)
    for grad, want in zip(gradients(model), expected, strict=True):
        np.testing.assert_allclose(grad, 2 * want, rtol=1e-4, atol=1e-6)
    model.zero_grad_parameters()
    assert all((grad == 0).all() for grad in gradients(model))


def test_gradient_descent_by_hand_learns_what_the_optimizer_learns() -> None:
    model = mlp()
    twin = deepcopy(model.module)
    optimizer = bx.optim.SGD(twin.parameters(), lr=0.1)
    x, t = RANDOM.normal(size=(8, 3)), RANDOM.normal(size=(8, 2))
    mse, losses = MSECriterion(), []
    for _ in range(20):
        y = model.forward(x)
        losses.append(mse.forward(y, t))
        model.zero_grad_parameters()
        model.backward(x, mse.backward(y, t))
        model.update_parameters(0.1)
        optimizer.zero_grad()
        mse(twin(bx.tensor(x, dtype=bx.float32)), bx.tensor(t)).backward()
        optimizer.step()
    assert losses[-1] < 0.7 * losses[0]
    for ours, theirs in zip(model.get_weights(), twin.parameters(), strict=True):
        np.testing.assert_array_equal(ours, theirs.detach().numpy())


def test_parts_of_a_model_have_passes_of_their_own() -> None:
    model = mlp()
    x = RANDOM.normal(size=(5, 3)).astype(np.float32)
    hidden, out = model.layers
    y = out.forward(hidden.forward(x))
    np.testing.assert_array_equal(y, model.forward(x))
    g = np.ones((5, 2))
    whole = model.backward(x, g)
    between = out.backward(hidden.forward(x), g)
    np.testing.assert_allclose(hidden.backward(x, between), whole, rtol=1e-6)


def test_passes_keep_nothing_of_the_arrays_they_are_given() -> None:
    model = mlp()
    x = RANDOM.normal(size=(5, 3)).astype(np.float32)
    given = x.copy()
    y = model.forward(given)
    kept = y.copy()
    given[:] = 0
    y[:] = 0
    with pytest.raises(RuntimeError, match="is not that of the last forward"):
        model.backward(given, np.ones((5, 2)))
    _, dx, _ = by_hand(x, np.ones((5, 2)), model.get_weights())
    np.testing.assert_allclose(model.backward(x, np.ones((5, 2))), dx, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(model.forward(x), kept)
    model.parameters()["out"]["weight"][:] = 7
    model.get_weights()[0][:] = 7
    np.testing.assert_array_equal(model.forward(x), kept)


def test_an_equal_input_of_another_array_will_do() -> None:
    model = mlp()
    x = np.array([1, 2, 3])
    model.forward(x)
    assert model.backward([1.0, 2.0, 3.0], np.ones(2)).shape == (3,)


def test_a_nan_input_is_the_one_it_was() -> None:
    model = mlp()
    x = np.array([[1.0, np.nan, 0.0]])
    model.forward(x)
    assert np.isnan(model.backward(x, np.ones((1, 2)))).any()


def test_whole_numbers_pass_and_have_a_gradient_of_zero() -> None:
    model = Sequential().add(Embedding(5, 2, input_length=3)).add(Flatten()).add(Dense(1))
    x = np.array([[0, 4, 4]])
    model.forward(x)
    assert model.backward(x, np.ones((1, 1))).tolist() == [[0, 0, 0]]
    table, dense = model.parameters().values()
    assert (table["gradWeight"][1:4] == 0).all()
    expected = dense["weight"].reshape(3, 2)
    np.testing.assert_allclose(table["gradWeight"][4], expected[1] + expected[2], rtol=1e-6)


# Shapes and composition


def test_shapes_are_inferred_through_a_convolutional_net() -> None:
    model = Sequential()
    model.add(Reshape((1, 28, 28), input_shape=(28, 28, 1)))
    model.add(Convolution2D(6, 5, 5, activation="tanh", name="conv1_5x5"))
    model.add(MaxPooling2D()).add(Flatten()).add(Dense(10, activation="softmax"))
    assert [layer.get_output_shape() for layer in model.layers] == [
        (None, 1, 28, 28),
        (None, 6, 24, 24),
        (None, 6, 12, 12),
        (None, 864),
        (None, 10),
    ]
    y = model.forward(RANDOM.normal(size=(2, 28, 28, 1)))
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-5)
    assert list(model.parameters()) == ["conv1_5x5", model.layers[-1].name()]


def test_functional_graph_shares_branches_and_merges() -> None:
    bx.manual_seed(0)
    a, b = Input(shape=(3,), name="a"), Input(shape=(3,), name="b")
    shared = Dense(4, activation="tanh", name="shared")
    left, right = shared(a), shared(b)
    both = merge([left, right, left], mode="concat")
    model = Model(input=[a, b], output=[Dense(2, name="head")(both), right])
    assert model.get_input_shape() == [(None, 3), (None, 3)]
    assert model.get_output_shape() == [(None, 2), (None, 4)]
    assert [layer.name() for layer in model.layers][:1] == ["shared"]
    assert len(model.get_weights()) == 4
    x, y = RANDOM.normal(size=(2, 5, 3))
    w, c, v, d = (z.astype(np.float64) for z in model.get_weights())
    p, q = np.tanh(x @ w.T + c), np.tanh(y @ w.T + c)
    head, out = model.forward([x, y])
    np.testing.assert_allclose(head, np.hstack([p, q, p]) @ v.T + d, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(out, q, rtol=1e-5)

    g, e = RANDOM.normal(size=(5, 2)), RANDOM.normal(size=(5, 4))
    dx, dy = model.backward([x, y], [g, e])
    back = g @ v
    dp, dq = back[:, :4] + back[:, 8:], back[:, 4:8] + e
    dp, dq = dp * (1 - p * p), dq * (1 - q * q)
    np.testing.assert_allclose(dx, dp @ w, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dy, dq @ w, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        model.parameters()["shared"]["gradWeight"], dp.T @ x + dq.T @ y, rtol=1e-4, atol=1e-5
    )


def test_a_model_is_a_layer_of_another_and_takes_a_variable() -> None:
    inner = mlp(name="inner")
    sequential = Sequential().add(inner).add(Activation("relu"))
    variable = Input((3,))
    functional = Model(variable, Activation("relu")(inner(variable)))
    x = RANDOM.normal(size=(5, 3))
    expected = np.maximum(inner.forward(x), 0)
    np.testing.assert_array_equal(sequential.forward(x), expected)
    np.testing.assert_array_equal(functional.forward(x), expected)
    again = Model(variable, functional(variable))
    np.testing.assert_array_equal(again.forward(x), expected)
    assert set(sequential.parameters()) == {"hidden", "out"}
    names = [layer.name() for layer in sequential.flattened_layers()]
    assert names[:2] == ["hidden", "out"]
    both = [layer.name() for layer in sequential.flattened_layers(include_container=True)]
    assert both[0] == "inner"
    assert sequential.get_layer("out") is inner.layers[1]


def test_a_head_of_branches_makes_a_sequential_of_several_inputs() -> None:
    left = Sequential().add(Dense(4, input_shape=(3,), name="left"))
    right = Sequential().add(Dense(4, input_shape=(2,), name="right"))
    model = Sequential().add(Merge([left, right], mode="mul")).add(Dense(1))
    assert model.get_input_shape() == [(None, 3), (None, 2)]
    x, y = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=(5, 2))
    expected = model.layers[1].forward(left.forward(x) * right.forward(y))
    np.testing.assert_allclose(model.forward([x, y]), expected, rtol=1e-6)
    dx, dy = model.backward([x, y], np.ones((5, 1)))
    assert dx.shape == x.shape
    assert dy.shape == y.shape
    assert (model.parameters()["right"]["gradWeight"] != 0).any()
    assert len(model.get_weights()) == 6


def test_lambda_of_several_inputs_and_with_a_given_shape() -> None:
    a, b = Input((3,)), Input((3,))
    model = Model([a, b], Lambda(lambda x, y: x - y)([a, b]))
    assert model.forward([np.ones((2, 3)), np.zeros((2, 3))]).tolist() == [[1, 1, 1]] * 2
    told = Lambda(lambda x: x[:, :1], output_shape=(1,), input_shape=(3,))
    assert told.get_output_shape() == (None, 1)


def test_sequences_of_any_length() -> None:
    bx.manual_seed(0)
    model = Sequential()
    model.add(Bidirectional(GRU(3, return_sequences=True), input_shape=(None, 2)))
    model.add(TimeDistributed(Dense(2))).add(LSTM(4))
    assert model.get_output_shape() == (None, 4)
    weights = [w.astype(np.float64) for w in model.get_weights()]
    for steps in (1, 5):
        x = RANDOM.normal(size=(3, steps, 2))
        h = np.concatenate(
            [ref.gru(x, *weights[:3]), ref.gru(x[:, ::-1], *weights[3:6])[:, ::-1]], -1
        )
        expected = ref.lstm(h @ weights[6].T + weights[7], *weights[8:])[:, -1]
        np.testing.assert_allclose(model.forward(x), expected, rtol=1e-4, atol=1e-5)


def test_a_graph_a_thousand_layers_deep() -> None:
    x = first = Input((2,))
    layer = Activation(lambda x: x + 1.0)
    for _ in range(1000):
        x = layer(x)
    model = Model(first, x)
    assert model.forward(np.zeros(2)).tolist() == [1000, 1000]
    assert deepcopy(model).forward(np.zeros(2)).tolist() == [1000, 1000]
    assert len(model.layers) == 1


def test_a_layer_without_weights_may_be_used_at_two_shapes() -> None:
    relu = Activation("relu")
    a = Input((3,))
    model = Model(a, relu(Dense(5)(relu(a))))
    assert model.get_output_shape() == (None, 5)
    assert model.forward(np.ones((2, 3))).shape == (2, 5)


# Weights, names, modes


def test_weights_go_out_and_in_again() -> None:
    model, other = mlp(), mlp()
    other.set_weights([2 * w for w in model.get_weights()])
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(2 * a, b)
    assert [w.shape for w in model.get_weights()] == [(4, 3), (4,), (2, 4), (2,)]
    assert Activation("relu", input_shape=(2,)).get_weights() == []


def test_state_of_the_module_goes_by_place_and_not_by_name() -> None:
    first = mlp()
    second = Sequential().add(Dense(4, activation="tanh", input_shape=(3,))).add(Dense(2))
    assert list(first.module.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    second.module.load_state_dict(first.module.state_dict())
    x = RANDOM.normal(size=(5, 3))
    np.testing.assert_array_equal(first.forward(x), second.forward(x))


def test_gates_are_listed_under_names_of_their_own() -> None:
    lstm = LSTM(2, input_shape=(3, 4), name="lstm")
    assert list(lstm.parameters()["lstm"]) == [
        *("weight", "recurrentWeight", "bias"),
        *("gradWeight", "gradRecurrentWeight", "gradBias"),
    ]


def test_frozen_layers_keep_their_weights() -> None:
    model = mlp()
    before = model.get_weights()
    model.freeze("hidden")
    x = RANDOM.normal(size=(5, 3))
    model.forward(x)
    model.backward(x, np.ones((5, 2)))
    assert (model.parameters()["hidden"]["gradWeight"] == 0).all()
    assert (model.parameters()["out"]["gradWeight"] != 0).any()
    model.update_parameters(0.1)
    after = model.get_weights()
    np.testing.assert_array_equal(before[0], after[0])
    assert (before[2] != after[2]).any()
    model.freeze()
    assert not any(p.requires_grad for p in model.module.parameters())
    model.unfreeze(["out"])
    assert [p.requires_grad for p in model.module.parameters()] == [False, False, True, True]
    model.unfreeze()
    assert all(p.requires_grad for p in model.module.parameters())


def test_a_frozen_model_still_gives_the_gradient_of_its_input() -> None:
    model = mlp().freeze()
    x = RANDOM.normal(size=(5, 3))
    model.forward(x)
    _, dx, _ = by_hand(x, np.ones((5, 2)), model.get_weights())
    np.testing.assert_allclose(model.backward(x, np.ones((5, 2))), dx, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("penalty", "value", "slope"),
    [
        (L1(0.1), lambda w: 0.1 * np.abs(w).sum(), lambda w: 0.1 * np.sign(w)),
        (L2(0.1), lambda w: 0.05 * (w**2).sum(), lambda w: 0.1 * w),
        (
            L1L2(0.1, 0.2),
            lambda w: 0.1 * np.abs(w).sum() + 0.1 * (w**2).sum(),
            lambda w: 0.1 * np.sign(w) + 0.2 * w,
        ),
    ],
    ids=["L1", "L2", "L1L2"],
)
def test_penalties_add_to_the_gradients_as_in_bigdl(penalty: Any, value: Any, slope: Any) -> None:
    model = Sequential().add(Dense(2, W_regularizer=penalty, input_shape=(3,), name="d"))
    plain = Sequential().add(Dense(2, input_shape=(3,), name="d"))
    plain.set_weights(model.get_weights())
    x, w = RANDOM.normal(size=(4, 3)), model.get_weights()[0]
    for one in (model, plain):
        one.forward(x)
        one.backward(x, np.ones((4, 2)))
    added = model.parameters()["d"]["gradWeight"] - plain.parameters()["d"]["gradWeight"]
    np.testing.assert_allclose(added, slope(w), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(
        model.parameters()["d"]["gradBias"], plain.parameters()["d"]["gradBias"]
    )
    found = model.regularization()
    assert found is not None
    assert found.item() == pytest.approx(value(w), rel=1e-5)
    assert plain.regularization() is None
    assert model.freeze().regularization() is None


def test_penalties_of_all_layers_within_add_up() -> None:
    bx.manual_seed(0)
    inner = Sequential().add(Dense(3, W_regularizer=L2(0.1), input_shape=(4,)))
    model = Sequential().add(TimeDistributed(inner, input_shape=(2, 4)))
    model.add(LSTM(2, W_regularizer=L1(0.1), U_regularizer=L2(0.2), b_regularizer=L2(1)))
    w, _, v, u, b = model.get_weights()
    expected = 0.05 * (w**2).sum() + 0.1 * np.abs(v).sum() + 0.1 * (u**2).sum() + (b**2).sum() / 2
    found = model.regularization()
    assert found is not None
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_modes_reach_all_layers_and_layers_added_later() -> None:
    model = Sequential().add(Dropout(0.5, input_shape=(50,)))
    x = np.ones((2, 50))
    assert model.is_training()
    assert (model.forward(x) == 0).any()
    assert model.evaluate() is model
    assert not model.is_training()
    np.testing.assert_array_equal(model.forward(x), x)
    model.add(Dropout(0.5))
    np.testing.assert_array_equal(model.forward(x), x)
    model.training()
    assert (model.forward(x) == 0).any()
    assert not model.training(False).is_training()


def test_summary_lists_layers_shapes_and_weights(capsys: pytest.CaptureFixture[str]) -> None:
    model = mlp()
    model.add(BatchNormalization(name="norm"))
    model.freeze("hidden")
    model.summary()
    text = capsys.readouterr().out
    lines = [line for line in text.splitlines() if line.strip("=-")]
    assert [line.split() for line in lines] == [
        ["Layer", "(class)", "Output", "shape", "Weights", "Connected", "to"],
        ["hidden", "(Dense)", "(None,", "4)", "16"],
        ["out", "(Dense)", "(None,", "2)", "10", "hidden"],
        ["norm", "(BatchNormalization)", "(None,", "2)", "4", "out"],
        ["Total", "weights:", "30"],
        ["Trained:", "14"],
        ["Not", "trained:", "16"],
    ]


def test_summary_of_a_graph_names_what_is_connected(capsys: pytest.CaptureFixture[str]) -> None:
    a = Input((3,), name="a")
    left, right = Dense(2, name="left")(a), Dense(2, name="right")(a)
    Model(a, merge([left, right], name="sum")).summary(80)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) == 80
    assert next(line for line in lines if line.startswith("sum")).endswith("0        left, right")


def test_names_are_unique_and_can_be_set() -> None:
    first, second = Dense(1, input_dim=2), Dense(1, input_dim=2)
    assert first.name() != second.name()
    assert first.set_name("mine") is first
    assert first.name() == "mine"
    assert repr(first) == "Dense[mine]"
    assert "Dense(mine, (None, 2) -> (None, 1))" in repr(first.module)


def test_models_can_be_copied() -> None:
    model = mlp()
    x = RANDOM.normal(size=(5, 3))
    y = model.forward(x)
    copy, module = deepcopy(model), deepcopy(model.module)
    model.set_weights([0 * w for w in model.get_weights()])
    assert (model.forward(x) == 0).all()
    np.testing.assert_array_equal(copy.forward(x), y)
    inner = module(bx.tensor(x, dtype=bx.float32))
    np.testing.assert_array_equal(inner.detach().numpy(), y)


def test_models_can_be_pickled_without_functions_of_ones_own() -> None:
    model = mlp()
    x = RANDOM.normal(size=(5, 3))
    y = model.forward(x)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).forward(x), y)


def test_weights_go_into_a_file_and_into_another_model(tmp_path: Path) -> None:
    bx.manual_seed(0)
    model = Sequential().add(Dense(4, input_shape=(3,))).add(BatchNormalization())
    x = RANDOM.normal(size=(8, 3))
    model.forward(x)
    path = tmp_path / "weights"
    model.save_weights(path)
    with pytest.raises(FileExistsError, match="pass over_write=True"):
        model.save_weights(path)
    model.save_weights(path, over_write=True)
    other = Sequential().add(Dense(4, input_shape=(3,))).add(BatchNormalization())
    other.load_weights(path)
    np.testing.assert_array_equal(model.evaluate().forward(x), other.evaluate().forward(x))
    before = mlp().get_weights()
    with pytest.raises(RuntimeError, match="state_dict"):
        (third := mlp()).load_weights(path)
    for a, b in zip(before, third.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_fitted_model_has_the_penalty_in_its_loss() -> None:
    model = Sequential().add(Dense(1, W_regularizer=L2(0.5), bias=False, input_shape=(2,)))
    model.set_weights([np.array([[1.0, 2.0]])])
    model.compile(optimizer=lambda p: bx.optim.SGD(p, lr=0.1), loss="mse")
    model.fit(np.zeros((4, 2)), np.zeros((4, 1)), batch_size=4, nb_epoch=1, verbose=False)
    np.testing.assert_allclose(model.get_weights()[0], [[0.95, 1.9]], rtol=1e-6)


def test_a_classifier_learns_with_the_explicit_passes() -> None:
    bx.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(200, 2))
    labels = (x[:, 0] * x[:, 1] > 0) + 1
    model = Sequential().add(Dense(16, activation="tanh", input_shape=(2,)))
    model.add(Dense(2, activation="log_softmax"))
    nll = ClassNLLCriterion()
    for _ in range(300):
        y = model.forward(x)
        model.zero_grad_parameters()
        model.backward(x, nll.backward(y, labels))
        model.update_parameters(1.0)
    assert (model.forward(x).argmax(1) + 1 == labels).mean() > 0.95


def test_the_package_is_loaded_only_when_it_is_asked_for() -> None:
    import subprocess
    import sys

    code = (
        "import sys, backprop_ext; "
        "assert 'backprop_ext.keras' not in sys.modules; "
        "backprop_ext.keras.layers.Dense; "
        "assert 'backprop_ext.keras' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_step_of_every_kind_of_layer_is_recorded_and_replayed_to_the_same_bits() -> None:
    def make() -> Sequential:
        bx.manual_seed(0)
        model = Sequential().add(Embedding(7, 4, input_length=6))
        model.add(Bidirectional(GRU(3, return_sequences=True)))
        model.add(BatchNormalization(axis=-1)).add(Dropout(0.2)).add(Flatten())
        return model.add(Dense(3, activation="log_softmax", W_regularizer=L2(0.01)))

    x = RANDOM.integers(0, 7, (12, 6))
    labels = RANDOM.integers(1, 4, 12)
    weights = []
    for captured in (False, True):
        model, nll = make(), ClassNLLCriterion(weights=[1.0, 2.0, 3.0])
        optimizer = bx.optim.SGD(model.module.parameters(), lr=0.1)

        def step(
            inputs: Any, targets: Any, model: Any = model, nll: Any = nll, opt: Any = optimizer
        ) -> Any:
            opt.zero_grad()
            loss = nll(model.module(inputs), targets) + model.regularization()
            loss.backward()
            opt.step()
            return loss

        run = bx.capture(step) if captured else step
        bx.manual_seed(1)
        (inputs,), _ = model.tensors(x)
        for k in range(0, 12, 4):
            run(inputs[k : k + 4].clone(), bx.tensor(labels[k : k + 4]))
        weights.append(model.get_weights())
        if captured:
            assert len(run.signatures()) == 1
            with pytest.raises(IndexError):
                run(inputs[:4] + 7, bx.tensor(labels[:4]))
    for eager, replayed in zip(*weights, strict=True):
        np.testing.assert_array_equal(eager, replayed)


def test_layers_say_whether_they_run_code_of_the_users() -> None:
    class Own(L2):
        def __call__(self, weight: Any) -> Any:
            return weight.sum()

    assert not Dense(2, activation="relu").runs_user_code
    assert not LSTM(2).runs_user_code
    assert not Activation(bx.nn.functional.relu).runs_user_code
    assert Activation(lambda x: x).runs_user_code
    assert Lambda(lambda x: x).runs_user_code
    penalized = Dense(2, W_regularizer=Own(), input_dim=2)
    penalized.build((None, 2))
    assert penalized.runs_user_code


def test_a_layer_of_ones_own_as_the_documentation_shows_it() -> None:
    text = (Path(__file__).resolve().parent.parent / "docs" / "keras.md").read_text()
    first, second = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(first, names)
    assert names["loss"] == abs(names["output"][0])
    exec(second, names)
    model = Sequential().add(names["Scaled"](input_shape=(3,), name="scaled")).add(Dense(1))
    model.layers[0].set_weights([np.array([1.0, 2.0, 3.0])])
    np.testing.assert_array_equal(model.layers[0].forward(np.ones(3)), [1, 2, 3])
    assert list(model.parameters()) == ["scaled", model.layers[1].name()]


def test_the_only_weight_may_be_given_alone() -> None:
    layer = Dense(1, bias=False, input_dim=2)
    layer.set_weights(np.array([[3.0, 4.0]]))
    assert layer.get_weights()[0].tolist() == [[3, 4]]


def test_a_logistic_regression_of_digits_as_the_tutorial_has_it() -> None:
    bx.manual_seed(0)
    random = np.random.default_rng(0)
    labels = random.integers(1, 4, 300)
    x = np.eye(3)[labels - 1].repeat(4, 1) + 0.3 * random.normal(size=(300, 12))
    model = Sequential()
    model.add(Reshape([12], input_shape=[12]))
    model.add(Dense(3))
    model.add(Activation("SoftMax"))
    model.compile(
        optimizer=SGD(learningrate=0.5),
        loss=ClassNLLCriterion(logProbAsInput=False),
        metrics=None,
    )
    model.fit(x=x, y=labels, batch_size=32, nb_epoch=5, validation_data=None, verbose=False)
    assert (model.predict(x).argmax(1) + 1 == labels).mean() > 0.95


def test_a_convolutional_net_as_the_tutorial_has_it() -> None:
    bx.manual_seed(0)
    random = np.random.default_rng(0)
    labels = random.integers(1, 3, 100)
    x = random.normal(0, 0.3, (100, 12, 12, 1))
    x[labels == 1, :6] += 1
    x[labels == 2, 6:] += 1

    def build_model(class_num: int) -> Model:
        input1 = Input((12, 12, 1))
        reshape = Reshape((1, 12, 12))(input1)
        conv1 = Convolution2D(3, 3, 3, activation="tanh", name="conv1_3x3")(reshape)
        pool1 = MaxPooling2D()(conv1)
        flatten = Flatten()(pool1)
        fc1 = Dense(10, activation="tanh", name="fc1")(flatten)
        return Model(input1, Dense(class_num, activation="softmax", name="fc2")(fc1))

    model = build_model(2)
    model.compile(
        optimizer=SGD(learningrate=0.1, learningrate_decay=0.0002),
        loss=ClassNLLCriterion(logProbAsInput=False),
    )
    model.fit(x, labels, batch_size=20, nb_epoch=5, verbose=False)
    assert (model.predict_classes(x, zero_based_label=False) == labels).mean() > 0.95


def test_a_stack_of_lstms_as_the_tutorial_has_it() -> None:
    bx.manual_seed(0)
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 6, 3))
    y = x.mean((1, 2))
    model = Sequential()
    model.add(LSTM(input_shape=(6, 3), output_dim=8, return_sequences=True))
    model.add(Dropout(0.1))
    model.add(LSTM(5, return_sequences=False))
    model.add(Dense(output_dim=1))
    model.compile(loss="mse", optimizer="rmsprop")
    history = model.fit(x, y, batch_size=16, nb_epoch=10, verbose=False).history["loss"]
    assert history[-1] < 0.5 * history[0]
    assert model.predict(x).shape == (64, 1)
