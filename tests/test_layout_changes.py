"""Shapes changed in place, leaves frozen late, derivatives that are none: never a wrong number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.nn import functional as F


def _leaf(*shape: int) -> bx.Tensor:
    bx.manual_seed(0)
    return bx.randn(*shape, dtype=bx.float64, requires_grad=True)


def test_gradients_of_two_shapes_do_not_meet() -> None:
    x = _leaf(1, 4)
    before = x * 3
    with bx.no_grad():
        x.squeeze_()
    after = x * 2
    with pytest.raises(RuntimeError, match=r"\[backward\]"):
        (before.sum() + after.sum()).backward()
    assert x.grad is None
    (x * 2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full(4, 2.0))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.unsqueeze_(0),
        lambda t: t.t_(),
        lambda t: t.transpose_(0, 1),
        lambda t: t.squeeze_(),
    ],
)
@pytest.mark.parametrize("mode", [bx.no_grad, bx.enable_grad])
def test_a_result_reshaped_in_place_keeps_its_way_back(change: Any, mode: Any) -> None:
    x = _leaf(3, 4)
    y = x * 2
    early = y.sum()
    with mode():
        change(y)
    (early + (y * y).sum()).backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), 2 + 8 * x.detach().numpy())


def _resized(t: bx.Tensor) -> None:
    t.resize_(50, 50)


def _other_data(t: bx.Tensor) -> None:
    t.data = bx.ones(100_000, dtype=t.dtype)


def _squeezed(t: bx.Tensor) -> None:
    t.unsqueeze_(0)


def _written_out(t: bx.Tensor) -> None:
    t.resize_(0)
    bx.add(bx.ones(300), 1.0, out=t)


@pytest.mark.parametrize("change", [_resized, _other_data, _squeezed, _written_out])
@pytest.mark.parametrize(
    "use",
    [
        lambda w, t: w * t,
        lambda w, t: w @ t,
        lambda w, t: F.linear(w, t),
        lambda w, t: bx.where(t > 0, w, t),
        lambda w, t: bx.minimum(w, t),
    ],
)
def test_what_was_kept_in_another_layout_is_not_read(use: Any, change: Any) -> None:
    w = bx.ones(3, 3, requires_grad=True)
    kept = bx.ones(3, 3)
    loss = use(w, kept).sum()
    change(kept)
    refused = ""
    try:
        loss.backward()
    except RuntimeError as error:
        refused = str(error)
    if refused:
        assert refused.startswith("[backward]")
        assert w.grad is None
    else:  # the derivative needs other values than those
        assert w.grad is not None
        assert w.grad.shape == w.shape


def test_a_result_takes_no_data_of_another_shape() -> None:
    y = _leaf(3) * 2
    with pytest.raises(RuntimeError, match=r"\[data\].*\(3,\).*\(5,\).*detach"):
        y.data = bx.ones(5, dtype=bx.float64)
    y.data = bx.ones(3, dtype=bx.float64)
    y.sum().backward()


def test_data_of_another_shape_beside_an_old_gradient() -> None:
    p = bx.nn.Parameter(bx.ones(3))
    (p * 2).sum().backward()
    p.data = bx.ones(5)
    with pytest.raises(RuntimeError, match="gradient"):
        bx.optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match=r"\[add\]|\[backward\]"):
        (p * 2).sum().backward()
    p.grad = None
    (p * 2).sum().backward()
    np.testing.assert_array_equal(p.grad.numpy(), np.full(5, 2.0))  # type: ignore[attr-defined]


@pytest.mark.parametrize("freeze", [lambda t: t.requires_grad_(False), lambda t: t.detach_()])
def test_a_leaf_frozen_after_its_use_gets_no_gradient(freeze: Any) -> None:
    x, w = _leaf(3), _leaf(3)
    loss = (x * w).sum()
    freeze(w)
    loss.backward()
    assert w.grad is None
    np.testing.assert_array_equal(x.grad.numpy(), w.detach().numpy())  # type: ignore[union-attr]


UNDERIVABLE: dict[str, Callable[[Any], Any]] = {
    "floor_divide": lambda x: x // 2,
    "floor_divide, the divisor": lambda x: 2 // x,
    "heaviside": lambda x: bx.heaviside(x, x),
    "igamma": lambda x: bx.igamma(x, bx.ones(3, dtype=bx.float64)),
    "unique": lambda x: x.unique(),
    "unique_consecutive": lambda x: x.unique_consecutive(return_counts=True)[0],
}


@pytest.mark.parametrize("name", UNDERIVABLE)
def test_a_derivative_that_is_none_is_an_error_and_no_zero(name: str) -> None:
    y = UNDERIVABLE[name](_leaf(3).abs() + 1)
    assert y.requires_grad
    with pytest.raises(RuntimeError, match=r"derivative.*not implemented"):
        y.sum().backward()


KINKED = ["relu", "leaky_relu", "relu6", "hardtanh", "hardsigmoid", "hardshrink", "softshrink"]


@pytest.mark.parametrize("name", [*KINKED, "abs"])
def test_second_derivatives_of_straight_pieces_are_zero(name: str) -> None:
    x = _leaf(5)
    function = bx.abs if name == "abs" else getattr(F, name)
    (slope,) = bx.autograd.grad(function(x).sum(), x, create_graph=True)
    assert slope.requires_grad
    (second,) = bx.autograd.grad(slope.sum(), x)
    np.testing.assert_array_equal(second.numpy(), np.zeros(5))


def test_the_only_row_of_a_batch_is_written_with_an_operator() -> None:
    x = bx.arange(4.0)[None].clone()
    x[:, 0] *= 2
    x[:, 1:2] += 1
    x[..., None][:, 3] *= 3
    np.testing.assert_array_equal(x.numpy(), [[0, 2, 2, 9]])
    y = bx.ones(1, 1, 4)
    y[:, 0] *= 2
    y[...] = y[0]
    np.testing.assert_array_equal(y.numpy(), np.full((1, 1, 4), 2.0))


def test_a_bound_written_in_place_has_its_gradient() -> None:
    low = bx.tensor([0.0, 2.0], dtype=bx.float64, requires_grad=True)
    x = bx.ones(2, dtype=bx.float64)
    x.clamp_(low)
    (x * x).sum().backward()
    np.testing.assert_array_equal(low.grad.numpy(), [0.0, 4.0])  # type: ignore[union-attr]
    scale = bx.tensor([3.0], dtype=bx.float64, requires_grad=True)
    single = bx.full((2,), 5.0)
    single.mul_(scale)  # computed in float64, written in float32
    single.sum().backward()
    np.testing.assert_array_equal(scale.grad.numpy(), [10.0])  # type: ignore[union-attr]


def test_tensors_of_one_shape_are_broadcast_as_they_are() -> None:
    a, b = bx.ones(2, 3), bx.ones(3)
    same, wider = bx.broadcast_tensors(a, b)
    assert same is a
    assert wider.shape == (2, 3)
