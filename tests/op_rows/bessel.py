"""Bessel functions, by their integrals, and orthogonal polynomials, by NumPy's series."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre

from .row import Real, Row, Whole, case, pointwise, row

CIRCLE = np.linspace(0, 2 * np.pi, 64, endpoint=False)
HALF, HALF_WEIGHTS = np.polynomial.legendre.leggauss(100)
HALF, HALF_WEIGHTS = (HALF + 1) * np.pi / 2, HALF_WEIGHTS / 2  # the mean over [0, pi]
TAIL = np.linspace(-8, 8, 641)
ANY = Real(low=-4, high=4)
POSITIVE = Real(low=0.3, high=6)


def _bessel(name: str, reference: Any, maker: Real, **options: Any) -> Row:
    options = {"rtol": 3e-6, "torch": False, **options}
    return pointwise(name, lambda x: reference(np.asarray(x, float)[..., None]), maker, **options)


def _y(order: int, x: Any) -> Any:
    """A mean over half a circle less an integral over a half line."""
    t = HALF / np.pi * 8  # 0 to 8, where the integrand has vanished
    tail = 2 * np.sinh(t) ** order * np.exp(-x * np.sinh(t))
    mean = np.sin(x * np.sin(HALF) - order * HALF)
    return (mean - tail * 8 / np.pi) @ HALF_WEIGHTS


def _k(order: int, x: Any, scaled: bool = False) -> Any:
    exponent = -x * (np.cosh(TAIL) - scaled)
    return np.sum(np.exp(exponent) * np.cosh(order * TAIL), -1) * (TAIL[1] - TAIL[0]) / 2


def _i0(x: Any) -> Any:
    return np.exp(x * np.cos(CIRCLE)).mean(-1)


def _i1(x: Any) -> Any:
    return (np.exp(x * np.cos(CIRCLE)) * np.cos(CIRCLE)).mean(-1)


def _polynomial(name: str, series: Any) -> Row:
    def reference(x: Any, n: Any) -> Any:
        values = [series(x, np.eye(8)[k]) for k in range(8)]
        return np.choose(n, np.broadcast_arrays(*values, subok=True)) if n.ndim else values[int(n)]

    return row(
        f"special.{name}",
        reference,
        case(Real((3, 4)), Whole((3, 4), 0, 7)),
        case(Real((5,), -0.99, 0.99), Whole((), 0, 7)),
        order=0,
        rtol=1e-5,
        torch=False,
    )


def _second_kind(x: Any, c: Any) -> Any:
    """U_n as the derivative of T_{n+1}."""
    return chebyshev.chebval(x, chebyshev.chebder([0, *(c / np.arange(1, 9))]))


def _third_kind(sign: int) -> Any:
    """V_n = U_n - U_{n-1}, W_n = U_n + U_{n-1}."""

    def value(x: Any, c: Any) -> Any:
        return _second_kind(x, c) + sign * _second_kind(x, np.roll(c, -1) * (c[0] == 0))

    return value


def _shifted(series: Any) -> Any:
    return lambda x, c: series(2 * x - 1, c)


CHEBYSHEV = {
    "t": chebyshev.chebval,
    "u": _second_kind,
    "v": _third_kind(-1),
    "w": _third_kind(1),
}

ROWS = [
    _bessel("i0", _i0, ANY, inplace=True, torch=True),
    _bessel("special.i0e", lambda x: _i0(x) * np.exp(-abs(x[..., 0])), ANY, torch=True),
    _bessel("special.i1", _i1, ANY, torch=True),
    _bessel("special.i1e", lambda x: _i1(x) * np.exp(-abs(x[..., 0])), ANY, torch=True),
    _bessel("special.modified_bessel_i0", _i0, ANY),
    _bessel("special.modified_bessel_i1", _i1, ANY),
    _bessel("special.bessel_j0", lambda x: np.cos(x * np.sin(CIRCLE)).mean(-1), ANY),
    _bessel("special.bessel_j1", lambda x: np.cos(CIRCLE - x * np.sin(CIRCLE)).mean(-1), ANY),
    _bessel("special.bessel_y0", lambda x: _y(0, x), POSITIVE),
    _bessel("special.bessel_y1", lambda x: _y(1, x), POSITIVE),
    _bessel("special.modified_bessel_k0", lambda x: _k(0, x), POSITIVE),
    _bessel("special.modified_bessel_k1", lambda x: _k(1, x), POSITIVE),
    _bessel("special.scaled_modified_bessel_k0", lambda x: _k(0, x, True), POSITIVE),
    _bessel("special.scaled_modified_bessel_k1", lambda x: _k(1, x, True), POSITIVE),
    pointwise(
        "special.spherical_bessel_j0",
        lambda x: np.sinc(x / np.pi),
        Real(low=-4, high=4, avoid=(0,)),
        torch=False,
    ),
    *[_polynomial(f"chebyshev_polynomial_{k}", f) for k, f in CHEBYSHEV.items()],
    *[_polynomial(f"shifted_chebyshev_polynomial_{k}", _shifted(f)) for k, f in CHEBYSHEV.items()],
    _polynomial("hermite_polynomial_h", hermite.hermval),
    _polynomial("hermite_polynomial_he", hermite_e.hermeval),
    _polynomial("laguerre_polynomial_l", laguerre.lagval),
    _polynomial("legendre_polynomial_p", legendre.legval),
]
