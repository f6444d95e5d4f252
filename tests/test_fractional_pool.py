"""Maxima of windows at drawn places, against loops over them; and a layer that is its own loss."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import nn
from backprop_ext.autograd import gradcheck
from backprop_ext.nn import functional as F


def _begins(sample: float, size: int, window: int, out: int) -> list[int]:
    if out == 1:
        return [size - window]
    step = (size - window) / (out - 1)
    return [int((i + sample) * step) - int(sample * step) for i in range(out - 1)] + [size - window]


def _by_loops(x: Any, samples: Any, windows: Any, outs: Any) -> tuple[Any, Any]:
    """Values and places; the last dimension has the first sample of two."""
    dims = len(windows)
    order = (1, 0) if dims == 2 else (0, 1, 2)
    values = np.empty((*x.shape[:2], *outs), x.dtype)
    places = np.empty(values.shape, np.int64)
    for n, c in np.ndindex(*x.shape[:2]):
        begins = [
            _begins(samples[n, c, order[d]], x.shape[2 + d], windows[d], outs[d])
            for d in range(dims)
        ]
        for at in np.ndindex(*outs):
            corner = [begins[d][at[d]] for d in range(dims)]
            cells = itertools.product(
                *(range(b, b + w) for b, w in zip(corner, windows, strict=True))
            )
            best = max(cells, key=lambda cell: x[(n, c, *cell)])
            values[(n, c, *at)] = x[(n, c, *best)]
            places[(n, c, *at)] = np.ravel_multi_index(best, x.shape[2:])
    return values, places


@pytest.mark.parametrize(
    ("shape", "windows", "outs"),
    [
        ((2, 3, 7, 9), (2, 3), (4, 5)),
        ((1, 2, 5, 6), (2, 2), (1, 5)),
        ((2, 2, 5, 6, 7), (2, 3, 2), (3, 2, 6)),
    ],
)
def test_windows_begin_at_the_drawn_places(shape: Any, windows: Any, outs: Any) -> None:
    bx.manual_seed(0)
    x, dims = bx.randn(*shape, dtype=bx.float64), len(windows)
    samples = bx.rand(*shape[:2], dims, dtype=bx.float64)
    pool = getattr(F, f"fractional_max_pool{dims}d")
    values, places = pool(x, windows, outs, return_indices=True, _random_samples=samples)
    want, where = _by_loops(x.numpy(), samples.numpy(), windows, outs)
    np.testing.assert_array_equal(values.numpy(), want)
    np.testing.assert_array_equal(places.numpy(), where)
    alone = pool(x[0], windows, outs, _random_samples=samples[:1])
    np.testing.assert_array_equal(alone.numpy(), want[0])
    x.requires_grad_()
    assert gradcheck(lambda x: pool(x, windows, outs, _random_samples=samples), x)


def test_layers_draw_anew_and_take_ratios() -> None:
    x = bx.randn(2, 3, 20, 20)
    layer = nn.FractionalMaxPool2d(3, output_ratio=(0.5, 0.7))
    bx.manual_seed(1)
    first, second = layer(x), layer(x)
    assert first.shape == (2, 3, 10, 14)
    assert not first.equal(second)
    bx.manual_seed(1)
    assert layer(x).equal(first)
    values, places = nn.FractionalMaxPool3d(2, 2, return_indices=True)(bx.randn(1, 1, 4, 4, 4))
    assert values.shape == places.shape == (1, 1, 2, 2, 2)
    assert repr(layer) == "FractionalMaxPool2d()"


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (ValueError, lambda x: F.fractional_max_pool2d(x, 2)),
        (RuntimeError, lambda x: F.fractional_max_pool2d(x, 2, 5)),
        (RuntimeError, lambda x: F.fractional_max_pool2d(x, 6, 2)),
        (RuntimeError, lambda x: F.fractional_max_pool2d(x, (2, 2, 2), 2)),
        (RuntimeError, lambda x: F.fractional_max_pool2d(x, 2, (2,))),
        (ValueError, lambda x: F.fractional_max_pool2d(x, 2, output_ratio=(0.5, 0.5, 0.5))),
        (RuntimeError, lambda x: F.fractional_max_pool3d(x[0, 0], 2, 2)),
        (
            RuntimeError,
            lambda x: F.fractional_max_pool2d(x, 2, 2, _random_samples=bx.rand(2, 3, 3)),
        ),
        (ValueError, lambda _: nn.FractionalMaxPool2d(2)),
        (ValueError, lambda _: nn.FractionalMaxPool2d(2, 2, 0.5)),
        (ValueError, lambda _: nn.FractionalMaxPool3d(2, output_ratio=1.5)),
    ],
)
def test_sizes_that_do_not_fit(error: type[Exception], call: Any) -> None:
    with pytest.raises(error, match=r"^\[[Ff]ractional"):
        call(bx.randn(2, 3, 5, 5))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("more", [(), (3, 2)])
def test_a_layer_that_is_its_own_loss(more: tuple[int, ...], bias: bool) -> None:
    bx.manual_seed(0)
    loss = nn.LinearCrossEntropyLoss(5, 4, out_features=more, bias=bias, label_smoothing=0.1)
    x, target = bx.randn(6, 5), bx.randint(0, 4, (6, *more))
    logits = loss.linear(x).view(6, 4, *more)
    want = F.cross_entropy(logits, target, label_smoothing=0.1)
    assert loss(x, target).item() == pytest.approx(want.item(), rel=1e-6)
    got = bx.autograd.grad(loss(x, target), loss.linear.weight)[0]
    np.testing.assert_allclose(
        got.numpy(), bx.autograd.grad(want, loss.linear.weight)[0].numpy(), rtol=1e-5, atol=1e-7
    )


def test_linear_cross_entropy_refuses_what_does_not_fit() -> None:
    w, x = bx.randn(4, 5), bx.randn(6, 5)
    target = bx.randint(0, 4, (6,))
    for call in (
        lambda: F.linear_cross_entropy(x[:, :3], w, target),
        lambda: F.linear_cross_entropy(x, w[0], target),
        lambda: F.linear_cross_entropy(x, w, target, linear_bias=bx.ones(3)),
        lambda: F.linear_cross_entropy(x, w, bx.ones(6, 4), ignore_index=2),
        lambda: F.linear_cross_entropy(x[0], w.view(2, 2, 5), target),
    ):
        with pytest.raises(RuntimeError, match=r"^\[linear_cross_entropy\]"):
            call()
    with pytest.raises(RuntimeError, match=r"a number per class"):
        nn.LinearCrossEntropyLoss(5, 4, weight=bx.ones(3))
