"""The Kullback-Leibler divergence, by the types of its two arguments.

Source: https://docs.pytorch.org/docs/stable/distributions.html#module-torch.distributions.kl
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core import Tensor
    from .distribution import Distribution

__all__ = ["kl_divergence", "register_kl"]

_rules: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Any], Any]:
    """A decorator: fun(p, q) is KL(p || q) for these types and those derived from them.

    A class that distributions are mixed with will do. Raises TypeError for what is no type.
    """
    for kind in (type_p, type_q):
        if not isinstance(kind, type):
            raise TypeError(f"[register_kl] {kind!r} was given; pass a class of distributions")

    def register(fun: Any) -> Any:
        _rules[type_p, type_q] = fun
        return fun

    return register


def _nearness(kind: type, base: type) -> int:
    return kind.__mro__.index(base)


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q) = E_p[log p(x) - log q(x)], of batch_shape.

    The rule registered for the nearest types is taken; RuntimeWarning where the nearest to p and
    the nearest to q are different ones. Raises NotImplementedError where there is none.
    """
    kinds = type(p), type(q)
    rule = _rules.get(kinds)
    if rule is None:
        fit = [pair for pair in _rules if all(map(issubclass, kinds, pair))]
        if not fit:
            raise NotImplementedError(
                f"[kl_divergence] none is known of {kinds[0].__name__} to {kinds[1].__name__}; "
                "register_kl() one, or average p.log_prob(x) - q.log_prob(x) over draws of p"
            )
        far = {pair: tuple(map(_nearness, kinds, pair)) for pair in fit}
        by_p = min(fit, key=lambda pair: far[pair])
        by_q = min(fit, key=lambda pair: far[pair][::-1])
        if _rules[by_p] is not _rules[by_q]:
            warnings.warn(
                f"[kl_divergence] {kinds[0].__name__} to {kinds[1].__name__} is ambiguous; "
                f"register_kl({by_p[0].__name__}, {by_q[1].__name__})",
                RuntimeWarning,
                stacklevel=2,
            )
        rule = _rules[by_p]
    return rule(p, q)
