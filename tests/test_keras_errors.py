"""The mistakes that beginners make with backprop_ext.keras: what the error says, and what stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.keras import layers as k
from backprop_ext.keras.base import Layer
from backprop_ext.keras.models import Input, KerasNet, Model, Sequential
from backprop_ext.keras.regularizers import L1L2, Regularizer

ONES = np.ones((2, 3))


def net() -> Sequential:
    return Sequential().add(k.Dense(2, input_shape=(3,), name="d"))


CASES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    # Making a layer
    "an unknown activation": (
        lambda: k.Dense(2, activation="rellu"),
        ValueError,
        r"\[Dense\] activation 'rellu' is unknown; did you mean 'relu'\?",
    ),
    "an activation like no other": (
        lambda: k.Activation("xyz"),
        ValueError,
        "'xyz' is unknown; known: elu, exp, ",
    ),
    "an activation that is a number": (
        lambda: k.Activation(3),
        TypeError,
        "activation is a int, 3; pass a name",
    ),
    "an unknown initializer": (
        lambda: k.Dense(2, init="glorot"),
        ValueError,
        "init 'glorot' is unknown; did you mean 'glorot_normal'",
    ),
    "limits of an initializer that has none": (
        lambda: k.Dense(2, init="glorot_uniform", limits=(0, 1)),
        ValueError,
        "for 'uniform' and 'normal' only",
    ),
    "an unknown keyword": (
        lambda: k.Dense(2, activaton="relu"),
        TypeError,
        "unexpected keyword 'activaton'; did you mean 'activation'",
    ),
    "a keyword of Keras 2": (
        lambda: k.Convolution2D(2, 3, 3, padding="same"),
        TypeError,
        "'padding'; here, as in Keras 1, it is 'border_mode'",
    ),
    "an activation in the place of an initializer": (
        lambda: k.Dense(2, "relu"),
        ValueError,
        "init='relu' is an activation; pass activation='relu'",
    ),
    "an unknown border mode": (
        lambda: k.Convolution2D(2, 3, 3, border_mode="sane"),
        ValueError,
        "border_mode 'sane' is unknown; did you mean 'same'",
    ),
    "an unknown order of dimensions": (
        lambda: k.Convolution2D(2, 3, 3, dim_ordering="channels_first"),
        ValueError,
        "dim_ordering 'channels_first' is unknown; known: tf, th",
    ),
    "an unknown merge mode": (
        lambda: k.Merge(mode="concatenate"),
        ValueError,
        "mode 'concatenate' is unknown; did you mean 'concat'",
    ),
    "no units": (lambda: k.Dense(0), ValueError, "output_dim=0 is not positive"),
    "half a unit": (lambda: k.Dense(1.5), TypeError, "output_dim=1.5 is no whole number"),  # type: ignore[arg-type]
    "a probability above 1": (lambda: k.Dropout(1.5), ValueError, r"p=1.5 is outside \[0, 1\)"),
    "a deviation below 0": (lambda: k.GaussianNoise(-1), ValueError, "sigma=-1 is below 0"),
    "a window of two numbers for three": (
        lambda: k.MaxPooling3D((2, 2)),
        ValueError,
        "has 2 numbers; pass 3",
    ),
    "a window of a half": (lambda: k.MaxPooling1D(2.5), TypeError, "2.5; pass whole numbers"),  # type: ignore[arg-type]
    "a stride of 0": (
        lambda: k.Convolution1D(2, 3, subsample_length=0),
        ValueError,
        "holds 0; pass 1 or more",
    ),
    "paddings of three sides": (lambda: k.ZeroPadding2D((1, 2, 3)), ValueError, "3 dimensions"),
    "an order that repeats": (lambda: k.Permute((1, 1)), ValueError, "no order of 1 to 2"),
    "two open lengths": (lambda: k.Reshape((-1, -1)), ValueError, "more than one -1"),
    "a transpose that keeps the size": (
        lambda: k.Deconvolution2D(2, 3, 3, border_mode="same"),
        ValueError,
        "only 'valid'",
    ),
    "batch normalization by sample": (
        lambda: k.BatchNormalization(mode=1),
        ValueError,
        "only mode 0",
    ),
    "an embedding from a small table": (
        lambda: k.Embedding(3, 2, weights=np.ones((2, 2))),
        ValueError,
        r"\(2, 2\); pass \(3, 2\)",
    ),
    "a lambda of a number": (lambda: k.Lambda(3), TypeError, "pass a function"),  # type: ignore[arg-type]
    "a merge of one": (lambda: k.Merge([net()]), ValueError, "one layer, it takes two"),
    "both ways of a dense layer": (
        lambda: k.Bidirectional(k.Dense(2)),  # type: ignore[arg-type]
        TypeError,
        "takes a recurrent layer, is given Dense",
    ),
    "both ways, merged by maximum": (
        lambda: k.Bidirectional(k.LSTM(2), merge_mode="max"),
        ValueError,
        "take 'concat'",
    ),
    "both ways of a layer in use": (
        lambda: k.Bidirectional(Sequential().add(k.LSTM(2, input_shape=(3, 2))).layers[0]),  # type: ignore[arg-type]
        ValueError,
        "has weights already",
    ),
    "a wrapper of a layer": (
        lambda: k.KerasLayerWrapper(k.Dense(2)),  # type: ignore[arg-type]
        TypeError,
        "takes an nn.Module, is given Dense",
    ),
    "a penalty below 0": (lambda: L1L2(-1, 0), ValueError, "l1=-1"),
    "a shape that is a number": (
        lambda: k.Dense(2, input_shape=3),  # type: ignore[arg-type]
        TypeError,
        r"the shape is 3, a int; pass a tuple",
    ),
    "a shape of a text": (lambda: Input(("a",)), TypeError, "holds 'a'; pass whole numbers"),  # type: ignore[arg-type]
    "a shape with a 0": (lambda: Input((0,)), ValueError, "holds 0; pass 1 or more"),
    "an empty name": (lambda: k.Dense(2, name=""), TypeError, "the name is ''"),
    # Putting layers together
    "a first layer without a shape": (
        lambda: Sequential().add(k.Dense(2)),
        ValueError,
        r"the first layer, Dense\w+, needs to know its input; pass Dense\(..., input_shape=",
    ),
    "a layer that is no layer": (
        lambda: net().add(bx.nn.Linear(2, 2)),  # type: ignore[arg-type]
        TypeError,
        "KerasLayerWrapper makes one",
    ),
    "a name twice": (
        lambda: net().add(k.Dense(2, name="d")),
        ValueError,
        "two layers are named 'd'",
    ),
    "a shape that is not the one before": (
        lambda: net().add(k.Dense(2, input_shape=(3,))),
        ValueError,
        r"was told that its input is \(None, 3\), and is given \(None, 2\)",
    ),
    "images for vectors": (
        lambda: net().add(k.MaxPooling2D()),
        ValueError,
        r"\[MaxPooling2D\] takes 4D inputs with the batch first, is given \(None, 2\)",
    ),
    "a reshape that does not fit": (
        lambda: net().add(k.Reshape((3, 1))),
        ValueError,
        r"2 numbers of the shape \(None, 2\) do not fill \(3, 1\)",
    ),
    "a reshape that leaves a rest": (
        lambda: Sequential().add(k.Reshape((2, -1), input_shape=(5,))),
        ValueError,
        "do not fill",
    ),
    "a permutation of another rank": (
        lambda: net().add(k.Permute((2, 1))),
        ValueError,
        "the batch is not counted",
    ),
    "a window beyond the input": (
        lambda: Sequential().add(k.Convolution2D(2, 5, 5, input_shape=(1, 4, 4))),
        ValueError,
        "a window of 5 does not fit into a length of 4",
    ),
    "a crop of everything": (
        lambda: Sequential().add(k.Cropping1D((2, 2), input_shape=(4, 1))),
        ValueError,
        "leaves nothing",
    ),
    "open features": (
        lambda: Sequential().add(k.Dense(2, input_shape=(None,))),
        ValueError,
        r"length -1 of \(None, None\) is open and the weights need it",
    ),
    "another output of a transpose": (
        lambda: Sequential().add(
            k.Deconvolution2D(2, 3, 3, output_shape=(None, 2, 9, 9), input_shape=(1, 4, 4))
        ),
        ValueError,
        r"but \(None, 2, 6, 6\) comes out",
    ),
    "steps of vectors": (
        lambda: net().add(k.TimeDistributed(k.Dense(2))),
        ValueError,
        "takes .batch, steps, ....",
    ),
    "a slope per channel that is not there": (
        lambda: net().add(k.PReLU(5)),
        ValueError,
        "n_output_plane=5",
    ),
    "the batch as a channel": (
        lambda: net().add(k.BatchNormalization(axis=0)),
        ValueError,
        "axis=0 is no channel",
    ),
    "a part of the batch": (lambda: net().add(k.Select(0, 0)), ValueError, "0 is the batch"),
    "a part that is not there": (lambda: net().add(k.Select(1, 2)), ValueError, "take 0 to 1"),
    "a stretch that is not there": (
        lambda: net().add(k.Narrow(1, 1, 2)),
        ValueError,
        "2 from 1 in a length of 2",
    ),
    "an input that is not in the list": (
        lambda: k.SelectTable(2)([Input((2,)), Input((2,))]),
        ValueError,
        "index=2 of 2 inputs; take 0 to 1",
    ),
    "a mean and a variance of two shapes": (
        lambda: k.GaussianSampler()([Input((2,)), Input((3,))]),
        ValueError,
        "two inputs of one shape",
    ),
    "a length that is not 1": (lambda: net().add(k.Squeeze(1)), ValueError, "not of length 1"),
    "a scale of another size": (lambda: net().add(k.CMul((3,))), ValueError, "does not broadcast"),
    "a lambda that fails": (
        lambda: net().add(k.Lambda(lambda x: x @ x)),
        ValueError,
        r"\[Lambda\] cannot take inputs of shape .*a trial on zeros failed: \[matmul\]",
    ),
    "a layer called on an array": (
        lambda: k.Dense(2)(ONES),  # type: ignore[arg-type]
        TypeError,
        r"is called on a ndarray; call it on Input",
    ),
    "one input for two": (
        lambda: k.Merge()([Input((2,))]),
        ValueError,
        "takes two inputs or more",
    ),
    "two inputs for one": (
        lambda: k.Dense(2)([Input((2,)), Input((2,))]),
        ValueError,
        "number of inputs is 1, 2 are given",
    ),
    "a sum of two shapes": (
        lambda: k.merge([Input((2,)), Input((3,))]),
        ValueError,
        r"mode 'sum' of shapes \(None, 2\) and \(None, 3\)",
    ),
    "a join that does not fit": (
        lambda: k.merge([Input((2, 3)), Input((3, 2))], mode="concat"),
        ValueError,
        "cannot join",
    ),
    "a join along the batch": (
        lambda: k.merge([Input((2,)), Input((2,))], mode="concat", concat_axis=0),
        ValueError,
        "0 is the batch",
    ),
    "a dot of three": (
        lambda: k.merge([Input((2,))] * 3, mode="dot"),
        ValueError,
        "takes two vectors",
    ),
    "a model of layers": (
        lambda: Model(k.Dense(2, input_dim=2), k.Dense(2)),  # type: ignore[arg-type]
        TypeError,
        "input is a Dense; pass what Input",
    ),
    "a model of nothing": (lambda: Model([], []), ValueError, "there is no input"),
    "an input that was forgotten": (
        lambda: Model(first := Input((2,), name="a"), k.merge([first, Input((2,), name="b")])),
        ValueError,
        "the output needs b, which is none of the inputs",
    ),
    "an input that is not used": (
        lambda: Model([first := Input((2,), name="a"), Input((2,), name="b")], k.Dense(1)(first)),
        ValueError,
        "no output depends on the input b",
    ),
    # Using them
    "a shape of a layer that does not know it": (
        lambda: k.Dense(2).get_input_shape(),
        RuntimeError,
        "does not know the shape of its input; pass input_shape",
    ),
    "weights of a layer that has none yet": (
        lambda: k.Dense(2).get_weights(),
        RuntimeError,
        "does not know the shape of its input",
    ),
    "an empty model": (lambda: Sequential().forward(ONES), RuntimeError, "has no layers"),
    "the shape of an empty model": (
        lambda: Sequential().get_output_shape(),
        RuntimeError,
        "has no layers",
    ),
    "an input of another width": (
        lambda: net().forward(np.ones((2, 4))),
        ValueError,
        r"takes inputs of shape \(None, 3\), or one of \(3,\), is given \(2, 4\)",
    ),
    "an input of another rank": (
        lambda: net().forward(np.ones((2, 3, 1))),
        ValueError,
        r"is given \(2, 3, 1\)",
    ),
    "texts": (lambda: net().forward(np.array(["a", "b", "c"])), TypeError, "takes numbers"),
    "two arrays for one": (
        lambda: net().forward([ONES, ONES]),
        ValueError,
        r"is given \(2, 2, 3\)",
    ),
    "backward without forward": (
        lambda: net().backward(ONES, ONES[:, :2]),
        RuntimeError,
        r"has had no forward; call forward\(input\) first",
    ),
    "an unknown layer": (lambda: net().get_layer("b"), ValueError, "no layer is named 'b'"),
    "an unknown layer to freeze": (
        lambda: net().freeze(["dd"]),
        ValueError,
        r"\[freeze\] no layer is named 'dd'; did you mean 'd'",
    ),
    "a summary of no model": (lambda: KerasNet().summary(), NotImplementedError, "defines no rows"),
    "a layer without a formula": (
        lambda: Layer(input_shape=(2,)).forward(np.ones(2)),
        NotImplementedError,
        "defines no compute",
    ),
    "a penalty without a formula": (
        lambda: Regularizer()(bx.ones(2)),
        NotImplementedError,
        "defines no penalty",
    ),
    "a recurrent layer without a step": (
        lambda: k.Recurrent(2, input_shape=(3, 1)).forward(np.ones((3, 1))),
        NotImplementedError,
        "defines no step",
    ),
    "an attribute that is not there": (
        lambda: k.Dense(2).weigth,
        AttributeError,
        "'Dense' object has no attribute 'weigth'",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_mistake_is_answered_with_what_and_how(name: str) -> None:
    action, error, message = CASES[name]
    with pytest.raises(error, match=message) as caught:
        action()
    if error not in (AttributeError, NotImplementedError):
        assert str(caught.value).startswith("[")


# Backward for another forward


def test_backward_for_another_input_is_refused_and_adds_nothing() -> None:
    model = net()
    model.forward(ONES)
    with pytest.raises(RuntimeError, match=r"last forward of Sequential.*the numbers are others"):
        model.backward(2 * ONES, np.ones((2, 2)))
    with pytest.raises(RuntimeError, match=r"the shapes are \(3, 3\) and \(2, 3\)"):
        model.backward(np.ones((3, 3)), np.ones((3, 2)))
    model.forward(ONES[:1])
    with pytest.raises(RuntimeError, match=r"the shapes are \(3,\) and \(1, 3\)"):
        model.backward(ONES[0], np.ones(2))
    assert (model.parameters()["d"]["gradWeight"] == 0).all()


def test_backward_after_the_next_forward_is_refused() -> None:
    model = net()
    first, second = ONES, 2 * ONES
    model.forward(first)
    model.forward(second)
    with pytest.raises(RuntimeError, match="is not that of the last forward"):
        model.backward(first, np.ones((2, 2)))
    model.backward(second, np.ones((2, 2)))


@pytest.mark.parametrize("shape", [(2,), (2, 3), (3, 2), ()])
def test_gradient_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    model = net()
    model.forward(ONES)
    with pytest.raises(ValueError, match=r"grad_output has shape .*, the output .* \(2, 2\)"):
        model.backward(ONES, np.ones(shape))
    assert (model.parameters()["d"]["gradWeight"] == 0).all()


def test_backward_through_weights_that_have_changed_is_refused() -> None:
    model = net().add(k.Activation("tanh")).add(k.Dense(1))
    model.forward(ONES)
    model.set_weights([2 * w for w in model.get_weights()])
    with pytest.raises(RuntimeError, match=r"weights of Sequential.* were changed after"):
        model.backward(ONES, np.ones((2, 1)))
    assert all((t["gradWeight"] == 0).all() for t in model.parameters().values())
    model.forward(ONES)
    model.backward(ONES, np.ones((2, 1)))
    model.update_parameters(0.1)
    with pytest.raises(RuntimeError, match="were changed after"):
        model.backward(ONES, np.ones((2, 1)))


def test_backward_through_weights_that_were_replaced_is_refused() -> None:
    model = net()
    model.forward(ONES)
    layer = model.layers[0]
    layer.module.weight = bx.nn.Parameter(layer.module.weight.detach().clone())
    with pytest.raises(RuntimeError, match="were changed after"):
        model.backward(ONES, np.ones((2, 2)))


def test_backward_after_training_is_refused() -> None:
    model = net()
    model.compile(optimizer="sgd", loss="mse")
    model.forward(ONES)
    model.fit(ONES, np.ones((2, 2)), nb_epoch=3, verbose=False)
    with pytest.raises(RuntimeError, match="were changed after"):
        model.backward(ONES, np.ones((2, 2)))


def test_backward_of_two_outputs_takes_two_gradients() -> None:
    a = Input((3,))
    model = Model(a, [k.Dense(2)(a), k.Dense(1)(a)])
    model.forward(ONES)
    with pytest.raises(ValueError, match="has 2 outputs, is given 1 gradients"):
        model.backward(ONES, [np.ones((2, 2))])


def test_several_inputs_are_counted_and_all_are_batches_or_none() -> None:
    a, b = Input((3,)), Input((3,))
    model = Model([a, b], k.merge([a, b]))
    with pytest.raises(ValueError, match="takes 2 arrays, is given 1"):
        model.forward(ONES)
    with pytest.raises(ValueError, match="batches and single samples at once"):
        model.forward([ONES, ONES[0]])


# What fails changes nothing


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([np.ones((2, 3))], "has 2 weights, is given 1; pass a list of arrays of shapes"),
        ([np.ones((3, 2)), np.ones(2)], r"weight 0 of \w+ has shape \(2, 3\), is given \(3, 2\)"),
        ([np.ones((2, 3)), np.ones(3)], r"weight 1 of \w+ has shape \(2,\), is given \(3,\)"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(weights: Any, message: str) -> None:
    model = net()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.set_weights(weights)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_layer_that_does_not_fit_leaves_the_model_as_it_was() -> None:
    model = net()
    with pytest.raises(ValueError, match="takes 4D"):
        model.add(k.Convolution2D(1, 2, 2))
    with pytest.raises(ValueError, match="init of open"):
        model.add(k.Dense(3, init=_refuse))
    assert [layer.name() for layer in model.layers] == ["d"]
    assert model.get_output_shape() == (None, 2)
    assert model.forward(ONES).shape == (2, 2)
    assert model.add(k.Dense(1)).get_output_shape() == (None, 1)


def _refuse(weight: bx.Tensor) -> None:
    raise ValueError("init of open")


def test_a_layer_that_failed_can_be_built_again() -> None:
    layer = k.Dense(2)
    with pytest.raises(ValueError, match="is open"):
        layer.build((None, None))
    assert not layer.is_built()
    assert layer.build((None, 3)) == (None, 2)


def test_a_layer_with_weights_is_for_one_shape() -> None:
    dense = k.Dense(2)
    dense(Input((3,)))
    with pytest.raises(ValueError, match=r"was built for \(None, 3\) and is given \(None, 4\)"):
        dense(Input((4,)))
    assert dense.get_input_shape() == (None, 3)


def test_a_layer_stands_once_in_a_sequential() -> None:
    model = Sequential().add(layer := k.Dense(3, input_dim=3))
    with pytest.raises(ValueError, match="is in the model already"):
        model.add(layer)


def test_numbers_outside_of_an_embedding_are_named() -> None:
    model = Sequential().add(k.Embedding(5, 2, input_length=3))
    with pytest.raises(IndexError, match="7 is out of range, the table has rows 0 to 4"):
        model.forward(np.array([[0, 7, 1]]))
    with pytest.raises(ValueError, match="not whole"):
        model.forward(np.array([[0, 0.5, 1]]))
    assert model.forward(np.array([[0, 4, 1]])).shape == (1, 3, 2)


def test_running_statistics_of_another_shape_are_refused() -> None:
    layer = k.BatchNormalization(input_shape=(3,))
    with pytest.raises(ValueError, match=r"running_mean has shape \(3,\), is given \(2,\)"):
        layer.set_running_mean(np.ones(2))
    assert layer.get_running_mean().tolist() == [0, 0, 0]


def test_layers_renamed_alike_are_told_apart_or_refused() -> None:
    model = net().add(k.Dense(2, name="e"))
    model.layers[1].set_name("d")
    for use in (model.parameters, lambda: model.freeze("d"), lambda: model.get_layer("d")):
        with pytest.raises(ValueError, match="two layers are named 'd'; rename one"):
            use()
