"""The explicit passes of backprop_ext.keras against PyTorch: outputs and all gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.keras import layers as k

torch = pytest.importorskip("torch")
F = torch.nn.functional
IMAGE, LINE = (3, 4, 7, 6), (3, 8, 4)


def last(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function for channels first, on channels last."""
    return lambda x, *w: function(x.movedim(-1, 1), *w).movedim(1, -1)


def gates(w: Any, order: tuple[int, ...]) -> Any:
    return torch.cat([w.chunk(len(order))[place] for place in order])


def recurrent(mode: str, order: tuple[int, ...]) -> Callable[..., Any]:
    """PyTorch's layer, its gates put into the order of ours; one of its two biases is 0."""

    def run(x: Any, w: Any, u: Any, b: Any) -> Any:
        weights = [gates(w, order), gates(u, order), gates(b, order), torch.zeros_like(b)]
        h = torch.zeros(1, len(x), u.shape[1])
        state = (h, h) if mode == "lstm" else h
        function = getattr(torch._VF, mode)
        return function(x, state, weights, True, 1, 0.0, True, False, True)[0]

    return run


ROWS: dict[str, tuple[Callable[[], Any], tuple[int, ...], Callable[..., Any]]] = {
    "Dense": (
        lambda: k.Dense(3, activation="relu"),
        (4, 5),
        lambda x, w, b: F.linear(x, w, b).relu(),
    ),
    "Convolution1D": (
        lambda: k.Convolution1D(5, 3, subsample_length=2),
        LINE,
        last(lambda x, w, b: F.conv1d(x, w, b, stride=2)),
    ),
    "Convolution2D same": (
        lambda: k.Convolution2D(5, 3, 3, border_mode="same"),
        IMAGE,
        lambda x, w, b: F.conv2d(x, w, b, padding="same"),
    ),
    "Convolution2D tf": (
        lambda: k.Convolution2D(5, 3, 2, subsample=(2, 1), dim_ordering="tf"),
        (3, 7, 6, 4),
        last(lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1))),
    ),
    "AtrousConvolution2D": (
        lambda: k.AtrousConvolution2D(5, 2, 2, atrous_rate=(3, 2)),
        IMAGE,
        lambda x, w, b: F.conv2d(x, w, b, dilation=(3, 2)),
    ),
    "Convolution3D": (lambda: k.Convolution3D(3, 2, 2, 2), (2, 2, 4, 3, 3), F.conv3d),
    "Deconvolution2D": (
        lambda: k.Deconvolution2D(5, 3, 2, subsample=(2, 3)),
        IMAGE,
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride=(2, 3)),
    ),
    "SeparableConvolution2D": (
        lambda: k.SeparableConvolution2D(5, 3, 2, depth_multiplier=2),
        IMAGE,
        lambda x, d, p, b: F.conv2d(F.conv2d(x, d, groups=4), p, b),
    ),
    "MaxPooling2D": (
        lambda: k.MaxPooling2D((3, 2), strides=(2, 2)),
        IMAGE,
        lambda x: F.max_pool2d(x, (3, 2), (2, 2)),
    ),
    "AveragePooling2D same": (
        lambda: k.AveragePooling2D((3, 3), strides=(1, 1), border_mode="same"),
        IMAGE,
        lambda x: F.avg_pool2d(x, 3, 1, padding=1, count_include_pad=False),
    ),
    "BatchNormalization": (
        lambda: k.BatchNormalization(),
        IMAGE,
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True, 0.0, 1e-3),
    ),
    "LRN2D": (
        lambda: k.LRN2D(0.5, 2.0, n=3),
        IMAGE,
        lambda x: F.local_response_norm(x, 3, 0.5, 0.75, 2.0),
    ),
    "ResizeBilinear": (
        lambda: k.ResizeBilinear(5, 9),
        IMAGE,
        lambda x: F.interpolate(x, (5, 9), mode="bilinear"),
    ),
    "SimpleRNN": (
        lambda: k.SimpleRNN(3, return_sequences=True),
        LINE,
        recurrent("rnn_tanh", (0,)),
    ),
    "LSTM": (
        lambda: k.LSTM(3, inner_activation="sigmoid", return_sequences=True),
        LINE,
        recurrent("lstm", (0, 2, 1, 3)),
    ),
    "PReLU": (lambda: k.PReLU(4), IMAGE, F.prelu),
    "ELU": (lambda: k.ELU(0.7), IMAGE, lambda x: F.elu(x, 0.7)),
    "Merge cos": (
        lambda: k.Lambda(lambda x: k.Merge(mode="cos").compute(x[:, 0], x[:, 1])),
        (3, 2, 5),
        lambda x: F.cosine_similarity(x[:, 0], x[:, 1]).reshape(-1, 1, 1),
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_forward_and_backward_are_pytorchs(name: str) -> None:
    make, shape, function = ROWS[name]
    bx.manual_seed(0)
    random = np.random.default_rng(0)
    layer = make()
    layer.build((None, *shape[1:]))
    layer.set_weights([random.normal(0, 0.5, w.shape) for w in layer.get_weights()])
    x = random.normal(size=shape).astype(np.float32)
    leaf = torch.tensor(x, requires_grad=True)
    weights = [torch.tensor(w, requires_grad=True) for w in layer.get_weights()]
    expected = function(leaf, *weights)
    g = random.normal(size=tuple(expected.shape)).astype(np.float32)
    expected.backward(torch.tensor(g))

    y = layer.forward(x)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    dx = layer.backward(x, g)
    np.testing.assert_allclose(dx, leaf.grad.numpy(), rtol=1e-3, atol=1e-5)
    table = next(iter(layer.parameters().values()), {})
    grads = [v for n, v in table.items() if n.startswith("grad")]
    for grad, weight in zip(grads, weights, strict=True):
        np.testing.assert_allclose(grad, weight.grad.numpy(), rtol=1e-3, atol=1e-4)
