"""Copies lie in memory as the format says, or as what they copy: strides are PyTorch's."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

ROWS, LAST = (60, 20, 5, 1), (60, 1, 15, 3)
# Of x (2, 3, 4, 5), row-major, and c, the same with the channels last: the strides of a result.
STRIDES: dict[str, tuple[int, ...]] = {
    "c": LAST,
    "x.clone(memory_format=torch.channels_last)": LAST,
    "x.clone(memory_format=torch.preserve_format)": ROWS,
    "x.clone(memory_format=None)": ROWS,
    "c.clone()": LAST,
    "c.clone(memory_format=torch.contiguous_format)": ROWS,
    "c.contiguous()": ROWS,
    "c.contiguous(memory_format=torch.channels_last)": LAST,
    "x.to(memory_format=torch.channels_last)": LAST,
    "c.to(memory_format=torch.contiguous_format)": ROWS,
    "x.to(torch.float64, memory_format=torch.channels_last)": LAST,
    "c.to(torch.float64)": LAST,
    "c.to(torch.float32, copy=True)": LAST,
    "c.double()": LAST,
    "c.type_as(x.double())": LAST,
    "c.double(memory_format=torch.contiguous_format)": ROWS,
    "x.long(memory_format=torch.channels_last)": LAST,
    "x.cpu(memory_format=torch.channels_last)": LAST,
    "c + x": LAST,
    "c.relu()": LAST,
    "torch.zeros_like(c)": LAST,
    "torch.ones_like(x, memory_format=torch.channels_last)": LAST,
    "torch.full_like(c, 2)": LAST,
    "torch.full_like(c, 2, memory_format=torch.contiguous_format)": ROWS,
    "torch.empty_like(x, memory_format=torch.channels_last)": LAST,
    "torch.rand_like(x, memory_format=torch.channels_last)": LAST,
    "torch.randn_like(c)": LAST,
    "torch.randint_like(c, 3)": LAST,
    "torch.empty(2, 3, 4, 5, memory_format=torch.channels_last)": LAST,
    "torch.empty((2, 3, 4, 5))": ROWS,
    "x[0, 0].t().clone()": (1, 5),
    "x[0, 0].t().double()": (1, 5),
    "x.transpose(1, 2).to(torch.float64)": (60, 5, 20, 1),
    "x[..., ::2].clone()": (36, 12, 3, 1),
    "x[:1, :1].expand(2, 3, 4, 5).clone()": ROWS,
    "x[:, :1].contiguous(memory_format=torch.channels_last)": (20, 1, 5, 1),
    "torch.ones(3, 1, 1, 1).clone(memory_format=torch.channels_last)": (1, 1, 1, 1),
    "torch.ones(1, 2, 3, 4, 5).to(memory_format=torch.channels_last_3d)": (120, 1, 40, 10, 2),
    "nn.Conv2d(3, 2, 4).to(memory_format=torch.channels_last).weight": (48, 1, 12, 3),
    "nn.Conv2d(3, 2, 4).to(torch.float64, memory_format=torch.channels_last).weight": (
        48,
        1,
        12,
        3,
    ),
    "copy.deepcopy(c)": LAST,
    "c.flip(0, 2)": LAST,
    "x.transpose(1, 2).flip(3)": (60, 5, 20, 1),
    "c.sort(1).values": LAST,
    "c.sort(dim=0, stable=True).indices": LAST,
    "x[0, 0].t().sort(0).values": (1, 5),
}


def run(lib: Any, text: str) -> Any:
    x = lib.arange(120.0).reshape(2, 3, 4, 5)
    scope = {"torch": lib, "nn": lib.nn, "copy": copy, "x": x}
    return eval(text, scope | {"c": x.contiguous(memory_format=lib.channels_last)})


@pytest.mark.parametrize("text", STRIDES)
def test_strides_are_the_recorded_ones(text: str) -> None:
    assert run(bx, text).stride() == STRIDES[text]


@pytest.mark.parametrize("text", STRIDES)
def test_recorded_strides_and_values_are_pytorchs(text: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = run(bx, text), run(torch, text)
    assert theirs.stride() == STRIDES[text]
    for name in ("contiguous_format", "channels_last", "channels_last_3d"):
        lies = ours.is_contiguous(memory_format=getattr(bx, name))
        assert lies == theirs.is_contiguous(memory_format=getattr(torch, name))
    if "rand" not in text and "empty" not in text and "nn." not in text:
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_formats_are_told_apart() -> None:
    x = bx.arange(120.0).reshape(2, 3, 4, 5)
    c = x.clone(memory_format=bx.channels_last)
    assert (x.is_contiguous(), c.is_contiguous()) == (True, False)
    assert not x.is_contiguous(memory_format=bx.channels_last)
    assert c.is_contiguous(memory_format=bx.channels_last)
    assert not x[0].is_contiguous(memory_format=bx.channels_last)
    assert c.contiguous(memory_format=bx.channels_last) is c
    assert c.to(memory_format=bx.channels_last) is c
    assert c.layout is bx.strided
    for name in ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d"):
        wanted = getattr(bx, name)
        assert pickle.loads(pickle.dumps(wanted)) is wanted
        assert repr(wanted) == f"torch.{name}"
        assert isinstance(wanted, bx.memory_format)


def test_gradients_flow_through_copies_in_a_format() -> None:
    x = bx.rand(2, 3, 4, 5, requires_grad=True)
    g = bx.arange(120.0).reshape(2, 3, 4, 5)
    for made in (
        x.clone(memory_format=bx.channels_last),
        x.contiguous(memory_format=bx.channels_last),
        x.to(memory_format=bx.channels_last),
        x.double(memory_format=bx.channels_last),
    ):
        assert made.grad_fn is not None
        (found,) = bx.autograd.grad((made * g).sum(), x)
        assert found.tolist() == g.tolist()
        assert found.dtype == bx.float32


def test_a_format_of_another_number_of_dimensions_is_an_error() -> None:
    x = bx.ones(2, 3)
    for call in (
        lambda: x.clone(memory_format=bx.channels_last),
        lambda: x.contiguous(memory_format=bx.channels_last_3d),
        lambda: bx.empty(2, 3, memory_format=bx.channels_last),
        lambda: bx.zeros_like(x, memory_format=bx.channels_last),
    ):
        with pytest.raises(RuntimeError, match=r"channels_last.* of a tensor of shape \(2, 3\)"):
            call()
    with pytest.raises(RuntimeError, match="preserve_format"):
        bx.empty(2, 3, memory_format=bx.preserve_format)


def test_layers_take_what_lies_in_a_format() -> None:
    bx.manual_seed(0)
    net = bx.nn.Sequential(bx.nn.Conv2d(3, 4, 3), bx.nn.BatchNorm2d(4), bx.nn.MaxPool2d(2))
    x = bx.rand(2, 3, 8, 8)
    expected = net(x).tolist()
    net.to(memory_format=bx.channels_last)
    np.testing.assert_allclose(
        net(x.to(memory_format=bx.channels_last)).tolist(), expected, rtol=1e-5, atol=1e-6
    )
