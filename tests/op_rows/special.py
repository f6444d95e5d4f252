"""Gamma functions, the normal distribution, and logarithms that know their limits.

The references are series, integrals and Python's own functions.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from .row import Real, Row, case, pointwise, row

POSITIVE = Real(low=0.3, high=4, whole=(1, 9))
_erfc = np.vectorize(math.erfc, otypes=[np.float64])
_lgamma = np.vectorize(math.lgamma, otypes=[np.float64])
_ndtri = np.vectorize(NormalDist().inv_cdf, otypes=[np.float64])


def _float(name: str, reference: Any, *makers: Real, **options: Any) -> Row:
    options = {"inplace": True, "whole_result": "float32", "rtol": 3e-6, **options}
    return pointwise(name, reference, *makers, **options)


def _special(name: str, reference: Any, *makers: Real, **options: Any) -> Row:
    return _float("special." + name, reference, *makers, inplace=False, **options)


def zeta(s: Any, q: Any) -> Any:
    """Hurwitz' zeta function: thirty terms, then Euler and Maclaurin."""
    s, q = np.asarray(s, float), np.asarray(q, float)
    end = q + 30
    total = sum((q + k) ** -s for k in range(30))
    total += end ** (1 - s) / (s - 1) + 0.5 * end**-s + s / 12 * end ** (-s - 1)
    return total - s * (s + 1) * (s + 2) / 720 * end ** (-s - 3)


def _digamma(x: Any) -> Any:
    end = np.asarray(x, float) + 30
    total = np.log(end) - 0.5 / end - 1 / (12 * end**2) + 1 / (120 * end**4) - 1 / (252 * end**6)
    return total - sum(1 / (np.asarray(x, float) + k) for k in range(30))


def _polygamma(n: int, x: Any) -> Any:
    if n == 0:
        return _digamma(x)
    return (-1) ** (n + 1) * math.factorial(n) * zeta(n + 1, x)


def _mvlgamma(x: Any, p: int) -> Any:
    return p * (p - 1) / 4 * math.log(math.pi) + sum(_lgamma(x - j / 2) for j in range(p))


def _igamma(a: Any, x: Any) -> Any:
    u, w = np.polynomial.legendre.leggauss(120)
    u, w = (u + 1) / 2, w / 2
    a, x = np.broadcast_arrays(np.asarray(a, float), np.asarray(x, float))
    t = x[..., None] * u**8
    parts = t ** (a[..., None] - 1) * np.exp(-t) * 8 * x[..., None] * u**7
    return parts @ w / np.exp(_lgamma(a))


def _xlogy(x: Any, y: Any) -> Any:
    return x * np.log(y)


_TWO = (POSITIVE, POSITIVE)
_INCOMPLETE: dict[str, Any] = {
    "order": 0,
    "torch": False,
    "inplace": False,
    "rtol": 1e-5,
    "whole_dtypes": (),
}

ROWS = [
    _float("lgamma", _lgamma, Real(low=-0.9, high=5, avoid=(0,), whole=(1, 9))),
    # PyTorch's second derivative of lgamma has ten digits.
    _float(
        "digamma",
        _digamma,
        Real(low=-0.9, high=5, avoid=(0,), whole=(1, 9)),
        rtol=1e-5,
        torch_rtol=1e-8,
    ),
    row(
        "polygamma",
        lambda n, x: _polygamma(n, x) if isinstance(n, int) else _polygamma(x, n),
        *[case(n, Real((3, 4), 0.3, 4)) for n in range(5)],
        rtol=1e-5,
        torch_rtol=1e-8,
    ),
    *[Row(name, (), None, order=0) for name in ("polygamma_", "igamma_", "igammac_")],
    row(
        "mvlgamma",
        _mvlgamma,
        case(Real((3, 4), 2.2, 6), 3),
        case(Real((3, 4), 0.3, 4), 1),
        inplace=True,
        rtol=1e-5,
    ),
    _float("igamma", _igamma, *_TWO, **_INCOMPLETE),
    _float("igammac", lambda a, x: 1 - _igamma(a, x), *_TWO, **_INCOMPLETE),
    _special("zeta", zeta, Real(low=1.5, high=6), Real(low=0.3, high=4), order=0, torch=False),
    _float("erfinv", lambda x: _ndtri((x + 1) / 2) / math.sqrt(2), Real(low=-0.95, high=0.95)),
    _special("erfcx", lambda x: np.exp(x * x) * _erfc(x), Real(low=-2, high=4), rtol=1e-5),
    _special("ndtr", lambda x: 0.5 * _erfc(-x / math.sqrt(2)), Real(low=-4, high=4)),
    _special("log_ndtr", lambda x: np.log(0.5 * _erfc(-x / math.sqrt(2))), Real(low=-4, high=4)),
    _special("ndtri", _ndtri, Real(low=0.05, high=0.95)),
    _float("xlogy", _xlogy, Real(), POSITIVE),
    _special("xlog1py", lambda x, y: x * np.log1p(y), Real(), Real(low=-0.7, high=4)),
    _special("entr", lambda x: -x * np.log(x), POSITIVE),
    _float("sinc", np.sinc, Real(low=-3, high=3, avoid=(0,)), rtol=1e-5),
]
