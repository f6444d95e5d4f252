"""Draws that are rejections, one number after the other, as PyTorch makes them on the CPU.

Derivatives of a draw x with distribution function F(x; a) are implicit: x moves so that F stays,
dx/da = -(dF/da) / p(x). dF/da is a difference of fourth order of F in float64.
Source: Figurnov, Mohamed and Mnih, Implicit Reparameterization Gradients, NeurIPS 2018.
"""

from __future__ import annotations

from math import ceil, floor, lgamma, log, log1p, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._core import Tensor
from .._switches import finfo
from ..autograd.function import Function, once_differentiable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["_sample_dirichlet", "_standard_gamma", "binomial"]

# PyTorch's constants are float32 numbers; with them the draws are the same.
_THIRD = float(np.float32(1) / np.float32(3))
_SQUEEZE = float(np.float32(0.0331))


def _uniform(generator: Any = None) -> float:
    return float(_core.rand((), dtype=_core.float64, generator=generator))


def _normal() -> float:
    return float(_core.randn((), dtype=_core.float64))


def _gamma(a: float) -> float:
    """A draw from x^(a-1) e^-x / Gamma(a). Source: Marsaglia and Tsang, TOMS 26 (2000)."""
    scale = 1.0
    if a < 1:
        if a == 0:
            return 0.0
        scale = (1 - _uniform()) ** (1 / a)
        a += 1
    d = a - _THIRD
    c = 1 / sqrt(9 * d)
    while True:
        x = _normal()
        y = 1 + c * x
        if y <= 0:
            continue
        v = y * y * y
        u = 1 - _uniform()
        if u < 1 - _SQUEEZE * x**4 or log(u) < 0.5 * x * x + d * (1 - v + log(v)):
            return scale * d * v


def _gammas(a: Tensor) -> Array:
    if not a.is_floating_point():
        raise NotImplementedError(f"[gamma] not implemented for {a.dtype}; pass floats")
    smallest = finfo(_core.float64).tiny
    return np.reshape([max(_gamma(v), smallest) for v in a.double().flatten().tolist()], a.shape)


class _StandardGamma(Function):
    @staticmethod
    def forward(ctx: Any, concentration: Tensor) -> Tensor:
        x = _core.tensor(_gammas(concentration)).to(concentration.dtype)
        x = x.clamp(min=finfo(x.dtype).tiny)
        ctx.save_for_backward(concentration, x)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        a, x = ctx.saved_tensors
        scaled: Tensor = grad * gamma_slope(a, x)
        return scaled


class _Dirichlet(Function):
    @staticmethod
    def forward(ctx: Any, concentration: Tensor) -> Tensor:
        drawn = _gammas(concentration)
        dtype = concentration.dtype
        x = _core.tensor(drawn / drawn.sum(-1, keepdims=True)).to(dtype)
        x = x.clamp(min=finfo(dtype).tiny, max=1 - finfo(dtype).eps / 2)
        ctx.save_for_backward(concentration, x)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        a, x = ctx.saved_tensors
        slope = beta_slope(a, a.sum(-1, keepdim=True) - a, x) / (1 - x)
        spread: Tensor = slope * (grad - (x * grad).sum(-1, keepdim=True))
        return spread


def _standard_gamma(concentration: Tensor) -> Tensor:
    """x ~ x^(a-1) e^-x / Gamma(a) for each element a, differentiable to a."""
    return _StandardGamma.apply(concentration)  # type: ignore[no-any-return]


def _sample_dirichlet(concentration: Tensor) -> Tensor:
    """Shares of gamma draws over the last dimension, differentiable to the concentration.

    Element i moves as the Beta(a_i, sum a - a_i) that it follows, the others in proportion.
    """
    return _Dirichlet.apply(concentration)  # type: ignore[no-any-return]


def _difference(f: Callable[[Array], Array], a: Array) -> Array:
    """df/da, to fourth order in a step that is small beside a and beside sqrt(a)."""
    h = 1e-3 * a / (1 + np.sqrt(a))
    found: Array = (8 * (f(a + h) - f(a - h)) - (f(a + 2 * h) - f(a - 2 * h))) / (12 * h)
    return found


def _arrays(*tensors: Tensor) -> list[Array]:
    return [t.detach().double().numpy() for t in _core.broadcast_tensors(*tensors)]


def _lgamma(a: Array) -> Array:
    return _core.tensor(a).lgamma().numpy()


def gamma_slope(a: Tensor, x: Tensor) -> Tensor:
    """dx/da of a standard gamma draw."""
    a_, x_ = _arrays(a, x)
    point, upper = _core.tensor(x_), x_ > a_

    def cdf(b: Array) -> Array:  # from the nearer end, to keep its digits
        at = _core.tensor(b)
        lower, above = _core.igamma(at, point).numpy(), _core.igammac(at, point).numpy()
        return np.where(upper, -above, lower)

    return _slope(_difference(cdf, a_), (a_ - 1) * np.log(x_) - x_ - _lgamma(a_), x.dtype)


def beta_slope(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """dx/da of a draw from x^(a-1) (1-x)^(b-1) / B(a, b), b being fixed."""
    a_, b_, x_ = _arrays(a, b, x)
    upper = x_ > (a_ + 1) / (a_ + b_ + 2)

    def log_power(c: Array) -> Array:  # log x^c (1-x)^b / B(c, b)
        log_b = _lgamma(c) + _lgamma(b_) - _lgamma(c + b_)
        return c * np.log(x_) + b_ * np.log1p(-x_) - log_b

    def cdf(c: Array) -> Array:
        p, q = np.where(upper, b_, c), np.where(upper, c, b_)
        part = np.exp(log_power(c)) / p * _fraction(p, q, np.where(upper, 1 - x_, x_))
        return np.where(upper, -part, part)

    return _slope(_difference(cdf, a_), log_power(a_) - np.log(x_) - np.log1p(-x_), x.dtype)


def _slope(difference: Array, log_density: Array, dtype: Any) -> Tensor:
    with np.errstate(all="ignore"):  # a density of 0 leaves no slope
        slope: Array = -difference / np.exp(log_density)
    return _core.tensor(np.where(np.isfinite(slope), slope, 0.0)).to(dtype)


def _fraction(a: Array, b: Array, x: Array) -> Array:
    """The continued fraction of the incomplete beta function, by Lentz's method (DLMF 8.17.22)."""
    d = 1 / (1 - (a + b) * x / (a + 1))
    c = np.ones_like(x)
    found: Array = d.copy()
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d, c = 1 / (1 + term * d), 1 + term / c
            found *= c * d
        if np.all(np.abs(c * d - 1) < 1e-15):
            break
    return found


def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """How many of `count` trials of probability `prob` succeed.

    Raises RuntimeError for two dtypes, ValueError for integers.
    Source: Hormann, J. Stat. Comput. Simul. 46 (1993), BTRS.
    """
    if count.dtype != prob.dtype or not count.is_floating_point():
        raise (RuntimeError if count.is_floating_point() else ValueError)(
            f"[binomial] count is {count.dtype}, prob {prob.dtype}; pass one floating-point dtype"
        )
    n, p = _core.broadcast_tensors(count, prob)
    pairs = zip(n.flatten().tolist(), p.flatten().tolist(), strict=True)
    drawn = [_binomial(one, chance, generator) for one, chance in pairs]
    return _core.tensor(drawn, dtype=count.dtype).reshape(n.shape)


def _binomial(n: float, p: float, generator: Any) -> float:
    if n <= 0 or p <= 0:
        return 0.0
    if p >= 1 or p != p:
        return n if p >= 1 else p
    rare = min(p, 1 - p)
    k = (_transformed if n * rare >= 10 else _gaps)(n, rare, generator)
    return k if p <= 0.5 else n - k


def _gaps(n: float, p: float, generator: Any) -> float:
    """Counts successes by the geometric gaps between them."""
    trials, k = 0.0, 0
    while True:
        u = _uniform(generator)
        trials += ceil(log(u) / log1p(-p)) if u else n + 1
        if trials > n:
            return k
        k += 1


def _tail(k: float) -> float:
    """log k! less Stirling's approximation to it."""
    return lgamma(k + 1) - ((k + 0.5) * log(k + 1) - (k + 1) + 0.9189385332046727)


def _transformed(n: float, p: float, generator: Any) -> float:
    """Rejection from a transformed uniform."""
    spread = sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    alpha = (2.83 + 5.1 / b) * spread
    odds = p / (1 - p)
    m = floor((n + 1) * p)
    while True:
        u, v = _uniform(generator) - 0.5, _uniform(generator)
        us = 0.5 - abs(u)
        k = floor((2 * a / us + b) * u + n * p + 0.5)
        if us >= 0.07 and v <= 0.92 - 4.2 / b:
            return k
        if not 0 <= k <= n:
            continue
        bound = (
            (m + 0.5) * log((m + 1) / (odds * (n - m + 1)))
            + (n + 1) * log((n - m + 1) / (n - k + 1))
            + (k + 0.5) * log(odds * (n - k + 1) / (k + 1))
            + (_tail(m) + _tail(n - m) - _tail(k) - _tail(n - k))
        )
        if log(v * alpha / (a / (us * us) + b)) <= bound:
            return k
