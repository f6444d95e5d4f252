"""The meta device: shapes without values."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext import nn
from backprop_ext.nn import functional as F

X = bx.empty(2, 3, device="meta")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 5)
        self.norm = nn.BatchNorm2d(6)
        self.last = nn.Linear(6 * 14 * 14, 10)

    def forward(self, x: bx.Tensor) -> Any:
        return self.last(F.max_pool2d(F.relu(self.norm(self.conv(x))), 2).flatten(1))


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (lambda: X, "tensor(..., device='meta', size=(2, 3))"),
        (lambda: X.double() + 1, "tensor(..., device='meta', size=(2, 3), dtype=torch.float64)"),
        (lambda: X @ X.t(), "tensor(..., device='meta', size=(2, 2))"),
        (lambda: X.new_zeros(3), "tensor(..., device='meta', size=(3,))"),
        (lambda: bx.ones(2).to("meta"), "tensor(..., device='meta', size=(2,))"),
        (lambda: bx.tensor([1.0], device="meta"), "tensor(..., device='meta', size=(1,))"),
        (lambda: bx.stack([X, X]).softmax(-1), "tensor(..., device='meta', size=(2, 2, 3))"),
        (
            lambda: nn.Linear(3, 4, device="meta").weight,
            "Parameter containing:\ntensor(..., device='meta', size=(4, 3), requires_grad=True)",
        ),
        (
            lambda: F.relu(nn.Linear(3, 4, device="meta")(X)),
            "tensor(..., device='meta', size=(2, 4), grad_fn=<ReluBackward0>)",
        ),
    ],
)
def test_it_is_printed_as_by_pytorch(made: Any, shown: str) -> None:
    assert repr(made()) == shown
    assert made().is_meta
    assert made().device == bx.device("meta")


def test_shapes_that_no_memory_would_hold() -> None:
    x = bx.rand(2**10, 3, 2**16, 2**16, device="meta")
    y = nn.Conv2d(3, 5, 2, device="meta")(x)
    assert y.shape == (2**10, 5, 2**16 - 1, 2**16 - 1)
    assert (y * 2).sum((2, 3)).shape == (2**10, 5)


def test_a_module_made_there_is_given_memory_or_values() -> None:
    with bx.device("meta"):
        net = Net()
        assert bx.ones(2, device="cpu").tolist() == [1, 1]
        assert bx.tensor([1]).is_meta
        assert not bx.tensor([1], device="cpu").is_meta
    assert net(bx.empty(8, 3, 32, 32, device="meta")).shape == (8, 10)
    assert bx.ones(2).tolist() == [1, 1]
    assert copy.deepcopy(net).conv.weight.is_meta
    with pytest.raises(NotImplementedError, match="no data"):
        net.to("cpu")
    real = Net().eval()
    net.load_state_dict(real.state_dict(), assign=True)
    images = bx.rand(2, 3, 32, 32)
    assert bx.equal(net.eval()(images), real(images))
    other = Net().to("meta")
    weight = other.conv.weight
    other.to_empty(device="cpu")
    assert type(other.conv.weight) is nn.Parameter
    assert other.conv.weight is weight
    assert other.norm.running_mean.device == bx.device("cpu")
    other.load_state_dict(real.state_dict())
    assert bx.equal(other.eval()(images), real(images))


def test_it_may_be_the_default() -> None:
    bx.set_default_device("meta")
    try:
        assert bx.ones(2).is_meta
        assert bx.get_default_device() == bx.device("meta")
        with bx.device("cpu"):
            assert bx.ones(2).tolist() == [1, 1]
    finally:
        bx.set_default_device(None)
    assert bx.ones(2).tolist() == [1, 1]


def test_no_random_numbers_are_used_up() -> None:
    bx.manual_seed(0)
    expected = bx.rand(3)
    bx.manual_seed(0)
    bx.rand(3, device="meta")
    nn.Linear(2, 2, device="meta")
    assert bx.equal(bx.rand(3), expected)


def test_gradients_are_there_too() -> None:
    layer = nn.Linear(3, 4, device="meta")
    layer(X).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.is_meta
    (g,) = bx.autograd.grad(layer(X).sum(), layer.weight)
    assert repr(g) == "tensor(..., device='meta', size=(4, 3))"


def test_checks_are_made() -> None:
    with pytest.raises(RuntimeError, match="inner dimensions"):
        X @ X
    with pytest.raises(RuntimeError, match="view"):
        X.view(7)
    with pytest.raises(TypeError, match="meta"):
        X.numpy()
    for f in (X.item, lambda: bool(X[0, 0]), lambda: float(X.sum())):
        with pytest.raises(RuntimeError, match="item"):
            f()
    for f in (X.tolist, X.cpu, X.nonzero, lambda: X.to("cpu"), lambda: X[X > 0]):
        with pytest.raises(NotImplementedError, match="no data"):
            f()


def test_the_cpu_is_as_before() -> None:
    x = bx.arange(3.0)
    with pytest.raises(NotImplementedError, match="no data"):
        x.copy_(bx.empty(3, device="meta"))
    assert type(x) is bx.Tensor
    assert not x.is_meta
    assert (x + 1).device == bx.device("cpu")
    layer = nn.utils.skip_init(nn.Linear, 2, 3)
    assert layer(bx.ones(1, 2)).shape == (1, 3)
