"""Distributions that are given by a covariance matrix, its inverse or its Cholesky factor."""

from __future__ import annotations

from .. import _core, linalg
from .._core import Tensor
from .distribution import Distribution
from .utils import lazy_property

__all__ = ["WithCovariance", "mahalanobis"]


class WithCovariance(Distribution):
    """One of covariance_matrix, precision_matrix and scale_tril, (..., d, d), gives the others."""

    _miscounted: type[Exception] = ValueError  # PyTorch's class for none or several matrices
    # L of the covariance L L^T, of fewer dimensions where it was expanded; libraries read it.
    _unbroadcasted_scale_tril: Tensor

    def _one_matrix(self, **matrices: Tensor | None) -> tuple[str, Tensor]:
        """The one that is given, by name. An error for none or several; ValueError for a vector."""
        given = [(name, matrix) for name, matrix in matrices.items() if matrix is not None]
        op = type(self).__name__
        if len(given) != 1:
            raise self._miscounted(
                f"[{op}] {len(given)} of {', '.join(matrices)} are given; pass one"
            )
        ((name, matrix),) = given
        if matrix.ndim < 2:
            raise ValueError(f"[{op}] {name} has shape {tuple(matrix.shape)}; pass a matrix")
        return name, matrix

    def _factorize(self, name: str, matrix: Tensor) -> None:
        """Find L, after the matrix is known to be valid."""
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = matrix
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = linalg.cholesky(matrix)
        else:  # the factor of the matrix turned around, turned back, is that of the inverse
            upper = linalg.cholesky(matrix.flip((-2, -1))).flip((-2, -1)).mT
            eye = _core.eye(matrix.shape[-1], dtype=matrix.dtype)
            self._unbroadcasted_scale_tril = linalg.solve_triangular(upper, eye, upper=False)

    def _whole(self, matrix: Tensor) -> Tensor:
        return matrix.expand((*self._batch_shape, *matrix.shape[-2:]))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """L"""
        return self._whole(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """L L^T"""
        return self._whole(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """(L L^T)^-1"""
        return self._whole(_core.cholesky_inverse(self._unbroadcasted_scale_tril))

    def _half_log_det(self) -> Tensor:
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def mahalanobis(lower: Tensor, x: Tensor) -> Tensor:
    """|L^-1 x|^2 for L: (..., d, d), x: (..., d), which broadcast.

    Where one L serves many x, they are solved for together.
    """
    if lower.ndim == 2:
        columns = x.reshape(-1, x.shape[-1]).T
        solved = linalg.solve_triangular(lower, columns, upper=False)
        return solved.pow(2).sum(0).reshape(x.shape[:-1])
    return linalg.solve_triangular(lower, x.unsqueeze(-1), upper=False).pow(2).sum([-2, -1])
