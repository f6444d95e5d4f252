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
    ("exp", (-86.0, 88.0), 3, "relative"),
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
    ("tanh", (1e-30, 40.0), 4, "relative"),
    ("asinh", WIDE, 2, "relative"),
    ("acosh", (1.01, 1e15), 2, "relative"),
    ("atanh", (1e-30, 0.99), 2, "relative"),
    ("sigmoid", (-80.0, 80.0), 4, "relative"),
    ("erf", (1e-30, 6.0), 4, "relative"),
    ("erfc", (-5.0, 9.0), 3, "relative"),
]

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
