"""The distribution of Lewandowski, Kurowicka and Joe of correlation matrices."""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from .._size import Size
from .._switches import finfo
from ..autograd.grad_mode import no_grad
from . import constraints
from .beta import Beta
from .distribution import Distribution

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """The Cholesky factor L of a correlation matrix with p(L L^T) ~ det^(concentration - 1)

    Draws by the onion method, row by row: a length from a beta distribution, a direction from the
    sphere. Raises ValueError for dim below 2.
    Source: Lewandowski, Kurowicka and Joe, J. Multivariate Anal. 100 (2009), section 3.2.
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky
    concentration: Tensor

    def __init__(
        self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise ValueError(f"[LKJCholesky] dim is {dim}; pass 2 or more")
        self.dim, event = dim, Size((dim, dim))
        shape = self._broadcast(concentration=concentration)
        row = _core.arange(dim - 1, dtype=self.concentration.dtype)
        row = _core.cat([row.new_zeros(1), row])
        rest = (self.concentration + 0.5 * (dim - 2)).unsqueeze(-1) - 0.5 * row
        self._beta = Beta(row + 0.5, rest, validate_args=False)
        super().__init__(shape, event, validate_args)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            square = self._beta.sample(sample_shape).unsqueeze(-1)
            shape = self._extended_shape(sample_shape)
            normal = _core.randn(shape, dtype=square.dtype).tril(-1)
            direction = normal / normal.norm(dim=-1, keepdim=True)
            direction[..., 0, :] = 0.0
            rows = square.sqrt() * direction
            left = 1 - rows.pow(2).sum(-1)
            return rows + left.clamp(min=finfo(rows.dtype).tiny).sqrt().diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        n, c = self.dim, self.concentration
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = 2 * (c - 1).unsqueeze(-1) + n - _core.arange(2, n + 1)
        alpha = c + 0.5 * (n - 1)
        norm = 0.5 * (n - 1) * log(pi) + _core.mvlgamma(alpha - 0.5, n - 1)
        return (order * diagonal.log()).sum(-1) - (norm - alpha.lgamma() * (n - 1))
