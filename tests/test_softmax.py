"""Softmax, its logarithm and the negative log likelihood over a dimension in the middle, whose
elements lie apart, against NumPy and against the same over the last one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import Tensor, capture
from backprop_ext.nn import functional as F

SHAPES = [
    (1, 1, 1),
    (2, 3, 1),
    (3, 1, 5),
    (2, 5, 16),
    (1, 7, 17),
    (4, 2, 64),
    (2, 33, 65),
    (2, 4, 3, 70),
]


def _numpy_softmax(x: np.ndarray, log: bool) -> np.ndarray:
    shifted = x - x.max(1, keepdims=True)
    total = np.exp(shifted).sum(1, keepdims=True)
    return shifted - np.log(total) if log else np.exp(shifted) / total


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [bx.float32, bx.float64], ids=str)
@pytest.mark.parametrize("log", [False, True], ids=["softmax", "log_softmax"])
def test_over_the_second_dimension(shape: tuple[int, ...], dtype: bx.dtype, log: bool) -> None:
    bx.manual_seed(0)
    function: Callable[..., Tensor] = bx.log_softmax if log else bx.softmax
    x = bx.randn(shape, dtype=dtype) * 4
    x.requires_grad_()
    tolerance = 2e-6 if dtype == bx.float32 else 1e-14
    y = function(x, 1)
    np.testing.assert_allclose(
        y.detach().numpy(), _numpy_softmax(x.detach().numpy(), log), rtol=0, atol=4 * tolerance
    )
    g = bx.randn(shape, dtype=dtype)
    (found,) = bx.autograd.grad(y, x, g)
    last = function(x.transpose(1, -1), -1).transpose(1, -1)
    (expected,) = bx.autograd.grad(last, x, g)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0, atol=16 * tolerance)
    written = capture(lambda x: function(x, 1))
    written(x.detach())
    assert written(x.detach()).numpy().tobytes() == y.detach().numpy().tobytes()


def test_a_column_with_infinities_and_nan() -> None:
    inf, nan = float("inf"), float("nan")
    x = bx.tensor([[[0.0, inf, nan, -inf], [1.0, 0.0, 0.0, -inf]]])
    rows = bx.softmax(x.transpose(1, 2).contiguous(), -1).transpose(1, 2)
    np.testing.assert_array_equal(bx.softmax(x, 1).numpy(), rows.numpy())


@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_likelihood_of_pixels(shape: tuple[int, ...], reduction: str) -> None:
    """That of rows: the pixels of all images one below the other."""
    bx.manual_seed(1)
    classes = shape[1]
    x = bx.randn(shape, dtype=bx.float64, requires_grad=True)
    target = bx.randint(0, classes, (shape[0], *shape[2:]))
    target.view(-1)[0] = -100
    weight = bx.rand(classes, dtype=bx.float64) + 0.5
    found = F.cross_entropy(x, target, weight, reduction=reduction)
    rows = x.movedim(1, -1).reshape(-1, classes)
    expected = F.cross_entropy(rows, target.reshape(-1), weight, reduction=reduction)
    np.testing.assert_allclose(
        found.detach().numpy().reshape(-1), expected.detach().numpy().reshape(-1), rtol=1e-12
    )
    if classes > 1:
        (a,) = bx.autograd.grad(found.sum(), x)
        (b,) = bx.autograd.grad(expected.sum(), x)
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-14)
    if x.numel() < 200:
        assert bx.autograd.gradgradcheck(
            lambda x: F.nll_loss(x, target, weight, reduction=reduction),
            x.detach().requires_grad_(),
        )
