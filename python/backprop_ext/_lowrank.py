"""The largest singular values of a matrix, from products with random vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _core
from ._checks import the_tensor
from ._core import _linalg

if TYPE_CHECKING:
    from ._core import Tensor

__all__ = ["pca_lowrank", "svd_lowrank"]

Parts = tuple["Tensor", "Tensor", "Tensor"]


def _basis(a: Tensor, q: int, niter: int) -> Tensor:
    """q orthonormal columns Q with Q Q^H a near a: algorithm 4.4 of Halko et al."""
    columns = _linalg.qr(a @ _core.randn(a.shape[-1], q, dtype=a.dtype))[0]
    for _ in range(niter):
        columns = _linalg.qr(a.mH @ columns)[0]
        columns = _linalg.qr(a @ columns)[0]
    return columns


def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> Parts:
    """(U, S, V) of A - M, near U diag(S) V^H with q columns; A (..., m, n).

    The draws are PyTorch's; the sign of a column of U and V is free. Source: algorithm 5.1 of
    Halko, Martinsson and Tropp, https://arxiv.org/abs/0909.4061
    """
    rest = A if M is None else A - the_tensor("svd_lowrank", M, "M")
    tall = rest if rest.shape[-2] >= rest.shape[-1] else rest.mH
    basis = _basis(tall, 6 if q is None else q, 2 if niter is None else niter)
    u, s, vt = _linalg.svd(basis.mH @ tall, full_matrices=False)
    left, right = basis @ u, vt.mH
    return (left, s, right) if tall is rest else (right, s, left)


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> Parts:
    """svd_lowrank of A, its columns centred: V holds the principal directions.

    q is min(6, m, n) by default. Raises ValueError for more, and for a negative niter.
    """
    most = min(A.shape[-2:])
    if q is not None and not 0 <= q <= most:
        raise ValueError(
            f"[pca_lowrank] q={q} directions of a matrix with {most}; pass 0 to {most}"
        )
    if niter < 0:
        raise ValueError(f"[pca_lowrank] niter={niter}; pass 0 or more")
    rest = A - A.mean(dim=-2, keepdim=True) if center else A
    return svd_lowrank(rest, min(6, most) if q is None else q, niter)
