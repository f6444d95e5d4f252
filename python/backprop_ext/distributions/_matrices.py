"""What a constraint is, and those of matrices."""

from __future__ import annotations

from typing import Any

from .. import _core, linalg
from .._core import Tensor
from .._switches import finfo

__all__ = [
    "Constraint",
    "CorrCholesky",
    "LowerCholesky",
    "LowerTriangular",
    "PositiveDefinite",
    "PositiveSemidefinite",
    "Square",
    "Symmetric",
]


class Constraint:
    """A set: check(value) says for each event, the last event_dim dimensions, if it is inside."""

    is_discrete: Any = False
    event_dim: Any = 0
    _shown: tuple[str, ...] = ()  # attributes that repr names

    def check(self, value: Any) -> Tensor:
        raise NotImplementedError

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)
        return f"{type(self).__name__.lstrip('_')}({shown})"


class Matrix(Constraint):
    event_dim = 2


class LowerTriangular(Matrix):
    def check(self, value: Tensor) -> Tensor:
        return (value.tril() == value).all(-1).all(-1)


class LowerCholesky(LowerTriangular):
    def check(self, value: Tensor) -> Tensor:
        return super().check(value) & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


class CorrCholesky(LowerCholesky):
    def check(self, value: Tensor) -> Tensor:
        lengths = value.detach().square().sum(-1).sqrt()
        near = (lengths - 1).abs() <= finfo(value.dtype).eps * value.shape[-1] * 10
        return super().check(value) & near.all(-1)


class Square(Matrix):
    def check(self, value: Tensor) -> Tensor:
        square = value.shape[-2] == value.shape[-1]
        return _core.full(value.shape[:-2], square, dtype=_core.bool)


class Symmetric(Square):
    def check(self, value: Tensor) -> Tensor:
        square = super().check(value)
        if not bool(square.all()):
            return square
        return _core.isclose(value, value.mT, atol=1e-6).all(-1).all(-1)


class PositiveSemidefinite(Symmetric):
    def check(self, value: Tensor) -> Tensor:
        symmetric = super().check(value)
        if not bool(symmetric.all()):
            return symmetric
        return (linalg.eigvalsh(value) >= 0).all(-1)


class PositiveDefinite(Symmetric):
    def check(self, value: Tensor) -> Tensor:
        symmetric = super().check(value)
        if not bool(symmetric.all()):
            return symmetric
        return linalg.cholesky_ex(value)[1] == 0
