"""The Wishart distribution."""

from __future__ import annotations

from math import log, nan
from numbers import Number
from typing import TYPE_CHECKING, Any

from .. import _core, linalg
from .._checks import the_tensor
from .._core import Tensor
from .._switches import finfo
from ..functional import broadcast_shapes
from . import constraints
from ._covariance import WithCovariance
from .chi2 import Chi2
from .exp_family import ExponentialFamily

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Wishart"]


class Wishart(WithCovariance, ExponentialFamily):
    """The sum of df outer products of Normal(0, covariance_matrix) vectors; df above d - 1.

    One of covariance_matrix, precision_matrix, scale_tril: (..., d, d). Draws by Bartlett's
    decomposition. Raises AssertionError for none or several of them, ValueError for a df that is
    too small.
    """

    support = constraints.positive_definite
    df: Tensor
    has_rsample = True
    _miscounted = AssertionError

    def __init__(
        self,
        df: Any,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        name, matrix = self._one_matrix(
            covariance_matrix=covariance_matrix,
            precision_matrix=precision_matrix,
            scale_tril=scale_tril,
        )
        d = matrix.shape[-1]
        if not isinstance(df, Number):
            df = the_tensor("Wishart", df, "df")
        df = _core.as_tensor(df, dtype=matrix.dtype)
        if bool((df <= d - 1).any()):
            raise ValueError(f"[Wishart] df is {df.tolist()}; pass more than {d - 1}")
        batch = broadcast_shapes(matrix.shape[:-2], df.shape)
        self.df = df.expand(batch)
        setattr(self, name, matrix.expand((*batch, -1, -1)))
        super().__init__(batch, matrix.shape[-2:], validate_args)
        self._factorize(name, matrix)
        falling = self.df.unsqueeze(-1) - _core.arange(d, dtype=matrix.dtype)
        self._chi2 = Chi2(falling, validate_args=False)

    @property
    def arg_constraints(self) -> Any:
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def _times(self, number: Tensor) -> Tensor:
        return number.unsqueeze(-1).unsqueeze(-1)

    @property
    def mean(self) -> Tensor:
        return self._times(self.df) * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        over = self.df - self.event_shape[-1] - 1
        return self._times(over.masked_fill(over <= 0, nan)) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        v = self.covariance_matrix
        diagonal = v.diagonal(dim1=-2, dim2=-1)
        outer = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self._times(self.df) * (v.pow(2) + outer)

    def rsample(
        self, sample_shape: Sequence[int] = (), max_try_correction: int | None = None
    ) -> Tensor:
        """Draws. PyTorch takes those that are not singular for singular, and draws them anew.

        So does this, for the same numbers, unless max_try_correction is 0.
        """
        if max_try_correction is None or max_try_correction > 0:
            self._by_bartlett(sample_shape)
        return self._by_bartlett(sample_shape)

    def _by_bartlett(self, sample_shape: Sequence[int]) -> Tensor:
        d = self.event_shape[-1]
        roots = self._chi2.rsample(sample_shape).sqrt()
        diagonal = roots.clamp(min=finfo(roots.dtype).eps).diag_embed()
        shape = self._extended_shape(sample_shape)
        below = _core.zeros(shape, dtype=roots.dtype)
        i, j = _core.tril_indices(d, d, offset=-1)
        below[..., i, j] = _core.randn((*shape[:-2], len(i)), dtype=roots.dtype)
        lower = self._unbroadcasted_scale_tril @ (diagonal + below)
        return lower @ lower.mT

    def _log_norm(self) -> Tensor:
        """d log(2) / 2 + log det L"""
        return self.event_shape[-1] * log(2) / 2 + self._half_log_det()

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        d, df = self.event_shape[-1], self.df
        trace = (
            _core.cholesky_solve(value, self._unbroadcasted_scale_tril)
            .diagonal(dim1=-2, dim2=-1)
            .sum(-1)
        )
        powers = (df - d - 1) / 2 * linalg.slogdet(value)[1] - trace / 2
        return powers - df * self._log_norm() - _core.mvlgamma(df / 2, d)

    def entropy(self) -> Tensor:
        d, df = self.event_shape[-1], self.df
        halves = (df / 2).unsqueeze(-1) - _core.arange(d, dtype=df.dtype) / 2
        spread = (df - d - 1) / 2 * halves.digamma().sum(-1)
        norm = (d + 1) * self._log_norm() + _core.mvlgamma(df / 2, d)
        return norm - spread + df * d / 2
