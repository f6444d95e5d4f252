"""Linear algebra that rows cannot say: results up to signs, one triangle read, singular input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numeric import DirectionCheck

import backprop_ext as bx

DRAW = np.random.default_rng(3)
SQUARE = DRAW.standard_normal((2, 4, 4))
SHAPES = [(4, 4), (5, 3), (3, 5), (2, 4, 3)]


def symmetric(a: Any) -> Any:
    return a + a.mT


def positive(a: Any) -> Any:
    return a @ a.mT + bx.eye(4, dtype=a.dtype)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_svd_gives_back_the_matrix(shape: tuple[int, ...], full: bool) -> None:
    a = bx.tensor(DRAW.standard_normal(shape))
    u, s, vh = bx.linalg.svd(a, full_matrices=full)
    k = min(shape[-2:])
    np.testing.assert_allclose(s.numpy(), np.linalg.svd(a.numpy(), compute_uv=False), rtol=1e-12)
    back = u[..., :k] @ bx.diag_embed(s) @ vh[..., :k, :]
    np.testing.assert_allclose(back.numpy(), a.numpy(), atol=1e-12)
    for q in (u.mT @ u, vh @ vh.mT):
        np.testing.assert_allclose(
            q.numpy(), np.broadcast_to(np.eye(q.shape[-1]), q.shape), atol=1e-12
        )


def test_svd_of_a_matrix_without_full_rank_is_orthogonal() -> None:
    u, s, vh = bx.linalg.svd(bx.ones(4, 3))
    assert s[1:].abs().max() < 1e-6
    np.testing.assert_allclose((u.mT @ u).numpy(), np.eye(4), atol=1e-6)
    np.testing.assert_allclose((vh @ vh.mT).numpy(), np.eye(3), atol=1e-6)


DERIVATIVES: dict[str, Any] = {
    "cholesky": lambda a: bx.linalg.cholesky(positive(a)),
    "cholesky, upper": lambda a: bx.linalg.cholesky(positive(a), upper=True),
    "eigvalsh": lambda a: bx.linalg.eigvalsh(symmetric(a)),
    "eigh": lambda a: bx.linalg.eigh(symmetric(a))[1].abs(),
    "svd": lambda a: [t.abs() for t in bx.linalg.svd(a[..., :3], full_matrices=False)],
    "svd, wide": lambda a: [t.abs() for t in bx.linalg.svd(a[..., :3, :], full_matrices=False)],
    "lstsq": lambda a: bx.linalg.lstsq(a[..., :3], a[..., 3:])[0],
    "householder_product": lambda a: bx.linalg.householder_product(a[..., :3], a[..., 0, :3]),
    "lu_solve": lambda a: bx.linalg.lu_solve(*bx.linalg.lu_factor(a), a[..., :2], adjoint=True),
    "lu_unpack": lambda a: bx.lu_unpack(*bx.linalg.lu_factor(a))[1:],
    "ormqr": lambda a: bx.ormqr(a[..., :2], a[..., 0, :2], a),
}


@pytest.mark.parametrize("function", DERIVATIVES.values(), ids=DERIVATIVES.keys())
def test_derivative_is_the_finite_difference(function: Any) -> None:
    check = DirectionCheck(function, [SQUARE])
    check.first()
    check.second()


def test_determinant_of_a_singular_matrix_has_a_gradient() -> None:
    a = bx.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=bx.float64, requires_grad=True)
    (g,) = bx.autograd.grad(bx.det(a), a)
    np.testing.assert_allclose(g.numpy(), [[4.0, -2.0], [-2.0, 1.0]], atol=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda: bx.linalg.inv(bx.zeros(2, 2)),
        lambda: bx.linalg.solve(bx.zeros(2, 2), bx.ones(2)),
        lambda: bx.linalg.cholesky(-bx.eye(2)),
        lambda: bx.linalg.svd(bx.full((2, 2), float("nan"))),
        lambda: bx.linalg.eigh(bx.full((2, 2), float("nan"))),
    ],
)
def test_singular_input_raises_linalgerror(call: Any) -> None:
    with pytest.raises(bx.linalg.LinAlgError, match=r"\[linalg\."):
        call()
    assert issubclass(bx.linalg.LinAlgError, RuntimeError)


def test_general_eigenvalues_need_complex_numbers() -> None:
    for f in (bx.linalg.eig, bx.linalg.eigvals):
        with pytest.raises(NotImplementedError, match="complex"):
            f(bx.eye(2))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: bx.einsum(), ValueError),
        (lambda: bx.einsum("ij"), ValueError),
        (lambda: bx.einsum("i.j", bx.ones(2, 2)), RuntimeError),
        (lambda: bx.einsum("...i...", bx.ones(2, 2)), RuntimeError),
        (lambda: bx.einsum("\u00e9", bx.ones(2)), RuntimeError),
        (lambda: bx.einsum("i,i", bx.ones(2), bx.ones(3)), RuntimeError),
        (lambda: bx.einsum(bx.ones(2), [60]), ValueError),
        (lambda: bx.einsum(bx.ones(2), ["a"]), TypeError),
        (lambda: bx.tensordot(bx.ones(2), bx.ones(2), 5), RuntimeError),
        (lambda: bx.lu_unpack(bx.ones(3, 3), bx.ones(5, dtype=bx.int32)), RuntimeError),
        (lambda: bx.lu_unpack(bx.ones(3, 3), bx.zeros(3, dtype=bx.int32)), RuntimeError),
        (lambda: bx.orgqr(bx.ones(4, 3, 3), bx.ones(1, 3)), RuntimeError),
        (lambda: bx.ormqr(bx.ones(2, 3, 3), bx.ones(3), bx.ones(3, 4)), RuntimeError),
        (lambda: bx.linalg.matrix_norm(bx.ones(2, 2), dim=(0, 0)), RuntimeError),
    ],
)
def test_bad_call_says_what_is_wrong(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^\[\w+\] "):
        call()
