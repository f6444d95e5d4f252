"""Every layer of backprop_ext.keras against NumPy, its gradients against differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras_reference as ref
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backprop_ext as bx
from backprop_ext.keras import layers as k

Array = np.ndarray[Any, Any]


class Row(NamedTuple):
    """A layer, the shapes of its inputs (the batch first), and what NumPy says of (x, *weights)."""

    name: str
    make: Callable[[], Any]
    shape: Any
    expected: Callable[..., Array]
    low: float = -2.0
    differentiable: bool = True


def first(function: Callable[..., Array], **options: Any) -> Callable[..., Array]:
    """A reference for channels first, on channels last."""
    return lambda x, *w: ref.to_last(function(ref.to_first(x), *w, **options))


def plane(x: Array, *size: int) -> Array:
    return x.reshape(-1, *size)


IMAGE = (3, 2, 7, 6)
LAST = (3, 7, 6, 2)
LINE = (3, 8, 4)

ROWS = [
    Row("Dense", lambda: k.Dense(3), (4, 5), lambda x, w, b: x @ w.T + b),
    Row("Dense no bias", lambda: k.Dense(3, bias=False), (4, 5), lambda x, w: x @ w.T),
    Row(
        "Dense of steps",
        lambda: k.Dense(3, activation="softmax"),
        (4, 2, 5),
        lambda x, w, b: ref.softmax(x @ w.T + b),
    ),
    Row("Highway", lambda: k.Highway(activation="tanh"), (4, 5), ref.highway),
    Row(
        "MaxoutDense",
        lambda: k.MaxoutDense(3, nb_feature=2),
        (4, 5),
        lambda x, w, b: (np.einsum("ni,koi->nko", x, w) + b).max(1),
    ),
    Row("Activation", lambda: k.Activation("SoftMax"), (4, 5), ref.softmax),
    Row("Flatten", lambda: k.Flatten(), IMAGE, lambda x: x.reshape(3, -1)),
    Row("Reshape", lambda: k.Reshape((4, -1)), IMAGE, lambda x: plane(x, 4, 21)),
    Row("Permute", lambda: k.Permute((3, 1, 2)), IMAGE, lambda x: x.transpose(0, 3, 1, 2)),
    Row("RepeatVector", lambda: k.RepeatVector(3), (4, 5), lambda x: np.stack([x] * 3, 1)),
    Row("Lambda", lambda: k.Lambda(lambda x: x.exp().sum(2)), LINE, lambda x: np.exp(x).sum(2)),
    Row(
        "Convolution1D",
        lambda: k.Convolution1D(5, 3, subsample_length=2, activation="tanh"),
        LINE,
        lambda x, w, b: np.tanh(first(ref.convolution, stride=(2,))(x, w, b)),
    ),
    Row(
        "Convolution1D same",
        lambda: k.Convolution1D(5, 4, border_mode="same", subsample_length=3),
        LINE,
        first(ref.convolution, stride=(3,), same=True),
    ),
    Row(
        "AtrousConvolution1D",
        lambda: k.AtrousConvolution1D(2, 3, atrous_rate=2),
        LINE,
        first(ref.convolution, dilation=(2,)),
    ),
    Row("Convolution2D", lambda: k.Convolution2D(4, 3, 2), IMAGE, ref.convolution),
    Row(
        "Convolution2D same",
        lambda: k.Convolution2D(4, 3, 2, border_mode="same", subsample=(2, 3)),
        IMAGE,
        lambda x, w, b: ref.convolution(x, w, b, (2, 3), same=True),
    ),
    Row(
        "Convolution2D tf",
        lambda: k.Convolution2D(4, 3, 2, dim_ordering="tf", bias=False),
        LAST,
        lambda x, w: first(ref.convolution, b=None)(x, w),
    ),
    Row(
        "AtrousConvolution2D",
        lambda: k.AtrousConvolution2D(4, 3, 2, atrous_rate=(2, 3)),
        IMAGE,
        lambda x, w, b: ref.convolution(x, w, b, dilation=(2, 3)),
    ),
    Row(
        "SeparableConvolution2D",
        lambda: k.SeparableConvolution2D(4, 3, 2, depth_multiplier=2),
        IMAGE,
        lambda x, d, p, b: ref.convolution(
            np.concatenate(
                [ref.convolution(x[:, c : c + 1], d[2 * c : 2 * c + 2], None) for c in (0, 1)], 1
            ),
            p,
            b,
        ),
    ),
    Row("Convolution3D", lambda: k.Convolution3D(3, 2, 2, 1), (2, 2, 4, 3, 3), ref.convolution),
    Row(
        "Deconvolution2D",
        lambda: k.Deconvolution2D(3, 3, 2, output_shape=(None, 3, 15, 7), subsample=(2, 1)),
        IMAGE,
        lambda x, w, b: ref.deconvolution(x, w, b, (2, 1)),
    ),
    *(
        Row(
            f"{kind}Pooling{dims}D {mode}",
            lambda kind=kind, dims=dims, mode=mode: getattr(k, f"{kind}Pooling{dims}D")(
                2, 3 if dims == 1 else (2, 3, 1)[:dims], mode
            ),
            shape,
            lambda x, kind=kind, dims=dims, mode=mode: (first if dims == 1 else lambda f, **o: f)(
                lambda y: ref.pooling(
                    y,
                    (2,) * dims,
                    (3,) if dims == 1 else (2, 3, 1)[:dims],
                    mode == "same",
                    kind == "Average",
                )
            )(x),
        )
        for kind in ("Max", "Average")
        for dims, shape in ((1, LINE), (2, IMAGE), (3, (2, 2, 4, 5, 3)))
        for mode in ("valid", "same")
    ),
    Row("GlobalMaxPooling1D", lambda: k.GlobalMaxPooling1D(), LINE, lambda x: x.max(1)),
    Row("GlobalAveragePooling1D", lambda: k.GlobalAveragePooling1D(), LINE, lambda x: x.mean(1)),
    Row("GlobalMaxPooling2D", lambda: k.GlobalMaxPooling2D(), IMAGE, lambda x: x.max((2, 3))),
    Row(
        "GlobalAveragePooling2D tf",
        lambda: k.GlobalAveragePooling2D("tf"),
        LAST,
        lambda x: x.mean((1, 2)),
    ),
    Row(
        "GlobalMaxPooling3D",
        lambda: k.GlobalMaxPooling3D(),
        (2, 2, 4, 5, 3),
        lambda x: x.max((2, 3, 4)),
    ),
    Row(
        "GlobalAveragePooling3D",
        lambda: k.GlobalAveragePooling3D(),
        (2, 2, 4, 5, 3),
        lambda x: x.mean((2, 3, 4)),
    ),
    Row(
        "ZeroPadding1D",
        lambda: k.ZeroPadding1D((1, 2)),
        LINE,
        lambda x: np.pad(x, ((0, 0), (1, 2), (0, 0))),
    ),
    Row(
        "ZeroPadding2D",
        lambda: k.ZeroPadding2D((1, 2)),
        IMAGE,
        lambda x: np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2))),
    ),
    Row(
        "ZeroPadding2D sides",
        lambda: k.ZeroPadding2D((0, 1, 2, 3), dim_ordering="tf"),
        LAST,
        lambda x: np.pad(x, ((0, 0), (0, 1), (2, 3), (0, 0))),
    ),
    Row(
        "ZeroPadding3D",
        lambda: k.ZeroPadding3D(1),
        (2, 2, 4, 5, 3),
        lambda x: np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1), (1, 1))),
    ),
    Row("Cropping1D", lambda: k.Cropping1D((1, 2)), LINE, lambda x: x[:, 1:-2]),
    Row(
        "Cropping2D",
        lambda: k.Cropping2D(((1, 0), (2, 1))),
        IMAGE,
        lambda x: x[:, :, 1:, 2:-1],
    ),
    Row(
        "Cropping3D",
        lambda: k.Cropping3D(),
        (2, 2, 4, 5, 3),
        lambda x: x[:, :, 1:-1, 1:-1, 1:-1],
    ),
    Row("UpSampling1D", lambda: k.UpSampling1D(3), LINE, lambda x: x.repeat(3, 1)),
    Row(
        "UpSampling2D", lambda: k.UpSampling2D((2, 3)), IMAGE, lambda x: x.repeat(2, 2).repeat(3, 3)
    ),
    Row(
        "UpSampling3D tf",
        lambda: k.UpSampling3D((1, 2, 3), "tf"),
        (2, 4, 5, 3, 2),
        lambda x: x.repeat(2, 2).repeat(3, 3),
    ),
    Row(
        "BatchNormalization",
        lambda: k.BatchNormalization(),
        IMAGE,
        lambda x, g, b: ref.batch_norm(x, g, b, None, None),
    ),
    Row(
        "BatchNormalization tf",
        lambda: k.BatchNormalization(dim_ordering="tf"),
        LAST,
        lambda x, g, b: ref.batch_norm(x, g, b, None, None, -1),
    ),
    Row(
        "SimpleRNN",
        lambda: k.SimpleRNN(3),
        LINE,
        lambda x, *w: ref.simple_rnn(x, *w)[:, -1],
    ),
    Row(
        "SimpleRNN backwards",
        lambda: k.SimpleRNN(3, return_sequences=True, go_backwards=True),
        LINE,
        lambda x, *w: ref.simple_rnn(x[:, ::-1], *w),
    ),
    Row("LSTM", lambda: k.LSTM(3), LINE, lambda x, *w: ref.lstm(x, *w)[:, -1]),
    Row(
        "LSTM sigmoid",
        lambda: k.LSTM(3, inner_activation="sigmoid", return_sequences=True),
        LINE,
        lambda x, *w: ref.lstm(x, *w, inner=ref.sigmoid),
    ),
    Row("GRU", lambda: k.GRU(3, return_sequences=True), LINE, ref.gru),
    Row(
        "Bidirectional",
        lambda: k.Bidirectional(k.GRU(3, return_sequences=True)),
        LINE,
        lambda x, *w: np.concatenate(
            [ref.gru(x, *w[:3]), ref.gru(x[:, ::-1], *w[3:])[:, ::-1]], -1
        ),
    ),
    Row(
        "Bidirectional sum of the last",
        lambda: k.Bidirectional(k.LSTM(3), merge_mode="sum"),
        LINE,
        lambda x, *w: ref.lstm(x, *w[:3])[:, -1] + ref.lstm(x[:, ::-1], *w[3:])[:, -1],
    ),
    Row(
        "TimeDistributed",
        lambda: k.TimeDistributed(k.Convolution2D(3, 2, 2)),
        (2, 3, 2, 4, 5),
        lambda x, w, b: np.stack([ref.convolution(x[:, t], w, b) for t in range(3)], 1),
    ),
    Row(
        "KerasLayerWrapper",
        lambda: k.KerasLayerWrapper(bx.nn.Linear(4, 2)),
        LINE,
        lambda x, w, b: x @ w.T + b,
    ),
    Row("Merge sum", lambda: k.Merge(mode="sum"), [(3, 4), (3, 4)], lambda x, y: x + y),
    Row("Merge mul", lambda: k.Merge(mode="mul"), [(3, 4)] * 3, lambda x, y, z: x * y * z),
    Row("Merge ave", lambda: k.Merge(mode="ave"), [(3, 4)] * 3, lambda x, y, z: (x + y + z) / 3),
    Row("Merge max", lambda: k.Merge(mode="max"), [(3, 4), (3, 4)], np.maximum),
    Row(
        "Merge concat",
        lambda: k.Merge(mode="concat", concat_axis=1),
        [(3, 2, 4), (3, 5, 4)],
        lambda x, y: np.concatenate([x, y], 1),
    ),
    Row(
        "Merge dot",
        lambda: k.Merge(mode="dot"),
        [(3, 4), (3, 4)],
        lambda x, y: (x * y).sum(1, keepdims=True),
    ),
    Row(
        "Merge cos",
        lambda: k.Merge(mode="cos"),
        [(3, 4), (3, 4)],
        lambda x, y: (
            (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
        ).reshape(3, 1, 1),
    ),
    Row("LeakyReLU", lambda: k.LeakyReLU(0.3), (4, 5), lambda x: np.where(x > 0, x, 0.3 * x)),
    Row("ELU", lambda: k.ELU(0.7), (4, 5), lambda x: np.where(x > 0, x, 0.7 * np.expm1(x))),
    Row("ThresholdedReLU", lambda: k.ThresholdedReLU(0.5), (4, 5), lambda x: x * (x > 0.5)),
    Row("Threshold", lambda: k.Threshold(0.5, -1), (4, 5), lambda x: np.where(x > 0.5, x, -1)),
    Row("HardTanh", lambda: k.HardTanh(-0.5, 1), (4, 5), lambda x: np.clip(x, -0.5, 1)),
    Row("HardShrink", lambda: k.HardShrink(), (4, 5), lambda x: x * (np.abs(x) > 0.5)),
    Row(
        "SoftShrink",
        lambda: k.SoftShrink(),
        (4, 5),
        lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    ),
    Row("Softmax", lambda: k.Softmax(), LINE, ref.softmax),
    Row("PReLU", lambda: k.PReLU(), (4, 5), lambda x, a: np.where(x > 0, x, a * x)),
    Row(
        "PReLU of channels",
        lambda: k.PReLU(2),
        IMAGE,
        lambda x, a: np.where(x > 0, x, a.reshape(2, 1, 1) * x),
    ),
    Row("SReLU", lambda: k.SReLU(t_left_init="uniform"), (4, 5), ref.srelu),
    Row("SReLU shared", lambda: k.SReLU(shared_axes=(2, 3)), IMAGE, ref.srelu),
    Row(
        "Embedding",
        lambda: k.Embedding(6, 3),
        (4, 5),
        lambda x, w: w[x.astype(int)],
        0,
        differentiable=False,
    ),
    Row(
        "Embedding masked",
        lambda: k.Embedding(6, 3, mask_zero=True, padding_value=2),
        (4, 5),
        lambda x, w: np.where((x == 2)[..., None], 0, w[x.astype(int)]),
        0,
        differentiable=False,
    ),
    Row(
        "LocallyConnected1D",
        lambda: k.LocallyConnected1D(3, 2, subsample_length=3, activation="tanh"),
        LINE,
        lambda x, w, b: np.tanh(first(ref.local, size=(2,), stride=(3,))(x, w, b)),
    ),
    Row(
        "LocallyConnected2D",
        lambda: k.LocallyConnected2D(3, 3, 2, border_mode="same", subsample=(2, 1)),
        IMAGE,
        lambda x, w, b: ref.local(x, w, b, (3, 2), (2, 1), same=True),
    ),
    Row(
        "LocallyConnected2D tf",
        lambda: k.LocallyConnected2D(3, 3, 2, dim_ordering="tf"),
        LAST,
        first(ref.local, size=(3, 2), stride=(1, 1)),
    ),
    Row(
        "LRN2D",
        lambda: k.LRN2D(alpha=0.5, k=1.5, beta=0.6, n=3),
        (2, 6, 3, 4),
        lambda x: ref.lrn(x, 0.5, 1.5, 0.6, 3),
    ),
    Row(
        "LRN2D tf",
        lambda: k.LRN2D(alpha=0.5, n=4, dim_ordering="tf"),
        (2, 3, 4, 6),
        first(ref.lrn, alpha=0.5, k=1.0, beta=0.75, n=4),
    ),
    Row(
        "ResizeBilinear",
        lambda: k.ResizeBilinear(5, 9),
        IMAGE,
        lambda x: ref.resize(ref.resize(x, 2, 5, False), 3, 9, False),
    ),
    Row(
        "ResizeBilinear of corners",
        lambda: k.ResizeBilinear(5, 9, align_corner=True, dim_ordering="tf"),
        LAST,
        lambda x: ref.resize(ref.resize(x, 1, 5, True), 2, 9, True),
    ),
    Row("Max", lambda: k.Max(2), IMAGE, lambda x: x.max(2, keepdims=True)),
    Row(
        "Max place",
        lambda: k.Max(-1, return_value=False),
        IMAGE,
        lambda x: x.argmax(3)[..., None],
        differentiable=False,
    ),
    Row("SelectTable", lambda: k.SelectTable(1), [(3, 4), (3, 2), (3, 1)], lambda x, y, z: y),
    Row("Identity", lambda: k.Identity(), (4, 5), lambda x: x),
    Row("Exp", lambda: k.Exp(), (4, 5), np.exp),
    Row("Log", lambda: k.Log(), (4, 5), np.log, 0.5),
    Row("Sqrt", lambda: k.Sqrt(), (4, 5), np.sqrt, 0.5),
    Row("Square", lambda: k.Square(), (4, 5), np.square),
    Row("Negative", lambda: k.Negative(), (4, 5), np.negative),
    Row("AddConstant", lambda: k.AddConstant(2.5), (4, 5), lambda x: x + 2.5),
    Row("MulConstant", lambda: k.MulConstant(2.5), (4, 5), lambda x: x * 2.5),
    Row("Power", lambda: k.Power(1.5, 2, 0.5), (4, 5), lambda x: (0.5 + 2 * x) ** 1.5, 0.5),
    Row(
        "BinaryThreshold",
        lambda: k.BinaryThreshold(0.5),
        (4, 5),
        lambda x: (x > 0.5) * 1.0,
        differentiable=False,
    ),
    Row("Mul", lambda: k.Mul(), (4, 5), lambda x, w: w * x),
    Row("CAdd", lambda: k.CAdd((2, 1, 1)), IMAGE, lambda x, b: x + b),
    Row("CMul", lambda: k.CMul((6,)), IMAGE, lambda x, w: x * w),
    Row("Scale", lambda: k.Scale((7, 1)), IMAGE, lambda x, w, b: x * w + b),
    Row("Select", lambda: k.Select(2, -1), IMAGE, lambda x: x[:, :, -1]),
    Row("Narrow", lambda: k.Narrow(2, 1, 3), IMAGE, lambda x: x[:, :, 1:4]),
    Row("Narrow to the end", lambda: k.Narrow(-1, 2, -1), IMAGE, lambda x: x[..., 2:]),
    Row("Squeeze", lambda: k.Squeeze(2), (3, 2, 1, 4), lambda x: x[:, :, 0]),
    Row("Squeeze all", lambda: k.Squeeze(), (3, 1, 4, 1), lambda x: x[:, 0, :, 0]),
    Row("ExpandDim", lambda: k.ExpandDim(1), (4, 5), lambda x: x[:, None]),
]


def prepared(row: Row) -> tuple[Any, list[Array]]:
    """The built layer, with random weights, and random inputs."""
    bx.manual_seed(0)
    random = np.random.default_rng(0)
    shapes = row.shape if isinstance(row.shape, list) else [row.shape]
    if row.name.startswith("Embedding"):
        inputs = [random.integers(0, 6, shapes[0]).astype(np.float32)]
    else:
        inputs = [random.uniform(row.low, 2, s).astype(np.float32) for s in shapes]
    layer = row.make()
    open_shapes = [(None, *shape[1:]) for shape in shapes]
    layer.build(open_shapes if len(shapes) > 1 else open_shapes[0])
    layer.set_weights([random.normal(0, 0.5, w.shape) for w in layer.get_weights()])
    return layer, inputs


def of(inputs: list[Array]) -> Any:
    return inputs if len(inputs) > 1 else inputs[0]


rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@rows
def test_forward_is_what_numpy_says_and_of_the_inferred_shape(row: Row) -> None:
    layer, inputs = prepared(row)
    y = layer.forward(of(inputs))
    weights = layer.get_weights()
    wide = [x.astype(np.float64) for x in inputs + weights]
    np.testing.assert_allclose(y, row.expected(*wide), rtol=1e-4, atol=1e-5)
    assert y.shape[1:] == layer.get_output_shape()[1:]
    assert layer.get_output_shape()[0] is None
    shape = of([(None, *x.shape[1:]) for x in inputs])
    assert layer.get_input_shape() == shape


@rows
def test_gradients_are_differences_along_a_random_direction(row: Row) -> None:
    layer, inputs = prepared(row)
    layer.module.double()
    random = np.random.default_rng(1)
    leaves = [bx.tensor(x.astype(np.float64), requires_grad=True) for x in inputs]
    weights = list(layer.module.parameters())
    y = layer.module(*leaves)
    seed = bx.tensor(random.normal(size=tuple(y.shape)))
    moved = (leaves if row.differentiable else []) + weights
    directions = [bx.tensor(random.normal(size=tuple(t.shape))) for t in moved]
    if not y.requires_grad:
        assert row.name in ("BinaryThreshold", "Max place")
        return
    grads = bx.autograd.grad((y * seed).sum(), moved, materialize_grads=True)
    slope = sum((g * d).sum().item() for g, d in zip(grads, directions, strict=True))

    def at(h: float) -> float:
        with bx.no_grad():
            for t, d in zip(moved, directions, strict=True):
                t.add_(d, alpha=h)
            value = (layer.module(*leaves) * seed).sum().item()
            for t, d in zip(moved, directions, strict=True):
                t.sub_(d, alpha=h)
        return float(value)

    h = 1e-6
    assert slope == pytest.approx((at(h) - at(-h)) / (2 * h), rel=1e-5, abs=1e-6)


@rows
def test_one_sample_needs_no_batch(row: Row) -> None:
    layer, inputs = prepared(row)
    layer.evaluate()
    y = layer.forward(of(inputs))
    np.testing.assert_allclose(
        layer.forward(of([x[1] for x in inputs])), y[1], rtol=1e-4, atol=1e-5
    )


NEED_LENGTHS = {"LocallyConnected1D", "LocallyConnected2D", "Scale", "Squeeze"}


@rows
def test_open_lengths_are_inferred_as_open_or_refused(row: Row) -> None:
    """Where a layer takes an open length, what it infers agrees with what it computes."""
    layer = row.make()
    shapes = row.shape if isinstance(row.shape, list) else [row.shape]
    if any(len(shape) < 3 for shape in shapes):
        return
    dim = len(shapes[0]) - 2
    opened = [tuple(None if d in (0, dim) else n for d, n in enumerate(shape)) for shape in shapes]
    if row.name.split()[0] in NEED_LENGTHS and row.name != "Squeeze all":
        with pytest.raises(ValueError, match=rf"^\[{row.name.split()[0]}\]"):
            layer.build(of(opened))
        return
    layer.build(of(opened))
    random = np.random.default_rng(0)
    y = layer.forward(of([random.uniform(max(row.low, 0.1), 2, shape) for shape in shapes]))
    inferred = layer.get_output_shape()
    assert len(inferred) == y.ndim
    assert all(n in (None, m) for n, m in zip(inferred, y.shape, strict=True))


@settings(max_examples=150, deadline=None)
@given(
    length=st.integers(1, 12),
    window=st.integers(1, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    same=st.booleans(),
)
def test_windows_of_any_size(
    length: int, window: int, stride: int, dilation: int, same: bool
) -> None:
    """What is inferred, what is computed and what NumPy says agree, or nothing fits."""
    mode = "same" if same else "valid"
    x = np.random.default_rng(length).normal(size=(2, length, 3))
    convolution = k.AtrousConvolution1D(2, window, border_mode=mode, atrous_rate=dilation)
    convolution.stride = (stride,)
    layers = [convolution] + [
        make(window, stride, mode) for make in (k.MaxPooling1D, k.AveragePooling1D)
    ]
    spans = [dilation * (window - 1) + 1, window, window]
    for layer, span in zip(layers, spans, strict=True):
        if not same and span > length:
            with pytest.raises(ValueError, match="does not fit into a length of"):
                layer.build((None, length, 3))
            continue
        layer.build((None, length, 3))
        y = layer.forward(x)
        assert y.shape[1:] == layer.get_output_shape()[1:]
        if layer is convolution:
            weights = layer.get_weights()
            options = {"stride": (stride,), "dilation": (dilation,), "same": same}
            expected = first(ref.convolution, **options)(x, *weights)
        else:
            average = isinstance(layer, k.AveragePooling1D)
            expected = ref.to_last(
                ref.pooling(ref.to_first(x), (window,), (stride,), same, average)
            )
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


NOISE = {
    "Dropout": (k.Dropout, (2000, 4), 0.3),
    "GaussianDropout": (k.GaussianDropout, (2000, 4), 0.3),
    "GaussianNoise": (k.GaussianNoise, (2000, 4), 0.3),
    "SpatialDropout1D": (k.SpatialDropout1D, (500, 3, 8), 0.3),
    "SpatialDropout2D": (k.SpatialDropout2D, (500, 8, 2, 3), 0.3),
    "SpatialDropout3D": (k.SpatialDropout3D, (500, 8, 2, 1, 3), 0.3),
    "RReLU": (k.RReLU, (2000, 4), None),
}


@pytest.mark.parametrize("name", NOISE)
def test_noise_keeps_the_mean_in_training_and_is_nothing_otherwise(name: str) -> None:
    cls, shape, p = NOISE[name]
    bx.manual_seed(0)
    layer = cls(input_shape=shape[1:]) if p is None else cls(p, input_shape=shape[1:])
    sign = -1 if p is None else 1
    x = np.full(shape, sign, np.float32)
    assert layer.is_training()
    y = layer.forward(x) * sign
    mean = (1 / 8 + 1 / 3) / 2 if p is None else 1
    assert y.mean() == pytest.approx(mean, abs=0.03)
    assert y.std() > 0.05
    layer.evaluate()
    assert not layer.is_training()
    np.testing.assert_allclose(layer.forward(x) * sign, mean, rtol=1e-6)
    layer.training()
    assert layer.is_training()


@pytest.mark.parametrize("name", ["GaussianDropout", "GaussianNoise"])
def test_gaussian_noise_has_the_deviation_it_says(name: str) -> None:
    cls, shape, p = NOISE[name]
    bx.manual_seed(0)
    deviation = p if name == "GaussianNoise" else np.sqrt(p / (1 - p))
    y = cls(p, input_shape=shape[1:]).forward(np.ones(shape))
    assert y.std() == pytest.approx(deviation, rel=0.03)


@pytest.mark.parametrize("ordering", ["th", "tf"])
def test_spatial_dropout_drops_whole_channels(ordering: str) -> None:
    bx.manual_seed(0)
    x = np.ones((20, 5, 3, 4) if ordering == "th" else (20, 3, 4, 5))
    y = k.SpatialDropout2D(0.4, ordering, input_shape=x.shape[1:]).forward(x)
    if ordering == "tf":
        y = np.moveaxis(y, -1, 1)
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.6], rtol=1e-6)
    assert (y == y[:, :, :1, :1]).all()


def test_dropout_gives_the_gradient_of_the_mask_it_drew() -> None:
    bx.manual_seed(0)
    layer = k.Dropout(0.5, input_shape=(50,))
    x = np.ones((4, 50))
    y = layer.forward(x)
    np.testing.assert_array_equal(layer.backward(x, np.ones((4, 50))), y)


def test_gaussian_sampler_draws_from_the_distribution_it_is_given() -> None:
    bx.manual_seed(0)
    sampler = k.GaussianSampler(input_shape=[(3,), (3,)])
    mean, log_variance = np.full((5000, 3), [1, 2, 3.0]), np.full((5000, 3), [0, 1, 2.0])
    y = sampler.forward([mean, log_variance])
    np.testing.assert_allclose(y.mean(0), [1, 2, 3], atol=0.15)
    np.testing.assert_allclose(y.std(0), np.exp([0, 0.5, 1]), rtol=0.05)
    g = np.ones((5000, 3))
    dm, ds = sampler.backward([mean, log_variance], g)
    np.testing.assert_array_equal(dm, g)
    np.testing.assert_allclose(ds, 0.5 * (y - mean), rtol=1e-4, atol=1e-5)


def test_masking_clears_steps_whose_features_are_all_the_value() -> None:
    x = np.array([[[1.0, 2.0], [3.0, 3.0], [3.0, 1.0]]])
    y = k.Masking(3.0, input_shape=(3, 2)).forward(x)
    np.testing.assert_array_equal(y, [[[1, 2], [0, 0], [3, 1]]])


def test_batch_normalization_learns_running_statistics_as_keras_1() -> None:
    random = np.random.default_rng(0)
    layer = k.BatchNormalization(momentum=0.9, input_shape=(2, 3, 3))
    mean, var = np.zeros(2), np.ones(2)
    for _ in range(3):
        x = random.normal(1, 2, (4, 2, 3, 3))
        layer.forward(x)
        mean = 0.9 * mean + 0.1 * x.mean((0, 2, 3))
        var = 0.9 * var + 0.1 * x.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.get_running_mean(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.get_running_std(), var, rtol=1e-5)
    layer.evaluate()
    x = random.normal(1, 2, (4, 2, 3, 3))
    expected = ref.batch_norm(x, np.ones(2), np.zeros(2), mean, var)
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-4, atol=1e-5)
    layer.set_running_mean([1.0, 2.0])
    layer.set_running_std([4.0, 5.0])
    expected = ref.batch_norm(x, np.ones(2), np.zeros(2), np.array([1.0, 2]), np.array([4.0, 5]))
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-4, atol=1e-5)


def test_embedding_counts_from_one_where_told_and_takes_given_weights() -> None:
    table = np.arange(6.0).reshape(3, 2)
    layer = k.Embedding(3, 2, weights=[table], trainable=False, zero_based_id=False, input_length=2)
    x = np.array([[1, 3]])
    np.testing.assert_array_equal(layer.forward(x), [table[[0, 2]]])
    assert not any(p.requires_grad for p in layer.module.parameters())
    np.testing.assert_array_equal(layer.backward(x, np.ones((1, 2, 2))), [[0, 0]])
    assert layer.parameters()[layer.name()]["gradWeight"].sum() == 0


def test_starting_values_are_those_of_keras_1() -> None:
    bx.manual_seed(0)
    lstm = k.LSTM(40, input_shape=(None, 30))
    w, u, b = lstm.get_weights()
    bound = np.sqrt(6 / 70)
    assert np.abs(w).max() <= bound
    assert np.abs(w).max() > 0.95 * bound
    for gate in u.reshape(4, 40, 40):
        np.testing.assert_allclose(gate @ gate.T, np.eye(40), atol=1e-5)
    np.testing.assert_array_equal(b.reshape(4, 40).sum(1), [0, 0, 40, 0])
    (table,) = k.Embedding(100, 20, input_length=3).get_weights()
    assert 0.045 < np.abs(table).max() <= 0.05
    dense = k.Dense(50, init="normal", input_dim=60)
    assert dense.get_weights()[0].std() == pytest.approx(0.05, rel=0.05)
    assert dense.get_weights()[1].tolist() == [0.0] * 50


@pytest.mark.parametrize(
    ("name", "std"),
    [
        ("glorot_uniform", np.sqrt(2 / (40 + 60))),
        ("glorot_normal", np.sqrt(2 / (40 + 60))),
        ("he_uniform", np.sqrt(2 / 60)),
        ("he_normal", np.sqrt(2 / 60)),
        ("lecun_uniform", np.sqrt(1 / 60)),
        ("lecun_normal", np.sqrt(1 / 60)),
        ("uniform", 0.05 / np.sqrt(3)),
        ("normal", 0.05),
        ("orthogonal", 1 / np.sqrt(60)),
    ],
)
def test_initializers_have_the_deviation_of_their_formula(name: str, std: float) -> None:
    bx.manual_seed(0)
    (w, _) = k.Dense(40, init=name, input_dim=60).get_weights()
    assert w.mean() == pytest.approx(0, abs=0.2 * std)
    assert w.std() == pytest.approx(std, rel=0.06)


def test_initializers_may_be_constants_limits_and_functions() -> None:
    assert k.Dense(2, init="one", input_dim=2).get_weights()[0].tolist() == [[1, 1], [1, 1]]
    assert k.Dense(2, init="identity", input_dim=2).get_weights()[0].tolist() == [[1, 0], [0, 1]]
    own = k.Dense(2, init=lambda w: w.fill_(3.0), input_dim=2)
    assert own.get_weights()[0].tolist() == [[3, 3], [3, 3]]
    limited = k.Dense(50, init="uniform", limits=(1, 2), input_dim=50).get_weights()[0]
    assert limited.min() >= 1
    assert limited.max() < 2


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": ref.sigmoid,
    "softmax": ref.softmax,
    "linear": lambda x: x,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "hard_sigmoid": ref.hard_sigmoid,
    "relu6": lambda x: np.clip(x, 0, 6),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "softmin": lambda x: ref.softmax(-x),
    "log_sigmoid": lambda x: np.log(ref.sigmoid(x)),
    "log_softmax": lambda x: np.log(ref.softmax(x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "exp": np.exp,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_by_name(name: str) -> None:
    x = np.random.default_rng(0).normal(0, 3, (4, 5))
    y = k.Activation(name, input_shape=(5,)).forward(x)
    np.testing.assert_allclose(y, ACTIVATIONS[name](x), rtol=1e-4, atol=1e-5)


def test_activation_of_ones_own() -> None:
    y = k.Activation(lambda x: 2 * x, input_shape=(2,)).forward(np.array([1.0, 2.0]))
    assert y.tolist() == [2.0, 4.0]


def test_every_layer_of_the_package_has_a_row() -> None:
    names = {row.name.split()[0] for row in ROWS} | set(NOISE) | {"GaussianSampler", "Masking"}
    aliases = {"Conv1D", "Conv2D", "Conv3D", "Deconv2D", "SeparableConv2D", "SoftMax"}
    not_layers = {"Layer", "Variable", "Input", "InputLayer", "Recurrent", "merge"}
    assert set(k.__all__) - aliases - not_layers == names
    for alias in aliases:
        assert getattr(k, alias).__name__ not in aliases
