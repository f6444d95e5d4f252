"""Weights with orthonormal columns (or rows, where these are fewer)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import _core, linalg
from ..._switches import finfo
from ..modules.module import Module

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = ["MAPS", "_Orthogonal"]


def _exponential(x: Tensor) -> Tensor:
    return _core.matrix_exp(_skew(x))[..., : x.shape[-1]]


def _cayley(x: Tensor) -> Tensor:
    """(1 - A/2)^-1 (1 + A/2), A skew."""
    half, eye = _skew(x) / 2, _core.eye(x.shape[-2], dtype=x.dtype)
    return linalg.solve(eye - half, eye + half)[..., : x.shape[-1]]


def _householder(x: Tensor) -> Tensor:
    """The product of the reflections below the diagonal, with the signs that are on it."""
    vectors = x.tril(-1)
    tau = 2 / (1 + (vectors * vectors).sum(-2))
    signs = x.detach().diagonal(dim1=-2, dim2=-1).trunc()
    return linalg.householder_product(vectors, tau) * signs.unsqueeze(-2)


MAPS = {"matrix_exp": _exponential, "cayley": _cayley, "householder": _householder}


def _skew(x: Tensor) -> Tensor:
    """L - L^T of the lower triangle, filled up with zeros to a square."""
    rows, columns = x.shape[-2:]
    square = _core.cat([x.tril(), x.new_zeros(*x.shape[:-1], rows - columns)], -1)
    return square - square.mT


def _nearest(x: Tensor) -> Tensor:
    """Q of the QR decomposition whose R has a positive diagonal."""
    packed, tau = _core.geqrf(x)
    signs = packed.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
    return linalg.householder_product(packed, tau) * signs


def _is_orthogonal(x: Tensor) -> bool:
    rows, columns = x.shape[-2:]
    near = 10 * rows * finfo(x.dtype).eps
    return (x.mT @ x).allclose(_core.eye(columns, dtype=x.dtype), atol=near)


class _Orthogonal(Module):
    """Q = B f(x), f one of MAPS; B, where there is one, is the start, where f(x) = 1."""

    base: Any

    def __init__(self, shape: tuple[int, ...], kind: str, use_trivialization: bool) -> None:
        super().__init__()
        self.shape, self.kind = tuple(shape), kind
        self.trivialized = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    @property
    def _wide(self) -> bool:
        return self.shape[-2] < self.shape[-1]

    def forward(self, x: Tensor) -> Tensor:
        q = MAPS[self.kind](x.mT if self._wide else x)
        if self.trivialized:
            q = self.base @ q
        return q.mT if self._wide else q

    def right_inverse(self, weight: Tensor) -> Tensor:
        if tuple(weight.shape) != self.shape:
            raise ValueError(
                f"[orthogonal] a weight of shape {tuple(weight.shape)} for one of {self.shape}; "
                "reshape it"
            )
        q = weight.mT if self._wide else weight
        if self.trivialized:
            self.base = self._completed(q)
            # Minus 1 on the diagonal is the identity to the reflections, and to all others.
            start = _core.zeros_like(weight)
            start.diagonal(dim1=-2, dim2=-1).fill_(-1)
            return start
        if self.kind != "householder":
            raise NotImplementedError(
                f"[orthogonal] {self.kind} cannot start from a given weight without "
                "use_trivialization; leave it on, or take householder"
            )
        packed, tau = _core.geqrf(q)
        signs = packed.diagonal(dim1=-2, dim2=-1)
        signs.copy_(signs.sign() * _core.where(tau == 0, -1.0, 1.0))
        return packed.mT if self._wide else packed

    def _completed(self, q: Tensor) -> Tensor:
        """A square orthogonal matrix whose first columns are q's, random beyond."""
        rows, columns = q.shape[-2:]
        if rows == columns:
            return q.clone() if _is_orthogonal(q) else _nearest(q)
        rest = _core.randn(*q.shape[:-1], rows - columns, dtype=q.dtype)
        return _nearest(_core.cat([q, rest], -1))
