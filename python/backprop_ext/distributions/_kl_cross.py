"""KL(p || q) of two families: E_p[-log q] - H(p), from the expectations that log q is made of."""

from __future__ import annotations

from functools import singledispatch
from math import inf, log, pi, sqrt
from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .continuous_bernoulli import ContinuousBernoulli
from .exponential import Exponential
from .gamma import Gamma
from .gumbel import Gumbel
from .kl import register_kl
from .laplace import Laplace
from .normal import Normal
from .pareto import Pareto
from .poisson import Poisson
from .uniform import Uniform
from .utils import constant, euler_constant

if TYPE_CHECKING:
    from collections.abc import Callable


@singledispatch
def _mean_log(p: Any) -> Tensor:
    """E[log x]"""
    raise NotImplementedError


@_mean_log.register
def _(p: Beta) -> Tensor:
    a = p.concentration1
    return a.digamma() - (a + p.concentration0).digamma()  # type: ignore[no-any-return]


@_mean_log.register
def _(p: Exponential) -> Tensor:
    return -p.rate.log() - euler_constant


@_mean_log.register
def _(p: Gamma) -> Tensor:
    return p.concentration.digamma() - p.rate.log()


@_mean_log.register
def _(p: Pareto) -> Tensor:
    return p.scale.log() + p.alpha.reciprocal()


@_mean_log.register
def _(p: Uniform) -> Tensor:
    return _uniform_mean_log(p.low, p.high)


def _uniform_mean_log(low: Tensor, high: Tensor) -> Tensor:
    return (_core.xlogy(high, high) - _core.xlogy(low, low)) / (high - low) - 1


@singledispatch
def _mean_exp(p: Any, t: Tensor) -> Tensor:
    """E[exp(-t x)]"""
    raise NotImplementedError


@_mean_exp.register
def _(p: Exponential, t: Tensor) -> Tensor:
    return p.rate / (p.rate + t)


@_mean_exp.register
def _(p: Gamma, t: Tensor) -> Tensor:
    return (1 + t / p.rate).pow(-p.concentration)


@_mean_exp.register
def _(p: Gumbel, t: Tensor) -> Tensor:
    return (-t * p.loc + (1 + t * p.scale).lgamma()).exp()


@_mean_exp.register
def _(p: Normal, t: Tensor) -> Tensor:
    return ((t * p.scale).pow(2) / 2 - t * p.loc).exp()


@_mean_exp.register
def _(p: Uniform, t: Tensor) -> Tensor:
    return ((-t * p.low).exp() - (-t * p.high).exp()) / (t * (p.high - p.low))


def _register(kinds: list[type], type_q: type, cross: Callable[[Any, Any], Tensor]) -> None:
    """KL = cross - H(p), with cross = -E_p[log q]."""

    def rule(p: Any, q: Any) -> Tensor:
        found: Tensor = cross(p, q) - p.entropy()
        return found

    for kind in kinds:
        register_kl(kind, type_q)(rule)


def _to_poisson(p: Bernoulli, q: Poisson) -> Tensor:
    found: Tensor = q.rate - p.probs * q.rate.log()
    return found


def _to_normal(p: Any, q: Normal) -> Tensor:
    square: Tensor = (p.variance + (p.mean - q.loc).pow(2)) / (2 * q.scale.pow(2))
    return q.scale.log() + 0.5 * log(2 * pi) + square


def _to_exponential(p: Any, q: Exponential) -> Tensor:
    return _outside(p, q.rate * p.mean - q.rate.log(), low=0)


def _to_gamma(p: Any, q: Gamma) -> Tensor:
    a, rate = q.concentration, q.rate
    found = a.lgamma() - a * rate.log() - (a - 1) * _mean_log(p) + rate * p.mean
    return _outside(p, found, low=0)


def _to_gumbel(p: Any, q: Gumbel) -> Tensor:
    t = q.scale.reciprocal()
    found: Tensor = q.scale.log() + t * (p.mean - q.loc) + (t * q.loc).exp() * _mean_exp(p, t)
    return found


def _to_laplace(p: Normal, q: Laplace) -> Tensor:
    apart = (p.loc - q.loc) / p.scale
    folded = p.scale * (
        sqrt(2 / pi) * (-0.5 * apart.pow(2)).exp() + apart * (apart / sqrt(2)).erf()
    )
    return (2 * q.scale).log() + folded / q.scale


def _to_beta(p: Uniform, q: Beta) -> Tensor:
    a, b = q.concentration1, q.concentration0
    norm = a.lgamma() + b.lgamma() - (a + b).lgamma()
    ends = _uniform_mean_log(1 - p.high, 1 - p.low)
    found: Tensor = norm - (a - 1) * _uniform_mean_log(p.low, p.high) - (b - 1) * ends
    return _outside(p, found, 0, 1)


def _to_continuous_bernoulli(p: Any, q: ContinuousBernoulli) -> Tensor:
    found: Tensor = -p.mean * q.logits - (-q.probs).log1p() - q._log_norm()
    return _outside(p, found, 0, 1)


def _to_pareto(p: Uniform, q: Pareto) -> Tensor:
    found = (q.alpha + 1) * _mean_log(p) - q.alpha.log() - q.alpha * q.scale.log()
    return _outside(p, found, low=q.scale)


def _to_uniform(p: Any, q: Uniform) -> Tensor:
    return (q.high - q.low).log().masked_fill((q.low > 0) | (q.high < 1), inf)


def _outside(p: Any, found: Tensor, low: Any = -inf, high: Any = inf) -> Tensor:
    """Infinite where a Uniform reaches beyond the support of q."""
    if not isinstance(p, Uniform):
        return found
    return found.masked_fill((p.low < low) | (p.high > high), inf)


_register(
    [Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform],
    Normal,
    _to_normal,
)
_register([Beta, ContinuousBernoulli, Gamma, Pareto, Uniform], Exponential, _to_exponential)
_register([Beta, Exponential, Pareto, Uniform], Gamma, _to_gamma)
_register([Exponential, Gamma, Gumbel, Normal, Uniform], Gumbel, _to_gumbel)
_register([Bernoulli], Poisson, _to_poisson)
_register([Normal], Laplace, _to_laplace)
_register([Uniform], Beta, _to_beta)
_register([Uniform], Pareto, _to_pareto)
_register([Beta, ContinuousBernoulli], Uniform, _to_uniform)
_register([Beta, Uniform], ContinuousBernoulli, _to_continuous_bernoulli)


def _infinite(p: Any, q: Any) -> Tensor:
    return constant(inf, p.batch_shape, p.mean)


_apart: dict[type, list[type]] = {
    Beta: [Pareto],
    ContinuousBernoulli: [Pareto],
    Exponential: [Beta, ContinuousBernoulli, Pareto, Uniform],
    Gamma: [Beta, ContinuousBernoulli, Pareto, Uniform],
    Gumbel: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Laplace: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Normal: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Pareto: [Beta, ContinuousBernoulli, Uniform],
    Poisson: [Bernoulli, Binomial],
}
for _kind, _others in _apart.items():
    for _other in _others:
        register_kl(_kind, _other)(_infinite)
