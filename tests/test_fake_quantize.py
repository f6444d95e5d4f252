"""Values rounded to a few levels, with a gradient that goes straight through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import backprop_ext as bx


def test_levels_are_rounded_clamped_and_scaled_back() -> None:
    x = bx.tensor([0.26, -0.34, 5.0, 0.375], requires_grad=True)
    y = bx.fake_quantize_per_tensor_affine(x, 0.25, 2, 0, 7)
    assert y.tolist() == [0.25, -0.25, 1.25, 0.5]
    (y * bx.arange(1.0, 5.0)).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 0.0, 4.0]


def test_each_channel_has_a_scale_of_its_own() -> None:
    x = bx.tensor([[1.3, 1.3], [-9.0, 0.2]])
    scale, zero = bx.tensor([0.5, 1.0]), bx.zeros(2, dtype=bx.int32)
    y = bx.fake_quantize_per_channel_affine(x, scale, zero, 1, -4, 3)
    assert y.tolist() == [[1.5, 1.0], [-2.0, 0.0]]
    assert not y.requires_grad


def test_settings_that_do_not_fit_are_told() -> None:
    x = bx.ones(2, 2)
    with pytest.raises(RuntimeError, match=r"quant_min=5 is above quant_max=1"):
        bx.fake_quantize_per_tensor_affine(x, 0.1, 0, 5, 1)
    with pytest.raises(RuntimeError, match=r"is invalid for input of size 3"):
        bx.fake_quantize_per_channel_affine(x, bx.ones(3), bx.zeros(3), 0, 0, 1)


def test_both_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).normal(0, 2, (6, 5)).astype(np.float32)
    found = []
    for lib in (bx, torch):
        x: Any = lib.tensor(values, requires_grad=True)
        scale, zero = lib.linspace(0.05, 0.4, 5), lib.arange(5, dtype=lib.int32) - 2
        y = lib.fake_quantize_per_tensor_affine(x, 0.15, 3, 0, 15)
        z = lib.fake_quantize_per_channel_affine(x, scale, zero, 1, -8, 7)
        (y * 2 + z).sum().backward()
        found.append([t.detach().numpy() for t in (y, z, x.grad)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
