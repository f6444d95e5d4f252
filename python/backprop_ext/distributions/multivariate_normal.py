"""The normal distribution of vectors."""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING

from .. import _core, linalg
from .._core import Tensor
from ..functional import broadcast_shapes
from . import constraints
from .distribution import Distribution
from .utils import lazy_property, standard_normal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MultivariateNormal"]


def _cholesky_of_inverse(precision: Tensor) -> Tensor:
    """L with L L^T = precision^-1: the factor of the matrix turned around, turned back."""
    upper = linalg.cholesky(precision.flip((-2, -1))).flip((-2, -1)).mT
    eye = _core.eye(precision.shape[-1], dtype=precision.dtype)
    return linalg.solve_triangular(upper, eye, upper=False)


class MultivariateNormal(Distribution):
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
    _factor: Tensor  # L, of fewer dimensions where it was expanded

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        matrices = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = [(name, matrix) for name, matrix in matrices.items() if matrix is not None]
        if loc.ndim < 1:
            raise ValueError("[MultivariateNormal] loc is 0-d; pass a vector")
        if len(given) != 1:
            raise ValueError(
                f"[MultivariateNormal] {len(given)} of {', '.join(matrices)} are given; pass one"
            )
        ((name, matrix),) = given
        if matrix.ndim < 2:
            raise ValueError(
                f"[MultivariateNormal] {name} has shape {tuple(matrix.shape)}; pass a matrix"
            )
        batch = broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand((*batch, -1, -1)))
        self.loc = loc.expand((*batch, -1))
        super().__init__(batch, loc.shape[-1:], validate_args)
        if name == "scale_tril":
            self._factor = matrix
        else:
            cholesky = linalg.cholesky if name == "covariance_matrix" else _cholesky_of_inverse
            self._factor = cholesky(matrix)

    def _whole(self, matrix: Tensor) -> Tensor:
        return matrix.expand(self._batch_shape + self._event_shape * 2)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """L"""
        return self._whole(self._factor)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """L L^T"""
        return self._whole(self._factor @ self._factor.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """(L L^T)^-1"""
        return self._whole(_core.cholesky_inverse(self._factor))

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)

    @property
    def variance(self) -> Tensor:
        return self._factor.pow(2).sum(-1).expand(self._extended_shape())

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        drawn = standard_normal(self._extended_shape(sample_shape), self.loc)
        return self.loc + (self._factor @ drawn.unsqueeze(-1)).squeeze(-1)

    def _half_log_det(self) -> Tensor:
        return self._factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        square = mahalanobis(self._factor, value - self.loc)
        return -0.5 * (self._event_shape[0] * log(2 * pi) + square) - self._half_log_det()

    def entropy(self) -> Tensor:
        found = 0.5 * self._event_shape[0] * (1 + log(2 * pi)) + self._half_log_det()
        return found.expand(self._batch_shape)


def mahalanobis(lower: Tensor, x: Tensor) -> Tensor:
    """|L^-1 x|^2 for L: (..., d, d), x: (..., d), which broadcast.

    Where one L serves many x, they are solved for together.
    """
    if lower.ndim == 2:
        columns = x.reshape(-1, x.shape[-1]).T
        solved = linalg.solve_triangular(lower, columns, upper=False)
        return solved.pow(2).sum(0).reshape(x.shape[:-1])
    return linalg.solve_triangular(lower, x.unsqueeze(-1), upper=False).pow(2).sum([-2, -1])
