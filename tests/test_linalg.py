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


@pytest.mark.parametrize("seed", [2637, 2837])
def test_svd_ends_where_the_square_of_a_column_vanishes(seed: int) -> None:
    draw = np.random.default_rng(seed)
    a = np.outer(draw.standard_normal(4), draw.standard_normal(4)).astype(np.float32)
    u, s, vh = bx.linalg.svd(bx.tensor(a))
    np.testing.assert_allclose((u * s @ vh).numpy(), a, atol=1e-6)
    np.testing.assert_allclose((u.mT @ u).numpy(), np.eye(4), atol=1e-6)


def ratios(z: Any) -> Any:
    """What is left of vectors that are known up to a factor."""
    return bx.view_as_real(z[..., 1:, :] / z[..., :1, :]) if z.ndim > 2 else z.abs()


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
    "eigvals": lambda a: bx.view_as_real(bx.linalg.eigvals(a)),
    "eig": lambda a: [t.abs() for t in bx.linalg.eig(a)],
    "eig, by a ratio": lambda a: [ratios(t) for t in bx.linalg.eig(a)],
    "complex solve": lambda a: bx.view_as_real(
        bx.linalg.solve(bx.complex(a, a.mT), bx.complex(a[..., :2], a[..., 2:]))
    ),
    "complex inv": lambda a: bx.view_as_real(bx.linalg.inv(bx.complex(a, a.mT))),
    "ormqr": lambda a: bx.ormqr(a[..., :2], a[..., 0, :2], a),
}


def hermitian(z: Any) -> Any:
    return z + z.mH


def definite(z: Any) -> Any:
    return z @ z.mH + bx.eye(3, dtype=z.dtype)


def free_of_angles(u: Any) -> Any:
    """Projections on columns that are known up to a factor of length 1."""
    return u.unsqueeze(-2) * u.conj().unsqueeze(-3)


def parts_of_svd(z: Any) -> Any:
    u, s, vh = bx.linalg.svd(z, full_matrices=False)
    return free_of_angles(u), s, u[..., :1] @ vh[:1]


# Of complex matrices of 3 rows and 4 columns.
COMPLEX_DERIVATIVES: dict[str, Any] = {
    "cholesky": lambda z: bx.linalg.cholesky(definite(z)),
    "cholesky, upper": lambda z: bx.linalg.cholesky(definite(z), upper=True),
    "cholesky_inverse": lambda z: bx.cholesky_inverse(bx.linalg.cholesky(definite(z))),
    "cholesky_solve": lambda z: bx.cholesky_solve(z, bx.linalg.cholesky(definite(z))),
    "eigvalsh": lambda z: bx.linalg.eigvalsh(hermitian(z[:, :3]), UPLO="U"),
    "eigh": lambda z: free_of_angles(bx.linalg.eigh(hermitian(z[:, :3]))[1]),
    "eigvals": lambda z: bx.linalg.eigvals(z[:, :3]),
    "eig": lambda z: free_of_angles(bx.linalg.eig(z[:, :3])[1]),
    "svdvals": bx.linalg.svdvals,
    "svd": lambda z: parts_of_svd(z[:, :3]),
    "svd, tall": lambda z: parts_of_svd(z[:, :2]),
    "svd, wide": parts_of_svd,
    "qr": lambda z: bx.linalg.qr(z[:, :3]),
    "qr, tall": lambda z: bx.linalg.qr(z[:, :2]),
    "qr, wide": bx.linalg.qr,
    "lu": lambda z: bx.linalg.lu(z[:, :3])[1:],
    "lu, tall": lambda z: bx.linalg.lu(z[:, :2])[1:],
    "lu, wide": lambda z: bx.linalg.lu(z)[1:],
    "lu_solve": lambda z: bx.linalg.lu_solve(*bx.linalg.lu_factor(z[:, :3]), z),
    "lu_solve, adjoint": lambda z: bx.linalg.lu_solve(
        *bx.linalg.lu_factor(z[:, :3]), z.mT, left=False, adjoint=True
    ),
    "solve": lambda z: bx.linalg.solve(z[:, :3], z),
    "solve_triangular": lambda z: bx.linalg.solve_triangular(
        z[:, :3], z.mT, upper=True, left=False
    ),
    "inv": lambda z: bx.linalg.inv(z[:, :3]),
    "det": lambda z: bx.linalg.det(z[:, :3]),
    "slogdet": lambda z: bx.linalg.slogdet(z[:, :3]),
    "logdet": lambda z: bx.logdet(z[:, :3]),
    "pinv": bx.linalg.pinv,
    "pinv, hermitian": lambda z: bx.linalg.pinv(hermitian(z[:, :3]), hermitian=True),
    "lstsq": lambda z: bx.linalg.lstsq(z.mH, z.mT)[0],
    "matrix_exp": lambda z: bx.matrix_exp(z[:, :3]),
    "matrix_power": lambda z: bx.linalg.matrix_power(z[:, :3], -2),
    "norm": lambda z: [bx.linalg.matrix_norm(z, order) for order in (2, -2, "nuc")],
    "cond": bx.linalg.cond,
    "householder_product": lambda z: bx.linalg.householder_product(z[:, :3], z[0, :3]),
    "ormqr": lambda z: bx.ormqr(z[:, :2], z[0, :2], z, transpose=True),
}


@pytest.mark.parametrize("function", COMPLEX_DERIVATIVES.values(), ids=COMPLEX_DERIVATIVES.keys())
def test_derivative_of_complex_matrices_is_the_finite_difference(function: Any) -> None:
    draw = np.random.default_rng(4).standard_normal((3, 4, 2))
    z = bx.tensor(draw.view(complex)[..., 0], requires_grad=True)
    assert bx.autograd.gradcheck(function, z)
    assert bx.autograd.gradgradcheck(function, z, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("function", DERIVATIVES.values(), ids=DERIVATIVES.keys())
def test_derivative_is_the_finite_difference(function: Any) -> None:
    check = DirectionCheck(function, [SQUARE])
    check.first()
    check.second()


def test_determinant_of_a_singular_matrix_has_a_gradient() -> None:
    a = bx.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=bx.float64, requires_grad=True)
    (g,) = bx.autograd.grad(bx.det(a), a)
    np.testing.assert_allclose(g.numpy(), [[4.0, -2.0], [-2.0, 1.0]], atol=1e-12)
    z = bx.tensor([[1.0, 2j], [2j, -4.0]], dtype=bx.complex128, requires_grad=True)
    assert bx.autograd.gradcheck(bx.det, z)
    (g,) = bx.autograd.grad(bx.det(z).real, z)
    np.testing.assert_allclose(g.numpy(), [[-4.0, 2j], [2j, 1.0]], atol=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda: bx.linalg.inv(bx.zeros(2, 2)),
        lambda: bx.linalg.solve(bx.zeros(2, 2), bx.ones(2)),
        lambda: bx.linalg.cholesky(-bx.eye(2)),
        lambda: bx.linalg.svd(bx.full((2, 2), float("nan"))),
        lambda: bx.linalg.eigh(bx.full((2, 2), float("nan"))),
        lambda: bx.linalg.eig(bx.full((2, 2), float("nan"))),
        lambda: bx.linalg.eigvals(bx.full((2, 2), float("inf"))),
        lambda: bx.linalg.inv(bx.zeros(2, 2, dtype=bx.complex64)),
        lambda: bx.linalg.svd(bx.full((2, 2), float("nan") * 1j)),
        lambda: bx.linalg.eigh(bx.full((2, 2), float("inf") * 1j)),
        lambda: bx.linalg.eig(bx.full((2, 2), float("inf") + 0j)),
        lambda: bx.linalg.cholesky(-bx.eye(2, dtype=bx.complex64)),
    ],
)
def test_singular_input_raises_linalgerror(call: Any) -> None:
    with pytest.raises(bx.linalg.LinAlgError, match=r"\[linalg\."):
        call()
    assert issubclass(bx.linalg.LinAlgError, RuntimeError)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (9, 9), (2, 3, 5, 5), (0, 0), (2, 0, 0)])
def test_eig_gives_back_the_matrix(shape: tuple[int, ...], dtype: str) -> None:
    a = bx.tensor(DRAW.standard_normal(shape), dtype=getattr(bx, dtype))
    w, v = bx.linalg.eig(a)
    assert w.shape == shape[:-1]
    assert v.shape == shape
    assert w.dtype == v.dtype == a.dtype.to_complex()
    z = bx.complex(a, bx.zeros_like(a))
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    np.testing.assert_allclose((z @ v).numpy(), (v * w.unsqueeze(-2)).numpy(), atol=tolerance)
    lengths = (v.abs() ** 2).sum(-2)
    np.testing.assert_allclose(lengths.numpy(), np.ones(lengths.shape), rtol=tolerance)
    np.testing.assert_array_equal(bx.linalg.eigvals(a).numpy(), w.numpy())
    if a.numel():
        largest = v.abs().argmax(-2, keepdim=True)
        assert v.imag.gather(-2, largest).abs().max() == 0


@pytest.mark.parametrize("name", ["eig", "eigh", "svd"])
def test_a_loss_of_the_angle_of_vectors_has_no_derivative(name: str) -> None:
    a = bx.tensor(SQUARE * (1 if name == "eig" else 1 + 2j), requires_grad=True)
    vectors = getattr(bx.linalg, name)(a)[0 if name == "svd" else 1]
    with pytest.raises(RuntimeError, match=rf"\[{name}_backward\].*angle"):
        vectors[1].imag.sum().backward()


def adjoint(a: Any) -> Any:
    return np.swapaxes(a.conj(), -1, -2)


COMPLEX_MATRICES: dict[str, Any] = {
    "random": lambda draw: draw(5, 5),
    "tall": lambda draw: draw(9, 3),
    "wide": lambda draw: draw(2, 3, 7),
    "one row": lambda draw: draw(1, 4),
    "none": lambda draw: draw(0, 3, 3),
    "empty": lambda draw: draw(4, 0),
    "zero": lambda draw: 0 * draw(4, 4),
    "of rank 2": lambda draw: draw(6, 2) @ draw(2, 4),
    "unitary": lambda draw: np.linalg.qr(draw(6, 6))[0],
    "with repeated values": lambda draw: 1j * np.eye(4),
    "large": lambda draw: 1e150 * draw(4, 4),
    "small": lambda draw: 1e-150 * draw(4, 4),
    "graded": lambda draw: draw(8, 8) * 10.0 ** -np.arange(8),
    "real": lambda draw: draw(5, 5).real + 0j,
    "transposed": lambda draw: draw(2, 4, 5).swapaxes(1, 2),
}


@pytest.mark.parametrize("kind", COMPLEX_MATRICES)
def test_complex_factors_give_back_the_matrix(kind: str) -> None:
    random = np.random.default_rng(8)
    z = COMPLEX_MATRICES[kind](lambda *n: random.standard_normal((*n, 2)).view(complex)[..., 0])
    a, size = bx.tensor(z), np.abs(z).max(initial=0)

    def same(found: Any, expected: Any, by: float = size) -> None:
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-14 * by)

    def unitary(q: Any) -> None:
        same(
            adjoint(q) @ q,
            np.broadcast_to(np.eye(q.shape[-1]), (*q.shape[:-2], *q.shape[-1:] * 2)),
            1,
        )

    def numbers(parts: Any) -> Any:
        return [t.numpy() for t in parts]

    k = min(z.shape[-2:])
    for full in (False, True):
        u, s, vh = numbers(bx.linalg.svd(a, full_matrices=full))
        same((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], z)
        same(s, np.linalg.svd(z, compute_uv=False))
        unitary(u)
        unitary(adjoint(vh))
    for mode in ("reduced", "complete"):
        q, r = numbers(bx.linalg.qr(a, mode))
        same(q @ r, z)
        unitary(q)
        assert not np.tril(r, -1).any()
        assert not np.diagonal(r, 0, -2, -1).imag[..., : k - 1].any()
    p, lower, upper = numbers(bx.linalg.lu(a))
    same(p @ lower @ upper, z)
    if z.shape[-1] != z.shape[-2]:
        return
    w, v = numbers(bx.linalg.eig(a))
    same(z @ v, v * w[..., None, :])
    h = z + adjoint(z)
    for triangle in ("L", "U"):
        w, v = numbers(bx.linalg.eigh(bx.tensor(h), UPLO=triangle))
        same((v * w[..., None, :]) @ adjoint(v), h)
        same(w, np.linalg.eigvalsh(h))
        same(bx.linalg.eigvalsh(bx.tensor(h), UPLO=triangle).numpy(), w)
        unitary(v)
        # The angle is LAPACK's: its reflections leave this row as it is.
        assert not v[..., 0 if triangle == "L" else -1, :].imag.any()


def test_of_complex_matrices_one_triangle_is_read() -> None:
    z = np.random.default_rng(8).standard_normal((4, 4, 2)).view(complex)[..., 0]
    h = z @ adjoint(z)
    np.testing.assert_allclose(
        bx.linalg.cholesky(bx.tensor(np.tril(h))).numpy(), np.linalg.cholesky(h)
    )
    upper = bx.linalg.cholesky(bx.tensor(np.triu(h)), upper=True).numpy()
    np.testing.assert_allclose(upper, adjoint(np.linalg.cholesky(h)))
    for triangle, read in (("L", np.tril), ("U", np.triu)):
        w = bx.linalg.eigvalsh(bx.tensor(read(h)), UPLO=triangle).numpy()
        np.testing.assert_allclose(w, np.linalg.eigvalsh(h))


@pytest.mark.parametrize("shape", [(2, 2), (3, 4, 4)])
def test_complex_systems_are_solved(shape: tuple[int, ...]) -> None:
    z = DRAW.standard_normal(shape) + 1j * DRAW.standard_normal(shape)
    b = DRAW.standard_normal((*shape[:-1], 3)) + 1j
    a = bx.tensor(z)
    np.testing.assert_allclose(bx.linalg.inv(a).numpy(), np.linalg.inv(z), rtol=1e-10)
    x = bx.linalg.solve(a, bx.tensor(b))
    np.testing.assert_allclose(x.numpy(), np.linalg.solve(z, b), rtol=1e-10)
    y = bx.linalg.solve(a, bx.tensor(b[..., 0]))
    np.testing.assert_allclose(y.numpy(), x[..., 0].numpy(), rtol=1e-12)


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


def _general(kind: int, n: int, draw: np.random.RandomState) -> Any:
    a = draw.randn(n, n)
    return [
        a,
        a + a.T,
        np.tril(a),
        a * (draw.rand(n, n) < 0.4),
        a * 10.0 ** draw.randint(-4, 5, (n, 1)),
        np.round(a),
        np.diag(np.ones(n - 1), -1) + np.outer(np.arange(n) == 0, a[0]),
    ][kind]


@pytest.mark.parametrize("kind", range(7))
def test_eig_of_many_shapes_of_matrices(kind: int) -> None:
    draw = np.random.RandomState(kind)
    for n in (1, 2, 3, 5, 8, 40):
        a = _general(kind, n, draw)
        values, vectors = (t.numpy() for t in bx.linalg.eig(bx.tensor(a)))
        np.testing.assert_allclose(a @ vectors, vectors * values, atol=1e-10 * np.abs(a).max())
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), 1)
        np.testing.assert_allclose(values.sum(), np.trace(a), atol=1e-9 * np.abs(a).max())


def test_eigenvalues_come_in_the_order_of_lapack() -> None:
    a = bx.tensor([[1, 0.2, 0.1, 0.3], [0.2, 3, 0.1, 0.2], [0.1, 0.1, 5, 0.4], [0.3, 0.2, 0.4, 8]])
    values, vectors = bx.linalg.eig(a)
    expected = [0.9677243, 8.0756018, 3.0052421, 4.9514315]
    np.testing.assert_allclose(values.real.numpy(), expected, rtol=1e-5)
    assert [x > 0 for x in vectors.real[0].tolist()] == [True, False, True, False]
    lower = bx.linalg.eigvals(bx.tensor([[1.0, 0, 0], [2, 3, 0], [4, 5, 6]]))
    assert lower.real.tolist() == [6, 3, 1]
    turning = bx.linalg.eigvals(bx.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 2]]))
    assert turning.tolist() == [1j, -1j, 2]
