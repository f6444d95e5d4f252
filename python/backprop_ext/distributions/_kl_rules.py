"""KL(p || q) of the pairs that have a closed form.

Pairs of two families are KL = -H(p) - E_p[log q], with the few expectations that log q is made of.
"""

from __future__ import annotations

from functools import singledispatch
from math import inf, log, pi, sqrt
from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from ..nn import functional as F
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .categorical import Categorical
from .cauchy import Cauchy
from .dirichlet import Dirichlet
from .exponential import Exponential
from .gamma import Gamma
from .geometric import Geometric
from .gumbel import Gumbel
from .half_normal import HalfNormal
from .independent import Independent
from .kl import kl_divergence, register_kl
from .laplace import Laplace
from .multivariate_normal import MultivariateNormal, mahalanobis
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .pareto import Pareto
from .poisson import Poisson
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import constant, euler_constant, sum_rightmost

if TYPE_CHECKING:
    from collections.abc import Callable

# --- both of one family ---------------------------------------------------------------------------


@register_kl(Bernoulli, Bernoulli)
def _(p: Bernoulli, q: Bernoulli) -> Tensor:
    ones = p.probs * (F.softplus(-q.logits) - F.softplus(-p.logits))
    zeros = (1 - p.probs) * (F.softplus(q.logits) - F.softplus(p.logits))
    ones = ones.masked_fill(q.probs == 0, inf).masked_fill(p.probs == 0, 0)
    return ones + zeros.masked_fill(q.probs == 1, inf).masked_fill(p.probs == 1, 0)


@register_kl(Beta, Beta)
def _(p: Beta, q: Beta) -> Tensor:
    return kl_divergence(p._dirichlet, q._dirichlet)


@register_kl(Binomial, Binomial)
def _(p: Binomial, q: Binomial) -> Tensor:
    if bool((p.total_count < q.total_count).any()):
        raise NotImplementedError(
            f"[kl_divergence] Binomial of {p.total_count.tolist()} trials to one of "
            f"{q.total_count.tolist()}; none is known to more trials"
        )
    each = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return (p.total_count * each).masked_fill(p.total_count > q.total_count, inf)


@register_kl(Categorical, Categorical)
def _(p: Categorical, q: Categorical) -> Tensor:
    each = p.probs * (p.logits - q.logits)
    return each.masked_fill(q.probs == 0, inf).masked_fill(p.probs == 0, 0).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return kl_divergence(p._categorical, q._categorical)


@register_kl(Cauchy, Cauchy)
def _(p: Cauchy, q: Cauchy) -> Tensor:
    apart = (p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)
    return apart.log() - (4 * p.scale * q.scale).log()


@register_kl(Dirichlet, Dirichlet)
def _(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    norms = a.sum(-1).lgamma() - b.sum(-1).lgamma() + (b.lgamma() - a.lgamma()).sum(-1)
    return norms + ((a - b) * (a.digamma() - a.sum(-1, True).digamma())).sum(-1)


@register_kl(Exponential, Exponential)
def _(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Gamma, Gamma)
def _(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    norms = b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma()
    return norms + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)


@register_kl(Geometric, Geometric)
def _(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(HalfNormal, HalfNormal)
def _(p: HalfNormal, q: HalfNormal) -> Tensor:
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Independent, Independent)
def _(p: Independent, q: Independent) -> Tensor:
    dims = p.reinterpreted_batch_ndims, q.reinterpreted_batch_ndims
    if dims[0] != dims[1]:
        raise NotImplementedError(
            f"[kl_divergence] Independent over {dims[0]} and {dims[1]} dimensions; "
            "none is known for different numbers of them"
        )
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), dims[0])


@register_kl(Laplace, Laplace)
def _(p: Laplace, q: Laplace) -> Tensor:
    ratio, apart = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + apart / q.scale + ratio * (-apart / p.scale).exp() - 1


@register_kl(MultivariateNormal, MultivariateNormal)
def _(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"[kl_divergence] events of shapes {tuple(p.event_shape)} and {tuple(q.event_shape)}; "
            "they must be of one"
        )
    # The trace is the sum of squares of L_q^-1 L_p, whose columns are solved for one by one.
    columns = p._factor.mT
    trace = mahalanobis(q._factor.unsqueeze(-3), columns).sum(-1)
    square = mahalanobis(q._factor, q.loc - p.loc)
    return q._half_log_det() - p._half_log_det() + 0.5 * (trace + square - p.event_shape[0])


@register_kl(Normal, Normal)
def _(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(Pareto, Pareto)
def _(p: Pareto, q: Pareto) -> Tensor:
    scale, ratio = p.scale / q.scale, q.alpha / p.alpha
    found = q.alpha * scale.log() - ratio.log() + ratio - 1
    return found.masked_fill(p.scale < q.scale, inf)


@register_kl(Poisson, Poisson)
def _(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(TransformedDistribution, TransformedDistribution)
def _(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError(
            f"[kl_divergence] transforms {p.transforms} and {q.transforms}; "
            "it is known where both are the same"
        )
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Uniform, Uniform)
def _(p: Uniform, q: Uniform) -> Tensor:
    found = ((q.high - q.low) / (p.high - p.low)).log()
    return found.masked_fill((q.low > p.low) | (q.high < p.high), inf)


@register_kl(Bernoulli, Poisson)
def _(p: Bernoulli, q: Poisson) -> Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


# --- expectations ---------------------------------------------------------------------------------


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


# --- of two families ------------------------------------------------------------------------------


def _register(kinds: list[type], type_q: type, cross: Callable[[Any, Any], Tensor]) -> None:
    """KL = cross - H(p), with cross = -E_p[log q]."""

    def rule(p: Any, q: Any) -> Tensor:
        found: Tensor = cross(p, q) - p.entropy()
        return found

    for kind in kinds:
        register_kl(kind, type_q)(rule)


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
    folded = p.scale * (sqrt(2 / pi) * (-0.5 * apart.pow(2)).exp() + apart * (apart / sqrt(2)).erf())
    return (2 * q.scale).log() + folded / q.scale


def _to_beta(p: Uniform, q: Beta) -> Tensor:
    a, b = q.concentration1, q.concentration0
    norm = a.lgamma() + b.lgamma() - (a + b).lgamma()
    ends = _uniform_mean_log(1 - p.high, 1 - p.low)
    found: Tensor = norm - (a - 1) * _uniform_mean_log(p.low, p.high) - (b - 1) * ends
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


_register([Beta, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform], Normal, _to_normal)
_register([Beta, Gamma, Pareto, Uniform], Exponential, _to_exponential)
_register([Beta, Exponential, Pareto, Uniform], Gamma, _to_gamma)
_register([Exponential, Gamma, Gumbel, Normal, Uniform], Gumbel, _to_gumbel)
_register([Normal], Laplace, _to_laplace)
_register([Uniform], Beta, _to_beta)
_register([Uniform], Pareto, _to_pareto)
_register([Beta], Uniform, _to_uniform)


def _infinite(p: Any, q: Any) -> Tensor:
    return constant(inf, p.batch_shape, p.mean)


for _kind, _others in {
    Beta: [Pareto],
    Exponential: [Beta, Pareto, Uniform],
    Gamma: [Beta, Pareto, Uniform],
    Gumbel: [Beta, Exponential, Gamma, Pareto, Uniform],
    Laplace: [Beta, Exponential, Gamma, Pareto, Uniform],
    Normal: [Beta, Exponential, Gamma, Pareto, Uniform],
    Pareto: [Beta, Uniform],
    Poisson: [Bernoulli, Binomial],
}.items():
    for _other in _others:
        register_kl(_kind, _other)(_infinite)
