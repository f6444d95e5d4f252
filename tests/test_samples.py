"""Differences and counts of samples equal NumPy's, windows the ones of signal, and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.nn import functional as F

RNG = np.random.default_rng(5)
FIELD = RNG.standard_normal((4, 5))
PLACES = np.cumsum(RNG.uniform(0.5, 2, 5))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("spacing", [1.0, 0.3, PLACES], ids=["1", "0.3", "coordinates"])
def test_gradient_equals_numpys(spacing: Any, order: int) -> None:
    given = [bx.tensor(spacing)] if isinstance(spacing, np.ndarray) else spacing
    (found,) = bx.gradient(bx.tensor(FIELD), spacing=given, dim=1, edge_order=order)
    expected = np.gradient(FIELD, spacing, axis=1, edge_order=order)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_gradient_of_all_dimensions_has_a_derivative() -> None:
    t = bx.tensor(FIELD, requires_grad=True)
    for found, expected in zip(bx.gradient(t), np.gradient(FIELD), strict=True):
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-12)
    (slope,) = bx.autograd.grad(bx.gradient(t, dim=0)[0].sum(), t)
    np.testing.assert_allclose(slope.numpy()[:, 0], [-1.5, 0.5, -0.5, 1.5])


@pytest.mark.parametrize("density", [False, True])
def test_histogram_equals_numpys(density: bool) -> None:
    x, w = RNG.standard_normal(200), RNG.random(200)
    edges = np.array([-2, -0.5, 0.1, 3])
    for bins, bounds in ((7, None), (4, (-1.0, 1.5)), (edges, None)):
        given = bx.tensor(bins) if isinstance(bins, np.ndarray) else bins
        found = bx.histogram(
            bx.tensor(x), given, range=bounds, weight=bx.tensor(w), density=density
        )
        expected = np.histogram(x, bins, bounds, weights=w, density=density)
        np.testing.assert_allclose(found.hist.numpy(), expected[0], rtol=1e-12)
        np.testing.assert_allclose(found.bin_edges.numpy(), expected[1], rtol=1e-12, atol=1e-15)


def test_histogramdd_equals_numpys() -> None:
    points = RNG.standard_normal((100, 2))
    found = bx.histogramdd(bx.tensor(points), [3, 4])
    expected = np.histogramdd(points, [3, 4])
    np.testing.assert_array_equal(found.hist.numpy(), expected[0])
    for a, e in zip(found.bin_edges, expected[1], strict=True):
        np.testing.assert_allclose(a.numpy(), e, rtol=1e-12)


@pytest.mark.parametrize("name", ["hann", "hamming", "blackman", "bartlett", "kaiser"])
def test_windows_are_periodic_unless_told(name: str) -> None:
    window, symmetric = getattr(bx, f"{name}_window"), getattr(bx.signal.windows, name)
    np.testing.assert_allclose(window(6).numpy(), symmetric(7).numpy()[:-1], atol=1e-7)
    np.testing.assert_allclose(window(6, False).numpy(), symmetric(6).numpy(), atol=1e-7)


@pytest.mark.parametrize(
    ("name", "args"),
    [("relu", ()), ("leaky_relu", (0.2,)), ("elu", ()), ("celu", ()), ("selu", ()),
     ("hardtanh", (-0.5, 0.5)), ("threshold", (0.1, -3.0)), ("rrelu", ())],
)  # fmt: skip
def test_functions_that_end_in_an_underscore_write_their_input(name: str, args: Any) -> None:
    t = bx.tensor(FIELD)
    expected = getattr(F, name)(t, *args)
    assert getattr(F, f"{name}_")(t, *args) is t
    np.testing.assert_array_equal(t.numpy(), expected.numpy())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: bx.gradient(t, spacing=[1.0]), "1 spacings"),
        (lambda t: bx.gradient(t, dim=(1, -1)), "twice"),
        (lambda t: bx.gradient(t[:1], dim=0), "needs 2"),
        (lambda t: F.huber_loss(t, t, delta=0.0), "positive"),
        (lambda t: F.smooth_l1_loss(t, t, beta=-1.0), "positive"),
        (lambda t: bx.gradient(t, spacing=[bx.ones(2), bx.ones(2)]), "for 4 elements"),
        (lambda t: bx.histogram(t, 0), "0 bins"),
        (lambda t: bx.histogram(t * float("nan"), 3), "not finite"),
        (lambda t: bx.histogramdd(t, [2]), "1 bins"),
        (lambda t: bx.is_nonzero(t), "20 elements"),
    ],
)
def test_what_does_not_fit_says_so(call: Any, text: str) -> None:
    with pytest.raises(RuntimeError, match=text):
        call(bx.tensor(FIELD))


def test_one_element_is_zero_or_not() -> None:
    assert bx.is_nonzero(bx.tensor([2.0]))
    assert not bx.is_nonzero(bx.tensor(0))
    assert bx.is_same_size(bx.ones(2, 3), bx.zeros(2, 3))
    assert not bx.is_same_size(bx.ones(2, 3), bx.ones(3, 2))
