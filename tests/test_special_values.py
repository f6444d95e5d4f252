"""NaN, infinities, zeros, denormals and kinks: the recorded answers of PyTorch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from op_table import TABLE

import backprop_ext as bx

F = bx.nn.functional
DATA = Path(__file__).parent / "data"

# Where the sign of a zero is part of the definition.
SIGNED_ZEROS = {"neg", "abs", "square", "reciprocal", "add", "sub", "mul", "div", "rsqrt"}
TINY = 1.2e-38  # what is smaller may be flushed to zero


def blocks(name: str, lines: int) -> list[list[str]]:
    """The rows of a data file: a name, and `lines` lines under it."""
    text = [s for s in (DATA / name).read_text().splitlines() if not s.startswith("#")]
    return [[s.strip() for s in text[i : i + lines + 1]] for i in range(0, len(text), lines + 1)]


def function(name: str) -> Any:
    """What a name of the table stands for."""
    if name.startswith("pow "):
        exponent = float(name[4:])
        return lambda x: x ** (int(exponent) if exponent.is_integer() else exponent)
    if name.startswith("rpow "):
        return lambda x: float(name[5:]) ** x
    special = {
        "clamp": partial(bx.clamp, min=-1.0, max=2.0),
        "nn.gelu tanh": partial(F.gelu, approximate="tanh"),
        "nn.threshold": partial(F.threshold, threshold=0.5, value=-7.0),
    }
    if name in special:
        return special[name]
    if name.startswith("nn.") and (name.endswith("_loss") or "entropy" in name):
        return partial(getattr(F, name[3:]), reduction="none")
    return getattr(F, name[3:]) if name.startswith("nn.") else getattr(bx, name)


def numbers(text: str) -> Any:
    return np.array([float(s) for s in text.split()], np.float32)


def check(name: str, what: str, at: str, actual: bx.Tensor, expected: str) -> None:
    got, want = actual.detach().numpy().astype(np.float32), numbers(expected)
    with np.errstate(invalid="ignore"):
        close = (got == want) | (np.abs(got - want) <= TINY + 3e-6 * np.abs(want))
    at_infinity = np.array(["inf" in place for place in at.split()])
    close = np.where(at_infinity, got == want, close)
    close |= np.isnan(got) & np.isnan(want)
    if name in SIGNED_ZEROS and what == "result":
        close &= (want != 0) | (np.signbit(got) == np.signbit(want))
    wrong = [
        f"at {place}: {g}, PyTorch {w}"
        for place, g, w, ok in zip(at.split(), got, want, close, strict=True)
        if not ok
    ]
    assert not wrong, f"{name}, {what}: {'; '.join(wrong)}"


UNARY = blocks("special_unary.txt", 3)
BINARY = blocks("special_binary.txt", 4)


@pytest.mark.parametrize(("name", "at", "result", "slope"), UNARY, ids=[b[0] for b in UNARY])
def test_function_of_one_input_at_special_values(
    name: str, at: str, result: str, slope: str
) -> None:
    x = bx.tensor(numbers(at), requires_grad=True)
    y = function(name)(x)
    check(name, "result", at, y, result)
    assert y.requires_grad == (slope != "-")
    if y.requires_grad:
        y.sum().backward()
        check(name, "gradient", at, x.grad, slope)


@pytest.mark.parametrize(("name", "at", "result", "da", "db"), BINARY, ids=[b[0] for b in BINARY])
def test_function_of_two_inputs_at_special_values(
    name: str, at: str, result: str, da: str, db: str
) -> None:
    pairs = [pair.split(",") for pair in at.split()]
    a = bx.tensor(numbers(" ".join(p[0] for p in pairs)), requires_grad=True)
    b = bx.tensor(numbers(" ".join(p[1] for p in pairs)), requires_grad=db != "-")
    y = function(name)(a, b)
    check(name, "result", at, y, result)
    if da != "-":
        y.sum().backward()
        check(name, "gradient to the first", at, a.grad, da)
    if db != "-":
        check(name, "gradient to the second", at, b.grad, db)


EXACT = [
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "atan", "sinh", "cosh", "tanh",
    "asinh", "acosh", "asin", "acos", "atanh", "sigmoid", "erf", "erfc", "sqrt", "rsqrt",
    "reciprocal", "abs", "sign", "floor", "ceil", "trunc", "round", "square", "relu",
]  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_float64_at_special_values_equals_numpy(name: str) -> None:
    row = next(row for row in TABLE if row.name == name)
    inf, nan = np.inf, np.nan
    x = np.array([nan, inf, -inf, 0.0, -0.0, 5e-324, 1e-310, -1e-310, 1e308, -1e308, 1.0, -1.0])
    x = np.append(x, [700.0, -700.0, 708.5, -708.0, 710.5, -745.0, -800.0, 1e-20, -1e-20])
    with np.errstate(all="ignore"):
        want = np.where(np.isnan(x) & (name == "sign"), 0.0, row.reference(x))
    got = getattr(bx, name)(bx.tensor(x)).numpy()
    finite = np.isfinite(want) & (want != 0) & np.isfinite(x)
    edge = ~finite & ~(np.abs(x) < 2e-308)
    np.testing.assert_array_equal(got[edge], want[edge])
    np.testing.assert_allclose(got[finite], want[finite], rtol=2e-14, atol=3e-308)


def test_gradient_at_ties_and_bounds_is_pytorchs() -> None:
    x = bx.tensor([3.0, 1.0, 3.0, 3.0], requires_grad=True)
    for reduce in (bx.max, bx.amax):
        (g,) = bx.autograd.grad(reduce(x), x)
        np.testing.assert_allclose(g.numpy(), [1 / 3, 0, 1 / 3, 1 / 3], rtol=1e-6)
    values, indices = x.max(0)
    assert indices.item() == 0  # the first of the largest
    (g,) = bx.autograd.grad(values, x)
    assert g.tolist() == [1, 0, 0, 0]
    m = bx.tensor([[1.0, 2.0], [1.0, 0.0]], requires_grad=True)
    (g,) = bx.autograd.grad(m.amax(0).sum(), m)
    assert g.tolist() == [[0.5, 1.0], [0.5, 0.0]]
    (g,) = bx.autograd.grad(bx.clamp(x, 1.0, 3.0).sum(), x)
    assert g.tolist() == [1, 1, 1, 1]  # the bounds belong to the inside
    (g,) = bx.autograd.grad(F.hardtanh(x, 1.0, 3.0).sum(), x)
    assert g.tolist() == [0, 0, 0, 0]  # of hardtanh they do not


def test_gradient_of_a_product_with_zeros_is_the_product_of_the_others() -> None:
    for values, slopes in (
        ([2.0, 0.0, 3.0], [0.0, 6.0, 0.0]),
        ([2.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ([0.0], [1.0]),
    ):
        x = bx.tensor(values, requires_grad=True)
        x.prod().backward()
        assert x.grad.tolist() == slopes
    m = bx.tensor([[2.0, 0.0], [5.0, 3.0]], requires_grad=True)
    m.prod(1).sum().backward()
    assert m.grad.tolist() == [[0.0, 2.0], [3.0, 5.0]]


def test_norms_and_deviations_of_zeros_have_gradient_zero() -> None:
    reductions = [lambda x, p=p: x.norm(p) for p in (0, 1, 2, 3, 0.5, np.inf, -np.inf)]
    for reduce in (*reductions, lambda x: x.std(), lambda x: x.var()):
        x = bx.zeros(3, requires_grad=True)
        reduce(x).backward()
        assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_masked_branch_gives_zero_and_not_nan() -> None:
    x = bx.tensor([0.0, 4.0, -1.0], requires_grad=True)
    (g,) = bx.autograd.grad(bx.where(x > 0, x, 0.0).sqrt().sum(), x)
    assert g[1].item() == 0.25
    inf = bx.tensor([float("inf"), 1.0], requires_grad=True)
    y = bx.where(bx.tensor([False, True]), inf * 2, 0.0)
    y.sum().backward()
    assert y.tolist() == [0.0, 2.0]
    assert inf.grad.tolist() == [0.0, 2.0]
    masked = bx.tensor([1.0, float("nan")], requires_grad=True)
    filled = masked.masked_fill(masked != masked, 0.0)
    filled.sum().backward()
    assert masked.grad.tolist() == [1.0, 0.0]


def test_reductions_of_nothing_and_of_nan() -> None:
    nothing = bx.zeros(0)
    assert nothing.sum().item() == 0
    assert nothing.prod().item() == 1
    assert np.isnan(nothing.mean().item())
    assert nothing.all().item() is True
    assert nothing.any().item() is False
    holed = bx.tensor([1.0, float("nan"), 3.0])
    for reduce in (bx.max, bx.min, bx.sum, bx.mean, bx.amax, bx.amin):
        assert np.isnan(reduce(holed).item())
    assert holed.argmax().item() == 1  # NaN counts as the largest, and as the smallest
    assert holed.argmin().item() == 1
    one = bx.tensor([2.0])
    with pytest.warns(UserWarning, match=r"\[var\] no degrees of freedom"):
        assert np.isnan(one.var().item())
    assert one.var(correction=0).item() == 0


def test_softmax_and_logsumexp_survive_large_and_infinite_inputs() -> None:
    inf = float("inf")
    x = bx.tensor([1000.0, 1000.0, -inf])
    np.testing.assert_allclose(bx.softmax(x, 0).numpy(), [0.5, 0.5, 0.0])
    np.testing.assert_allclose(bx.log_softmax(x, 0).numpy(), [-np.log(2), -np.log(2), -inf])
    np.testing.assert_allclose(bx.logsumexp(x, 0).item(), 1000 + np.log(2), rtol=1e-6)
    assert bx.logsumexp(bx.tensor([-inf, -inf]), 0).item() == -inf
    assert bx.logsumexp(bx.tensor([inf, 1.0]), 0).item() == inf
    assert np.isnan(bx.softmax(bx.tensor([-inf, -inf]), 0).numpy()).all()


def test_variance_of_a_large_mean_keeps_its_digits() -> None:
    x = bx.tensor(np.array([1, 2, 3, 4], np.float32) + np.float32(1e6))
    np.testing.assert_allclose(x.var().item(), 5 / 3, rtol=1e-6)
