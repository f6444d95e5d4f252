"""Exponential families."""

from __future__ import annotations

from typing import Any

from .._core import Tensor
from ..autograd.engine import grad
from ..autograd.grad_mode import enable_grad
from .distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """p(x) = exp(t(x) theta - F(theta) + k(x)), for distributions of one's own.

    With theta as `_natural_params`, F as `_log_normalizer(*theta)` and E[k(x)] as
    `_mean_carrier_measure`, the entropy is F(theta) - theta dF/dtheta - E[k(x)].
    """

    _natural_params: Any = None
    _log_normalizer: Any
    _mean_carrier_measure: Any

    def entropy(self) -> Tensor:
        if self._natural_params is None:
            return super().entropy()
        with enable_grad():
            theta = [t.detach().requires_grad_() for t in self._natural_params]
            log_norm = self._log_normalizer(*theta)
            slopes = grad([log_norm.sum()], theta, create_graph=True)
        found: Tensor = log_norm - self._mean_carrier_measure
        for t, slope in zip(theta, slopes, strict=True):
            found = found - (t * slope).reshape((*self._batch_shape, -1)).sum(-1)
        return found
