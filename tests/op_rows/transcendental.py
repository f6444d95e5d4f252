"""Exponentials, logarithms, angles, rounding, and the activation functions."""

from __future__ import annotations

from math import erf, erfc, sqrt
from typing import Any

import numpy as np

from .row import Case, Real, Row, pointwise

WIDE = Real(low=-3, high=3, whole=(-3, 3))
POSITIVE = Real(low=0.2, high=4, whole=(1, 9))
UNIT = Real(low=-0.9, high=0.9, whole=(0, 0))
ROUNDED = Real(low=-3, high=3, avoid=tuple(k / 2 for k in range(-6, 7)), whole=(-3, 3))

_erf = np.vectorize(erf, otypes=[np.float64])
_erfc = np.vectorize(erfc, otypes=[np.float64])


def _float(name: str, reference: Any, maker: Real, **options: Any) -> Row:
    options = {"inplace": True, "whole_result": "float32", "rtol": 2e-6, **options}
    return pointwise(name, reference, maker, **options)


def _round(name: str, reference: Any, **options: Any) -> Row:
    return pointwise(name, reference, ROUNDED, inplace=True, order=1, **options)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    return np.where(x * beta > threshold, x, np.log1p(np.exp(beta * x)) / beta)


def _elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(x))


def _celu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(x / alpha))


def _selu(x: Any) -> Any:
    return 1.0507009873554805 * _elu(x, 1.6732632423543772)


def _gelu(x: Any, approximate: str = "none") -> Any:
    if approximate == "none":
        return x * 0.5 * (1 + _erf(x / sqrt(2)))
    return 0.5 * x * (1 + np.tanh(sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _shrink(x: Any, lambd: float = 0.5) -> Any:
    return np.sign(x) * np.maximum(np.abs(x) - lambd, 0)


def _hardshrink(x: Any, lambd: float = 0.5) -> Any:
    return np.where(np.abs(x) > lambd, x, 0.0)


def _nn(name: str, reference: Any, *kinks: float, **options: Any) -> Row:
    calls = options.pop("kwargs", ({},))
    maker = Real(low=-4, high=4, avoid=kinks)
    return pointwise("nn." + name, reference, maker, kwargs=calls, rtol=3e-6, **options)


def _both(name: str, reference: Any, *kinks: float, **options: Any) -> list[Row]:
    """An activation that is both a function of the module and of nn.functional."""
    calls = options.pop("kwargs", ({},))
    maker = Real(low=-4, high=4, avoid=kinks)
    return [
        pointwise("nn." + name, reference, maker, kwargs=calls, rtol=3e-6, **options),
        pointwise(name, reference, maker, kwargs=calls, rtol=3e-6, inplace=True, **options),
    ]


ROWS = [
    _float("exp", np.exp, WIDE),
    _float("exp2", np.exp2, WIDE),
    _float("expm1", np.expm1, WIDE),
    _float("log", np.log, POSITIVE),
    _float("log2", np.log2, POSITIVE),
    _float("log10", np.log10, POSITIVE),
    _float("log1p", np.log1p, Real(low=-0.7, high=4, whole=(0, 9))),
    _float("sin", np.sin, WIDE),
    _float("cos", np.cos, WIDE),
    _float("tan", np.tan, Real(low=-1.2, high=1.2, whole=(-1, 1))),
    _float("asin", np.arcsin, UNIT, aliases=("arcsin",)),
    _float("acos", np.arccos, UNIT, aliases=("arccos",)),
    _float("atan", np.arctan, WIDE, aliases=("arctan",)),
    _float("sinh", np.sinh, WIDE),
    _float("cosh", np.cosh, WIDE),
    _float("tanh", np.tanh, WIDE),
    _float("asinh", np.arcsinh, WIDE, aliases=("arcsinh",)),
    _float("acosh", np.arccosh, Real(low=1.2, high=4, whole=(1, 9)), aliases=("arccosh",)),
    _float("atanh", np.arctanh, UNIT, aliases=("arctanh",)),
    _float("sigmoid", _sigmoid, WIDE),
    _float("erf", _erf, WIDE),
    _float("erfc", _erfc, WIDE, rtol=1e-5),
    _round("floor", np.floor),
    _round("ceil", np.ceil),
    _round("round", np.round),
    _round("trunc", np.trunc, aliases=("fix",)),
    pointwise("frac", lambda x: x - np.trunc(x), Real(avoid=tuple(range(-3, 4))), inplace=True),
    pointwise("relu", lambda x: np.maximum(x, 0), Real(avoid=(0,), whole=(-9, 9)), inplace=True),
    _nn(
        "leaky_relu",
        lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
        0,
        kwargs=({}, {"negative_slope": 0.2}),
    ),
    _nn("elu", _elu, 0, kwargs=({}, {"alpha": 0.5})),
    *_both("celu", _celu, 0, kwargs=({}, {"alpha": 0.5})),
    *_both("selu", _selu, 0),
    _nn("silu", lambda x: x * _sigmoid(x)),
    _nn("mish", lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    _nn("softplus", _softplus, kwargs=({}, {"beta": 2.0, "threshold": 3.0})),
    _nn("logsigmoid", lambda x: -np.log1p(np.exp(-x))),
    _nn(
        "hardtanh",
        lambda x, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val),
        -1,
        1,
        -0.5,
        2.5,
        kwargs=({}, {"min_val": -0.5, "max_val": 2.5}),
    ),
    _nn("relu6", lambda x: np.clip(x, 0, 6), 0, 6),
    # PyTorch multiplies by a float32 1/6, also in float64.
    _nn("hardsigmoid", lambda x: np.clip(x + 3, 0, 6) / 6, -3, 3, torch_rtol=1e-7),
    _nn("hardswish", lambda x: x * np.clip(x + 3, 0, 6) / 6, -3, 3),
    _nn("softsign", lambda x: x / (1 + np.abs(x)), 0),
    _nn("tanhshrink", lambda x: x - np.tanh(x)),
    _nn("softshrink", _shrink, -0.5, 0.5, 1.5, -1.5, kwargs=({}, {"lambd": 1.5})),
    *_both("hardshrink", _hardshrink, -0.5, 0.5, 1.5, -1.5, kwargs=({}, {"lambd": 1.5})),
    *_both(
        "threshold",
        lambda x, threshold, value: np.where(x > threshold, x, value),
        0.3,
        kwargs=({"threshold": 0.3, "value": -7.0},),
    ),
    Row(
        "nn.gelu",
        tuple(
            Case(c.args, extra)
            for c in pointwise("", None, Real(low=-4, high=4)).cases
            for extra in ({}, {"approximate": "tanh"})
        ),
        _gelu,
        pointwise=True,
        rtol=1e-5,
    ),
]
