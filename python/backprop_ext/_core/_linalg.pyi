# Made by tools/make_stub.py from the registry of operations.
from collections.abc import Sequence
from typing import overload

from backprop_ext._return_types import ValuesIndices

from . import Generator, Tensor, _bool, _DType, _int, _Operand

def solve_triangular(
    input: Tensor, B: Tensor, *, upper: _bool, left: _bool = True, unitriangular: _bool = False
) -> Tensor: ...
def cholesky(input: Tensor, *, upper: _bool = False) -> Tensor: ...
def cholesky_ex(
    input: Tensor, *, upper: _bool = False, check_errors: _bool = False
) -> tuple[Tensor, Tensor]: ...
def lu_factor(A: Tensor, *, pivot: _bool = True) -> tuple[Tensor, Tensor]: ...
def lu_factor_ex(
    A: Tensor, *, pivot: _bool = True, check_errors: _bool = False
) -> tuple[Tensor, Tensor, Tensor]: ...
def lu(A: Tensor, *, pivot: _bool = True) -> tuple[Tensor, Tensor, Tensor]: ...
def qr(A: Tensor, mode: str = 'reduced') -> tuple[Tensor, Tensor]: ...
def householder_product(input: Tensor, tau: Tensor) -> Tensor: ...
def det(input: Tensor) -> Tensor: ...
def slogdet(input: Tensor) -> tuple[Tensor, Tensor]: ...
def inv(input: Tensor) -> Tensor: ...
def inv_ex(A: Tensor, *, check_errors: _bool = False) -> tuple[Tensor, Tensor]: ...
def solve(A: Tensor, B: Tensor, *, left: _bool = True) -> Tensor: ...
def solve_ex(
    A: Tensor, B: Tensor, *, left: _bool = True, check_errors: _bool = False
) -> tuple[Tensor, Tensor]: ...
def lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: _bool = True, adjoint: _bool = False
) -> Tensor: ...
def tensorinv(input: Tensor, ind: _int = 2) -> Tensor: ...
def tensorsolve(input: Tensor, B: Tensor, dims: Sequence[_int] | None = None) -> Tensor: ...
def eigh(input: Tensor, UPLO: str = 'L') -> tuple[Tensor, Tensor]: ...
def eigvalsh(input: Tensor, UPLO: str = 'L') -> Tensor: ...
def svd(
    A: Tensor, full_matrices: _bool = True, *, driver: str | None = None
) -> tuple[Tensor, Tensor, Tensor]: ...
def svdvals(input: Tensor, *, driver: str | None = None) -> Tensor: ...
def eig(input: Tensor) -> tuple[Tensor, Tensor]: ...
def eigvals(input: Tensor) -> Tensor: ...
@overload
def pinv(
    input: Tensor,
    *,
    atol: Tensor | None = None,
    rtol: Tensor | None = None,
    hermitian: _bool = False,
) -> Tensor: ...
@overload
def pinv(
    input: Tensor,
    *,
    atol: _Operand | None = None,
    rtol: _Operand | None = None,
    hermitian: _bool = False,
) -> Tensor: ...
@overload
def pinv(input: Tensor, rcond: Tensor, hermitian: _bool = False) -> Tensor: ...
@overload
def pinv(input: Tensor, rcond: _Operand, hermitian: _bool = False) -> Tensor: ...
def lstsq(
    input: Tensor, B: Tensor, rcond: _Operand | None = None, *, driver: str | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]: ...
@overload
def matrix_rank(
    input: Tensor,
    *,
    atol: Tensor | None = None,
    rtol: Tensor | None = None,
    hermitian: _bool = False,
) -> Tensor: ...
@overload
def matrix_rank(
    input: Tensor,
    *,
    atol: _Operand | None = None,
    rtol: _Operand | None = None,
    hermitian: _bool = False,
) -> Tensor: ...
@overload
def matrix_rank(input: Tensor, tol: Tensor, hermitian: _bool = False) -> Tensor: ...
@overload
def matrix_rank(input: Tensor, tol: _Operand, hermitian: _bool = False) -> Tensor: ...
def vector_norm(
    input: Tensor,
    ord: _Operand = 2,
    dim: _int | Sequence[_int] | None = None,
    keepdim: _bool = False,
    *,
    dtype: _DType | None = None,
) -> Tensor: ...
@overload
def matrix_norm(
    input: Tensor,
    ord: str = 'fro',
    dim: Sequence[_int] = (-2,-1),
    keepdim: _bool = False,
    *,
    dtype: _DType | None = None,
) -> Tensor: ...
@overload
def matrix_norm(
    input: Tensor,
    ord: _Operand,
    dim: Sequence[_int] = (-2,-1),
    keepdim: _bool = False,
    *,
    dtype: _DType | None = None,
) -> Tensor: ...
@overload
def norm(
    input: Tensor,
    ord: _Operand | None = None,
    dim: _int | Sequence[_int] | None = None,
    keepdim: _bool = False,
    *,
    dtype: _DType | None = None,
) -> Tensor: ...
@overload
def norm(
    input: Tensor,
    ord: str,
    dim: _int | Sequence[_int] | None = None,
    keepdim: _bool = False,
    *,
    dtype: _DType | None = None,
) -> Tensor: ...
@overload
def cond(input: Tensor, p: _Operand | None = None) -> Tensor: ...
@overload
def cond(input: Tensor, p: str) -> Tensor: ...
def matrix_power(input: Tensor, n: _int) -> Tensor: ...
def matrix_exp(input: Tensor) -> Tensor: ...
@overload
def multi_dot(tensors: Sequence[Tensor]) -> Tensor: ...
@overload
def multi_dot(*tensors: Tensor) -> Tensor: ...
def cross(input: Tensor, other: Tensor, *, dim: _int = -1) -> Tensor: ...
def vecdot(x: Tensor, y: Tensor, *, dim: _int = -1) -> Tensor: ...
def diagonal(A: Tensor, *, offset: _int = 0, dim1: _int = -2, dim2: _int = -1) -> Tensor: ...
def matmul(input: Tensor, other: Tensor) -> Tensor: ...
def vander(x: Tensor, *, N: _int | None = None) -> Tensor: ...

__all__ = [
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "householder_product",
    "inv",
    "inv_ex",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_factor_ex",
    "lu_solve",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_ex",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]
