"""Linear algebra. What is unique only up to signs or reads one triangle is in test_linalg.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Real, Row, case, row


def m(*shape: int) -> Real:
    """Matrices of floating-point numbers."""
    return Real(shape)


def linalg_row(name: str, reference: Any, *cases: Any, **options: Any) -> Row:
    """A row with the tolerances of linear algebra."""
    return row(name, reference, *cases, **{"rtol": 3e-5, "torch_rtol": 1e-9, **options})


def _swap(a: Any) -> Any:
    return np.swapaxes(a, -1, -2)


def _solve(a: Any, b: Any, left: bool = True) -> Any:
    if b.ndim == 1 or b.shape == a.shape[:-1]:
        return np.linalg.solve(a, b[..., None])[..., 0]
    return np.linalg.solve(a, b) if left else _swap(np.linalg.solve(_swap(a), _swap(b)))


def _triangle(a: Any, upper: bool, unit: bool) -> Any:
    a = np.triu(a) if upper else np.tril(a)
    eye = np.eye(a.shape[-1])
    return a * (1 - eye) + eye if unit else a


def _solve_triangular(
    a: Any, b: Any, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Any:
    return _solve(_triangle(a, upper, unitriangular), b, left)


def _old_triangular(
    b: Any, a: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    t = _triangle(a, upper, unitriangular)
    return np.linalg.solve(_swap(t) if transpose else t, b), a


def _lu(a: Any) -> Any:
    """(rows, L, U) by elimination with exchanges of rows."""
    u = np.array(a, np.float64)
    rows, k = np.arange(len(u)), min(u.shape)
    for j in range(k):
        p = j + int(np.argmax(np.abs(u[j:, j])))
        u[[j, p]], rows[[j, p]] = u[[p, j]], rows[[p, j]]
        u[j + 1 :, j] /= u[j, j]
        u[j + 1 :, j + 1 :] -= np.outer(u[j + 1 :, j], u[j, j + 1 :])
    return rows, np.tril(u[:, :k], -1) + np.eye(len(u), k), np.triu(u[:k])


def _plu(a: Any, **_: Any) -> Any:
    rows, lower, upper = _lu(a)
    return np.eye(len(rows))[rows].T, lower, upper


def _pivots(rows: Any, k: int) -> Any:
    order, out = list(range(len(rows))), []
    for j in range(k):
        p = order.index(rows[j])
        order[j], order[p] = order[p], order[j]
        out.append(p + 1)
    return np.array(out, np.int32)


def _packed(a: Any, **_: Any) -> Any:
    rows, lower, upper = _lu(a)
    packed = np.zeros(a.shape)
    packed[: len(upper)] += upper
    packed[:, : lower.shape[1]] += np.tril(lower, -1)
    return packed, _pivots(rows, min(a.shape))


FACTORS = [
    linalg_row(
        "linalg.solve_triangular",
        _solve_triangular,
        case(m(3, 3), m(3, 2), upper=True),
        case(m(2, 3, 3), m(3, 1), upper=False, unitriangular=True),
        case(m(3, 3), m(2, 3), upper=True, left=False),
    ),
    linalg_row(
        "triangular_solve",
        _old_triangular,
        case(m(3, 2), m(3, 3)),
        case(m(3, 2), m(3, 3), False, True, True),
        torch=False,
    ),
    *(
        Row(name, (), None, aliases=aliases)
        for name, aliases in (
            ("cholesky", ("linalg.cholesky",)),
            ("linalg.cholesky_ex", ()),
            ("linalg.eigh", ()),
            ("linalg.eigvalsh", ()),
            ("linalg.svd", ()),
            ("svd", ()),
            ("linalg.eig", ("linalg.eigvals",)),
            ("linalg.lstsq", ()),
            ("geqrf", ()),
            ("ormqr", ()),
        )
    ),
    linalg_row("linalg.lu_factor", _packed, case(m(3, 3)), case(m(4, 2)), case(m(2, 4))),
    linalg_row(
        "linalg.lu_factor_ex",
        lambda a: (*_packed(a), np.int32(0)),
        case(m(3, 3)),
        case(m(2, 3)),
    ),
    linalg_row("linalg.lu", _plu, case(m(3, 3)), case(m(4, 2)), case(m(2, 4))),
    linalg_row(
        "linalg.qr",
        lambda a, mode="reduced": np.linalg.qr(a, mode),
        case(m(4, 2)),
        case(m(3, 3)),
        case(m(2, 3, 4)),
    ),
    linalg_row("qr", lambda a, some=True: np.linalg.qr(a), case(m(4, 2)), torch=False),
]

SYSTEMS = [
    linalg_row(
        "det",
        np.linalg.det,
        case(m(3, 3)),
        case(m(2, 2, 2)),
        case(m(1, 1)),
        aliases=("linalg.det",),
    ),
    linalg_row("slogdet", np.linalg.slogdet, case(m(3, 3)), aliases=("linalg.slogdet",)),
    linalg_row(
        "logdet", lambda a: np.log(np.linalg.det(a)), case(Real((1, 1), low=0.5)), torch=False
    ),
    linalg_row("inverse", np.linalg.inv, case(m(3, 3)), case(m(2, 2, 2)), aliases=("linalg.inv",)),
    linalg_row("linalg.inv_ex", lambda a: (np.linalg.inv(a), np.int32(0)), case(m(3, 3))),
    linalg_row(
        "linalg.solve",
        _solve,
        case(m(3, 3), m(3, 2)),
        case(m(3, 3), m(3)),
        case(m(2, 3, 3), m(2, 3)),
        case(m(3, 3), m(2, 3), left=False),
    ),
    linalg_row("linalg.solve_ex", lambda a, b: (_solve(a, b), np.int32(0)), case(m(3, 3), m(3, 2))),
    # PyTorch's gradient reaches the triangle that it does not read; finite differences do not.
    linalg_row(
        "cholesky_solve",
        lambda b, a, upper=False: _solve(np.tril(a) @ np.tril(a).T, b),
        case(m(3, 2), m(3, 3)),
        rtol=1e-3,
        torch=False,
    ),
    linalg_row(
        "cholesky_inverse",
        lambda a, upper=False: np.linalg.inv(np.tril(a) @ np.tril(a).T),
        case(m(2, 2)),
        rtol=1e-3,
        torch=False,
    ),
    linalg_row(
        "linalg.tensorinv",
        np.linalg.tensorinv,
        case(m(2, 2, 4)),
        case(m(4, 2, 2), 1),
    ),
    linalg_row(
        "linalg.tensorsolve",
        lambda a, b, dims=None: np.linalg.tensorsolve(a, b, dims),
        case(m(2, 2, 4), m(2, 2)),
    ),
    linalg_row("linalg.svdvals", lambda a: np.linalg.svd(a, compute_uv=False), case(m(3, 2))),
    linalg_row("linalg.pinv", lambda a, **_: np.linalg.pinv(a), case(m(3, 2)), case(m(2, 3, 3))),
    linalg_row("pinverse", lambda a, *_: np.linalg.pinv(a), case(m(2, 3))),
    linalg_row("linalg.matrix_rank", np.linalg.matrix_rank, case(m(3, 2)), order=0),
    linalg_row(
        "linalg.cond",
        lambda a, p=2: np.linalg.cond(a, p),
        case(m(3, 3)),
        case(m(3, 3), 1),
        case(m(2, 2), "fro"),
        torch=False,  # its gradient fails there: a value was written to
        rtol=1e-4,
    ),
]

OTHERS = [
    Row(name, (), None)
    for name in (
        "lu",
        "lu_unpack",
        "linalg.lu_solve",
        "lu_solve",
        "linalg.householder_product",
        "orgqr",
    )
]

ROWS = [*FACTORS, *SYSTEMS, *OTHERS]
