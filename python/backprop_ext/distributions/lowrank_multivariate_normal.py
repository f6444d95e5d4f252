"""The normal distribution of vectors with a covariance of low rank and a diagonal."""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING

from .. import _core, linalg
from .._core import Tensor
from . import constraints
from ._covariance import mahalanobis
from .distribution import Distribution
from .utils import _standard_normal, lazy_property

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LowRankMultivariateNormal"]


class LowRankMultivariateNormal(Distribution):
    """Normal with covariance W W^T + D; loc, D: (..., d), W: (..., d, rank)

    The density goes by the rank: |x|^2 and the determinant are those of D and of
    C = I + W^T D^-1 W (Woodbury). Raises ValueError for shapes that do not fit.
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        cov_factor: Tensor,
        cov_diag: Tensor,
        validate_args: bool | None = None,
    ) -> None:
        d = loc.shape[-1:]
        if loc.ndim < 1 or cov_factor.shape[-2:-1] != d or cov_diag.shape[-1:] != d:
            raise ValueError(
                f"[LowRankMultivariateNormal] loc has shape {tuple(loc.shape)}, cov_factor "
                f"{tuple(cov_factor.shape)}, cov_diag {tuple(cov_diag.shape)}; "
                "pass (..., d), (..., d, rank) and (..., d)"
            )
        columns = (loc.unsqueeze(-1), cov_factor, cov_diag.unsqueeze(-1))
        try:
            wide_loc, self.cov_factor, wide_diag = _core.broadcast_tensors(*columns)
        except RuntimeError as error:
            raise ValueError(f"[LowRankMultivariateNormal] batches differ: {error}") from None
        self.loc, self.cov_diag = wide_loc[..., 0], wide_diag[..., 0]
        self._w, self._d = cov_factor, cov_diag
        scaled = cov_factor.mT / cov_diag.unsqueeze(-2)
        eye = _core.eye(cov_factor.shape[-1], dtype=cov_factor.dtype)
        self._capacitance = linalg.cholesky(scaled @ cov_factor + eye)
        super().__init__(self.loc.shape[:-1], d, validate_args)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)

    def _whole(self, matrix: Tensor) -> Tensor:
        return matrix.expand(self._batch_shape + self._event_shape * 2)

    @property
    def variance(self) -> Tensor:
        return (self._w.pow(2).sum(-1) + self._d).expand(self._extended_shape())

    @lazy_property
    def scale_tril(self) -> Tensor:
        """L of the covariance L L^T"""
        root = self._d.sqrt().unsqueeze(-1)
        scaled = self._w / root
        eye = _core.eye(self._event_shape[0], dtype=self._w.dtype)
        return self._whole(root * linalg.cholesky(scaled @ scaled.mT + eye))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """W W^T + D"""
        return self._whole(self._w @ self._w.mT + self._d.diag_embed())

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """(W W^T + D)^-1"""
        scaled = self._w.mT / self._d.unsqueeze(-2)
        a = linalg.solve_triangular(self._capacitance, scaled, upper=False)
        return self._whole(self._d.reciprocal().diag_embed() - a.mT @ a)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        of_rank = _standard_normal(
            (*shape[:-1], self._w.shape[-1]), self.loc.dtype, self.loc.device
        )
        of_diag = _standard_normal(shape, self.loc.dtype, self.loc.device)
        low = (self._w @ of_rank.unsqueeze(-1)).squeeze(-1)
        return self.loc + low + self._d.sqrt() * of_diag

    def _log_det(self) -> Tensor:
        of_rank = 2 * self._capacitance.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return of_rank + self._d.log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        x = value - self.loc
        low = ((self._w.mT / self._d.unsqueeze(-2)) @ x.unsqueeze(-1)).squeeze(-1)
        square = (x.pow(2) / self._d).sum(-1) - mahalanobis(self._capacitance, low)
        return -0.5 * (self._event_shape[0] * log(2 * pi) + self._log_det() + square)

    def entropy(self) -> Tensor:
        found = 0.5 * (self._event_shape[0] * (1 + log(2 * pi)) + self._log_det())
        return found.expand(self._batch_shape)
