"""Poles, tails, zeros among factors, and errors: what the rows of the table cannot say."""

from __future__ import annotations

from math import inf, nan, pi
from typing import Any

import numpy as np
import pytest
from numeric import DirectionCheck, arrays

import backprop_ext as bx


def at(name: str, *values: Any) -> list[float]:
    function = getattr(bx.special, name)
    points = [[bx.tensor(float(x), dtype=bx.float64) for x in np.atleast_1d(v)] for v in values]
    return [float(function(*point)) for point in points]


@pytest.mark.parametrize(
    ("name", "points", "expected"),
    [
        ("gammaln", (1.0, 0.0, inf), (0, inf, inf)),
        ("psi", (0.0, -0.0, -2.0, inf, nan), (-inf, inf, nan, inf, nan)),
        ("erfinv", (1.0, -1.0, 1.5, 0.0), (inf, -inf, nan, 0)),
        ("ndtri", (0.0, 1.0, 0.5, -1.0), (-inf, inf, 0, nan)),
        ("erfcx", (0.0, -30.0, inf, 1e10), (1, inf, 0, 5.641895835477563e-11)),
        ("log_ndtr", (0.0, -40.0), (np.log(0.5), -804.6084420137538)),
        ("entr", (0.0, 1.0, -1.0, nan), (0, 0, -inf, nan)),
        ("sinc", (0.0, 1.0), (1, 0)),
        ("i0e", (0.0, 1e6), (1, 0.00039894233026924577)),
        ("bessel_y0", (0.0, -1.0), (-inf, nan)),
        ("modified_bessel_k0", (0.0, -1.0, 800.0), (inf, nan, 0)),
        ("spherical_bessel_j0", (0.0, 0.25, inf), (1, np.sin(0.25) / 0.25, 0)),
    ],
)
def test_limits_of_special_functions(name: str, points: Any, expected: Any) -> None:
    np.testing.assert_allclose(at(name, *points), expected, rtol=1e-13, atol=1e-15)


def test_zeta_and_logarithms_at_their_limits() -> None:
    assert at("zeta", (2.0, 1.0))[0] == pytest.approx(pi**2 / 6, rel=1e-15)
    assert at("zeta", (1.0, 2.0), (2.0, 0.0))[:2] == [inf, inf]
    assert np.isnan(at("zeta", (0.5, 2.0))[0])
    assert at("xlogy", (0.0, 0.0), (0.0, -1.0)) == [0, 0]
    assert np.isnan(at("xlogy", (0.0, nan))[0])
    assert at("gammainc", (1.0, 0.0), (1.0, inf)) == [0, 1]


def test_polygamma_and_mvlgamma_refuse_other_orders() -> None:
    with pytest.raises(RuntimeError, match=r"\[polygamma\].*-1"):
        bx.polygamma(-1, bx.ones(2))
    with pytest.raises(RuntimeError, match=r"\[mvlgamma\].*0"):
        bx.mvlgamma(bx.ones(2), 0)


ZEROS = (
    [1.5, 0.0, 2.0, -1.0],
    [0.0, 3.0, 0.0, 2.0],
    [0.0, 0.0, 0.0, 1.0],
    [2.0, -1.0, 0.5, 3.0],
)


@pytest.mark.parametrize("factors", ZEROS)
@pytest.mark.parametrize("name", ["prod", "cumprod"])
def test_products_have_derivatives_where_factors_are_zero(name: str, factors: Any) -> None:
    def function(x: bx.Tensor) -> bx.Tensor:
        return x.prod(1) if name == "prod" else x.cumprod(1)

    check = DirectionCheck(function, [np.array([factors, factors[::-1]])])
    check.first()
    check.second()


def test_derivative_of_a_whole_product() -> None:
    x = bx.tensor([[2.0, 0.0], [3.0, 4.0]], requires_grad=True)
    (g,) = bx.autograd.grad(x.prod(), x, create_graph=True)
    np.testing.assert_array_equal(arrays(g)[0], [[0, 24], [0, 0]])
    (h,) = bx.autograd.grad(g.sum(), x)
    np.testing.assert_array_equal(arrays(h)[0], [[12, 26], [8, 6]])


def test_scans_are_the_same_for_any_number_of_threads() -> None:
    x = bx.randn(300, 500)
    before = bx.get_num_threads()
    results = []
    try:
        for threads in (1, 3):
            bx.set_num_threads(threads)
            results.append([f(0).numpy().tobytes() for f in (x.cumsum, x.cumprod, x.logcumsumexp)])
    finally:
        bx.set_num_threads(before)
    assert results[0] == results[1]


def test_scan_of_floats_is_summed_in_double() -> None:
    x = bx.full((100_000,), 0.1)
    assert float(x.cumsum(0)[-1]) == pytest.approx(10_000, rel=1e-7)


def test_logcumsumexp_of_nothing_is_nothing() -> None:
    x = bx.tensor([-inf, -inf, 0.0, 1.0, inf], dtype=bx.float64)
    y = x.logcumsumexp(0).numpy()
    np.testing.assert_allclose(y, [-inf, -inf, 0, np.log1p(np.e), inf])
    assert np.isnan(bx.tensor([0.0, nan, 1.0]).logcumsumexp(0).numpy()).tolist() == [
        False,
        True,
        True,
    ]


def test_running_extremes_name_the_last_of_equals_and_keep_nan() -> None:
    values, indices = bx.tensor([1.0, 3.0, 3.0, 2.0, nan, 5.0]).cummax(0)
    np.testing.assert_array_equal(values.numpy(), [1, 3, 3, 3, nan, nan])
    assert indices.tolist() == [0, 1, 2, 2, 4, 4]
    assert bx.tensor([2, 1, 1]).cummin(0).indices.tolist() == [0, 1, 2]


def test_tensor_bounds_share_no_gradient() -> None:
    x = bx.tensor([1.0, 2.0, 3.0], requires_grad=True)
    low = bx.tensor([1.0, 2.5, 0.0], requires_grad=True)
    high = bx.tensor([4.0, 4.0, 2.0], requires_grad=True)
    x.clamp(low, high).sum().backward()
    assert [t.grad.tolist() for t in (x, low, high) if t.grad is not None] == [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
    ]


def test_powers_and_derivatives_of_digamma_in_place() -> None:
    x = bx.tensor([1.0, 2.0], dtype=bx.float64)
    assert x.clone().float_power_(2).tolist() == [1, 4]
    assert x.clone().polygamma_(1)[0].item() == pytest.approx(pi**2 / 6)
    assert x.clone().igamma_(x).tolist() == bx.igamma(x, x).tolist()
    assert x.clone().igammac_(x).tolist() == bx.igammac(x, x).tolist()
    with pytest.raises(RuntimeError, match=r"\[float_power_\].*float32"):
        bx.ones(2).float_power_(2)


def test_methods_name_their_tensor_first() -> None:
    x = bx.tensor([1.0, -2.0])
    assert x.where(x > 0, 0.0).tolist() == [1, 0]
    assert x.abs().polygamma(1).tolist() == bx.polygamma(1, x.abs()).tolist()


def test_comparisons_of_whole_tensors() -> None:
    a = bx.tensor([1.0, nan])
    assert not bx.equal(a, a)
    assert bx.equal(bx.ones(2), bx.ones(2))
    assert not bx.equal(bx.ones(2), bx.ones(3))
    assert bx.allclose(a, a + 1e-9, equal_nan=True)
    assert not bx.allclose(a, a)
    assert bx.isclose(bx.tensor([inf, inf]), bx.tensor([inf, -inf])).tolist() == [True, False]
    with pytest.raises(RuntimeError, match=r"\[isclose\].*float32.*int64"):
        bx.isclose(bx.ones(2), bx.ones(2, dtype=bx.int64))


def test_division_rounds_as_told() -> None:
    a, b = bx.tensor([7, -7]), bx.tensor([2, 2])
    assert a.div(b, rounding_mode="trunc").tolist() == [3, -3]
    assert a.div(b, rounding_mode="floor").tolist() == [3, -4]
    assert a.div(b, rounding_mode=None).tolist() == [3.5, -3.5]
    with pytest.raises(RuntimeError, match=r"\[div\].*'up'"):
        a.div(b, rounding_mode="up")
    with pytest.raises(RuntimeError, match="division by zero"):
        a.div(bx.tensor([0, 1]), rounding_mode="trunc")


def test_shifts_gcd_and_lcm_of_integers() -> None:
    a = bx.tensor([1, -8, 12], dtype=bx.int32)
    assert (a << 2).tolist() == [4, -32, 48]
    assert (a >> 1).tolist() == [0, -4, 6]
    assert (a >> 40).tolist() == [0, -1, 0]
    assert (a << 40).tolist() == [0, 0, 0]
    assert bx.gcd(a, bx.tensor(8)).tolist() == [1, 8, 4]
    assert bx.lcm(a, bx.tensor(-3)).tolist() == [3, 24, 12]


def test_frexp_undoes_ldexp() -> None:
    x = bx.tensor([0.0, 3.0, -0.1, inf])
    mantissa, exponent = x.frexp()
    assert exponent.dtype == bx.int32
    np.testing.assert_array_equal(bx.ldexp(mantissa, exponent).numpy(), x.numpy())


def test_replaced_numbers_have_no_gradient() -> None:
    x = bx.tensor([nan, inf, -inf, 2.0], requires_grad=True)
    y = x.nan_to_num(nan=7.0, neginf=-1.0)
    y.sum().backward()
    np.testing.assert_array_equal(y.detach().numpy(), [7, np.finfo(np.float32).max, -1, 2])
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 0, 1]


def test_several_quantiles_come_first_and_nan_is_last() -> None:
    x = bx.tensor([[3.0, 1.0, nan], [2.0, 4.0, 6.0]], dtype=bx.float64)
    q = bx.tensor([0.0, 0.5, 1.0], dtype=bx.float64)
    np.testing.assert_array_equal(x.quantile(q, 1).numpy(), [[nan, 2], [nan, 4], [nan, 6]])
    np.testing.assert_array_equal(x.nanquantile(q, 1).numpy(), [[1, 2], [2, 4], [3, 6]])
    assert tuple(x.nanquantile(q, 1, keepdim=True).shape) == (3, 2, 1)
    assert tuple(x.quantile(q, keepdim=True).shape) == (3, 1, 1)
    with pytest.raises(RuntimeError, match=r"\[quantile\].*1.5"):
        x.quantile(1.5)
    with pytest.raises(RuntimeError, match=r"\[quantile\].*'best'"):
        x.quantile(0.5, interpolation="best")


def test_counts_of_bins_and_numbers_refuse_what_makes_no_sense() -> None:
    with pytest.raises(RuntimeError, match=r"\[bincount\].*-1"):
        bx.bincount(bx.tensor([1, -1]))
    with pytest.raises(RuntimeError, match=r"\[histc\].*0"):
        bx.histc(bx.ones(3), 0)
    with pytest.raises(RuntimeError, match=r"\[cdist\]"):
        bx.cdist(bx.ones(2, 3), bx.ones(2, 4))
