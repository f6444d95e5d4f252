"""Relative errors of functions over the whole range of their inputs, in float32 and float64."""

from __future__ import annotations

from math import erf, erfc
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

POINTS = 20_000
WIDE = (1e-30, 1e30)

# Name, range (positive: logarithmic, else linear), allowed error in units of the type's epsilon,
# and "absolute" where results near 0 are differences of larger numbers.
TABLE: list[tuple[str, tuple[float, float], float, str]] = [
    ("exp", (-86.0, 88.0), 2, "relative"),
    ("exp2", (-125.0, 127.0), 2, "relative"),
    ("expm1", (-20.0, 88.0), 3.5, "relative"),
    ("expm1", (1e-30, 1.0), 3.5, "relative"),
    ("log", WIDE, 2, "relative"),
    ("log2", WIDE, 2, "relative"),
    ("log10", WIDE, 2, "relative"),
    ("log1p", WIDE, 2.5, "relative"),
    ("sqrt", WIDE, 0.51, "relative"),
    ("rsqrt", WIDE, 2, "relative"),
    ("reciprocal", WIDE, 0.51, "relative"),
    ("sin", (-1000.0, 1000.0), 2, "absolute"),
    ("cos", (-1000.0, 1000.0), 2, "absolute"),
    ("tan", (-1.5, 1.5), 2, "relative"),
    ("asin", (-1.0, 1.0), 2, "relative"),
    ("acos", (-1.0, 0.99), 2, "relative"),
    ("atan", WIDE, 2, "relative"),
    ("sinh", (1e-30, 80.0), 2, "relative"),
    ("cosh", (-80.0, 80.0), 2, "relative"),
    ("tanh", (1e-30, 40.0), 2, "relative"),
    ("asinh", WIDE, 2, "relative"),
    ("acosh", (1.01, 1e15), 2, "relative"),
    ("atanh", (1e-30, 0.99), 2, "relative"),
    ("sigmoid", (-80.0, 80.0), 2.5, "relative"),
    ("erf", (1e-30, 6.0), 2, "relative"),
    ("erfc", (-5.0, 9.0), 3, "relative"),
]


def ndtr(x: Any) -> Any:
    """The normal distribution function."""
    return 0.5 * np.vectorize(erfc, otypes=[np.float64])(-x * np.sqrt(0.5))


REFERENCES: dict[str, Any] = {
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "sigmoid": lambda x: np.where(x < 0, np.exp(x) / (1 + np.exp(x)), 1 / (1 + np.exp(-x))),
    "erf": np.vectorize(erf, otypes=[np.float64]),
    "erfc": np.vectorize(erfc, otypes=[np.float64]),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "limits", "allowed", "kind"), TABLE, ids=range(len(TABLE)))
def test_error_stays_within_some_units_in_the_last_place(
    name: str, limits: tuple[float, float], allowed: float, kind: str, dtype: Any
) -> None:
    spaced = np.geomspace if limits[0] > 0 else np.linspace
    x = spaced(*limits, POINTS).astype(dtype)
    # float64's own reference is NumPy in long double, where that is longer.
    wide = x.astype(np.float64 if dtype == np.float32 else np.longdouble)
    if name in ("erf", "erfc"):  # known in float64 only
        wide = x.astype(np.float64)
    expected = REFERENCES.get(name, getattr(np, name, None))(wide)
    found = getattr(bx, name)(bx.tensor(x)).numpy().astype(wide.dtype)
    size = np.abs(expected) if kind == "relative" else 1
    error = np.max(np.abs(found - expected) / size) / np.finfo(dtype).eps
    assert error <= allowed


def ulp(y: Any) -> Any:
    """The distance of float32 numbers around y."""
    _, exponent = np.frexp(y)
    return np.ldexp(1.0, np.maximum(exponent - 24, -149))


def every_kind_of_float32() -> Any:
    """Finite numbers all over the bit patterns: both signs, denormals, huge ones."""
    x = np.arange(0, 1 << 32, 16411, dtype=np.uint64).astype(np.uint32).view(np.float32)
    return x[np.isfinite(x)]


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sigmoid", "erf"])
def test_float32_is_within_two_ulp_of_every_kind_of_number(name: str) -> None:
    x = every_kind_of_float32()
    if name == "log":
        x = x[x > 0]
    found = getattr(bx, name)(bx.tensor(x)).numpy()
    with np.errstate(over="ignore", invalid="ignore"):
        expected = REFERENCES.get(name, getattr(np, name, None))(x.astype(np.float64))
        inexact = found != expected.astype(np.float32)  # infinities are equal
    found, expected = found[inexact], expected[inexact]
    assert np.all(np.abs(found - expected) <= 2 * ulp(expected))


def test_gelu_is_within_its_documented_error() -> None:
    x = every_kind_of_float32()
    x = x[np.abs(x) < 1e12]  # a cube is formed
    wide = x.astype(np.float64)
    error = np.abs(bx.nn.functional.gelu(bx.tensor(x)).numpy() - wide * ndtr(wide))
    assert np.all(error <= 3 * ulp(wide / 2))  # 1 + erf cancels where x is negative

    u = 2 * np.sqrt(2 / np.pi) * (wide + 0.044715 * wide**3)
    expected = wide * REFERENCES["sigmoid"](np.clip(u, -700, 700))
    found = bx.nn.functional.gelu(bx.tensor(x), approximate="tanh").numpy()
    condition = np.maximum(1, np.abs(u))  # what the rounding of u alone does
    assert np.all(np.abs(found - expected) <= 3 * condition * ulp(expected))


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "erf"])
def test_float32_at_the_ends_and_at_zero(name: str) -> None:
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-45, -1e-45], np.float32)
    found = getattr(bx, name)(bx.tensor(x)).numpy()
    expected = REFERENCES.get(name, np.tanh)(np.clip(x.astype(np.float64), -700, 700))
    np.testing.assert_allclose(found, expected.astype(np.float32), rtol=0, atol=1.5e-45)
    assert np.array_equal(np.signbit(found[3:]), np.signbit(expected[3:]))
