"""The normal distribution of vectors."""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING

from .._core import Tensor
from ..functional import broadcast_shapes
from . import constraints
from ._covariance import WithCovariance, mahalanobis
from .utils import _standard_normal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MultivariateNormal"]


class MultivariateNormal(WithCovariance):
    """p(x) = exp(-|L^-1 (x - loc)|^2 / 2) / (det L (2 pi)^(d/2)), covariance L L^T

    loc: (..., d); one of covariance_matrix, precision_matrix, scale_tril (L): (..., d, d). Raises
    ValueError for none or several of them, or for too few dimensions.
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("[MultivariateNormal] loc is 0-d; pass a vector")
        name, matrix = self._one_matrix(
            covariance_matrix=covariance_matrix,
            precision_matrix=precision_matrix,
            scale_tril=scale_tril,
        )
        batch = broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand((*batch, -1, -1)))
        self.loc = loc.expand((*batch, -1))
        super().__init__(batch, loc.shape[-1:], validate_args)
        self._factorize(name, matrix)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)

    @property
    def variance(self) -> Tensor:
        diagonal = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return diagonal.expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        drawn = _standard_normal(
            self._extended_shape(sample_shape), self.loc.dtype, self.loc.device
        )
        return self.loc + (self._unbroadcasted_scale_tril @ drawn.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        square = mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        return -0.5 * (self._event_shape[0] * log(2 * pi) + square) - self._half_log_det()

    def entropy(self) -> Tensor:
        found = 0.5 * self._event_shape[0] * (1 + log(2 * pi)) + self._half_log_det()
        return found.expand(self._batch_shape)
