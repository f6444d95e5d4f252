"""Functions of tensors and of variables, and losses of one's own, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.keras import autograd as A
from backprop_ext.keras.criterion import MSECriterion
from backprop_ext.keras.layers import Activation, Dense, Lambda
from backprop_ext.keras.models import Input, Model, Sequential

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(0.2, 2, (3, 4))
Y = RANDOM.uniform(0.2, 2, (3, 4))
B, C = RANDOM.normal(size=(3, 4, 2)), RANDOM.normal(size=(3, 4, 5))


def normal(x: Any, axis: int = 1) -> Any:
    return x / np.linalg.norm(x, axis=axis, keepdims=True)


CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = {
    "mean": (lambda x: A.mean(x, axis=1), lambda x: x.mean(1), (X,)),
    "sum": (
        lambda x: A.sum(x, axis=1, keepDims=True),
        lambda x: x.sum(1, keepdims=True),
        (X,),
    ),
    "abs": (A.abs, np.abs, (B,)),
    "neg": (A.neg, np.negative, (X,)),
    "exp": (A.exp, np.exp, (X,)),
    "log": (A.log, np.log, (X,)),
    "sqrt": (A.sqrt, np.sqrt, (X,)),
    "square": (A.square, np.square, (X,)),
    "pow": (lambda x: A.pow(x, 1.5), lambda x: x**1.5, (X,)),
    "softsign": (A.softsign, lambda x: x / (1 + np.abs(x)), (B,)),
    "softplus": (A.softplus, lambda x: np.log1p(np.exp(x)), (B,)),
    "clip": (lambda x: A.clip(x, 0.5, 1), lambda x: np.clip(x, 0.5, 1), (X,)),
    "maximum": (A.maximum, np.maximum, (X, Y)),
    "maximum of a number": (lambda x: A.maximum(x, 1), lambda x: np.maximum(x, 1), (X,)),
    "l2_normalize": (lambda x: A.l2_normalize(x, 1), normal, (X,)),
    "stack": (lambda x, y: A.stack([x, y]), lambda x, y: np.stack([x, y], 1), (X, Y)),
    "expand_dims": (lambda x: A.expand_dims(x, 1), lambda x: x[:, None], (X,)),
    "mm": (
        lambda x, y: A.mm(x, y, axes=[1, 1]),
        lambda x, y: x.transpose(0, 2, 1) @ y,
        (B, C),
    ),
    "mm plain": (
        lambda x, y: A.mm(x, y),
        lambda x, y: x @ y,
        (B.transpose(0, 2, 1).copy(), C),
    ),
    "batch_dot": (A.batch_dot, lambda x, y: (x * y).sum(1, keepdims=True), (X, Y)),
    "batch_dot of cosines": (
        lambda x, y: A.batch_dot(x, y, axes=[1, 1], normalize=True),
        lambda x, y: normal(x).transpose(0, 2, 1) @ normal(y),
        (B, C),
    ),
    "operators": (
        lambda x, y: (1 - x) * y / (x + 2) - -y + 3 / y + 2 * x,
        lambda x, y: (1 - x) * y / (x + 2) - -y + 3 / y + 2 * x,
        (X, Y),
    ),
    "other operators": (
        lambda x, y: 1 + x - y + (x - 1) * 2 / 3,
        lambda x, y: 1 + x - y + (x - 1) * 2 / 3,
        (X, Y),
    ),
    "the same twice": (lambda x: x * x + x, lambda x: x * x + x, (X,)),
}


@pytest.mark.parametrize("name", CASES)
def test_function_of_tensors_and_of_variables(name: str) -> None:
    function, expected, arrays = CASES[name]
    want = expected(*arrays)
    np.testing.assert_allclose(function(*map(bx.tensor, arrays)).numpy(), want, rtol=1e-6)
    inputs = [Input(x.shape[1:]) for x in arrays]
    output = function(*inputs)
    model = Model(inputs, output)
    got = model.forward(list(arrays) if len(arrays) > 1 else arrays[0])
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)
    assert output.shape[1:] == want.shape[1:]
    assert output.get_output_shape() == output.get_input_shape() == output.shape


def test_erf_and_epsilon() -> None:
    from math import erf

    got = A.erf(bx.tensor(B)).numpy()
    np.testing.assert_allclose(got, np.vectorize(erf)(B), rtol=1e-6)
    assert A.epsilon() == 1e-7


def kullback(y_true: Any, y_pred: Any) -> Any:
    """Not symmetric, so that the order of the arguments tells."""
    return A.sum(y_true * A.log(y_true / y_pred), axis=1)


def test_a_loss_of_ones_own_is_given_the_target_first_and_averaged() -> None:
    loss = A.CustomLoss(kullback, [4])
    expected = (Y * np.log(Y / X)).sum(1).mean()
    assert loss.forward(X, Y) == pytest.approx(expected)
    np.testing.assert_allclose(loss.backward(X, Y), -Y / X / 3)
    with pytest.raises(TypeError, match="pass a function of y_true and y_pred"):
        A.CustomLoss("mse")  # type: ignore[arg-type]


def test_compile_takes_functions_of_y_true_and_y_pred_as_keras_gives_them() -> None:
    p, q = (z / z.sum(1, keepdims=True) for z in (X, Y))

    def backwards(output: Any, target: Any) -> Any:
        return kullback(target, output).mean()

    for loss in (kullback, backwards):
        model = Sequential().add(Activation("linear", input_shape=(4,))).add(Dense(4))
        model.set_weights([np.eye(4), np.zeros(4)])
        model.compile(optimizer="sgd", loss=loss)
        (found,) = model.evaluate(p, q)
        assert found == pytest.approx((q * np.log(q / p)).sum(1).mean(), rel=1e-5)


def test_the_autoencoder_of_the_tutorial_learns() -> None:
    def mean_square_error(y_true: Any, y_pred: Any) -> Any:
        return A.mean(A.square(y_true - y_pred), axis=1)

    bx.manual_seed(0)
    model = Sequential()
    model.add(Dense(4, input_shape=[8]))
    model.add(Activation("relu"))
    model.add(Dense(8))
    model.add(Activation("sigmoid"))
    model.compile(optimizer="adam", loss=mean_square_error, metrics=None)
    x = np.random.default_rng(0).integers(0, 2, (16, 8)).astype(np.float32)
    before = model.evaluate(x, x)[0]
    model.fit(x, x, batch_size=4, nb_epoch=20, verbose=False)
    after = model.evaluate(x, x)[0]
    assert after < before
    assert after == pytest.approx(MSECriterion().forward(model.predict(x), x), rel=1e-5)


def test_a_lambda_of_these_functions_is_a_layer() -> None:
    model = Sequential().add(Lambda(lambda x: A.exp(x) + 1.0, input_shape=(4,)))
    np.testing.assert_allclose(model.forward(X), np.exp(X) + 1, rtol=1e-6)
