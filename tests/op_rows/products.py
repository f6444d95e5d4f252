"""Norms and products of many kinds, from einsum to the exponential of a matrix."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from .linalg import linalg_row, m
from .row import case


def _vector_norm(a: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    dim = tuple(range(a.ndim)) if dim is None else dim
    if isinstance(dim, int):
        dim = (dim,)
    last = np.moveaxis(a, dim, range(-len(dim), 0))
    out = np.linalg.norm(last.reshape((*last.shape[: a.ndim - len(dim)], -1)), ord, -1)
    return np.expand_dims(out, dim) if keepdim else out


def _matrix_norm(a: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False) -> Any:
    return np.linalg.norm(a, ord, dim, keepdim)


def _linalg_norm(a: Any, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Any:
    if ord is None:
        return _vector_norm(a, 2, dim, keepdim)
    return np.linalg.norm(a, ord, dim, keepdim)


def _exp(a: Any) -> Any:
    y = np.broadcast_to(np.eye(a.shape[-1]), a.shape)
    for k in range(40, 0, -1):
        y = np.eye(a.shape[-1]) + a @ y / k
    return y


def _scaled(product: Any) -> Any:
    def reference(t: Any, a: Any, b: Any, beta: float = 1, alpha: float = 1) -> Any:
        value = alpha * product(a, b)
        return (beta * t if beta else np.zeros_like(t)) + value

    return reference


PRODUCTS = [
    linalg_row(
        "linalg.vector_norm",
        _vector_norm,
        case(m(3, 4)),
        case(m(3, 4), 3, 1, True),
        case(m(2, 3), float("inf"), 0),
        case(m(2, 3), 1),
    ),
    linalg_row(
        "linalg.matrix_norm",
        _matrix_norm,
        case(m(3, 2)),
        case(m(3, 2), "nuc"),
        case(m(2, 3, 2), 2, (0, 1)),
        case(m(3, 2), 1, keepdim=True),
        case(m(3, 2), float("-inf")),
    ),
    linalg_row(
        "linalg.norm",
        _linalg_norm,
        case(m(3, 2)),
        case(m(2, 3, 2), None, 1),
        case(m(3, 2), "nuc"),
        case(m(3), 3),
        case(m(3, 2), 2),
    ),
    linalg_row(
        "matrix_power",
        np.linalg.matrix_power,
        case(m(2, 2), 3),
        case(m(2, 2), 0),
        case(m(2, 2), -2),
        aliases=("linalg.matrix_power",),
        rtol=1e-4,
    ),
    linalg_row("matrix_exp", _exp, case(m(2, 2)), case(m(2, 3, 3)), aliases=("linalg.matrix_exp",)),
    linalg_row(
        "linalg.multi_dot",
        lambda ts: reduce(np.matmul, ts),
        case([m(2, 3), m(3, 4), m(4, 1)]),
        case([m(3), m(3, 2), m(2)]),
    ),
    linalg_row("chain_matmul", lambda *ts: reduce(np.matmul, ts), case(m(2, 3), m(3, 4))),
    linalg_row(
        "linalg.cross", lambda a, b, dim=-1: np.cross(a, b, axis=dim), case(m(2, 3), m(2, 3))
    ),
    linalg_row("cross", lambda a, b, dim=0: np.cross(a, b, axis=dim), case(m(3, 2), m(3, 2), 0)),
    linalg_row(
        "linalg.vecdot",
        lambda a, b, dim=-1: (a * b).sum(dim),
        case(m(2, 3), m(2, 3)),
        case(m(2, 3), m(3)),
    ),
    linalg_row(
        "linalg.diagonal",
        lambda a, offset=0: np.diagonal(a, offset, -2, -1),
        case(m(2, 3, 3)),
        case(m(3, 4), offset=1),
    ),
    linalg_row("linalg.matmul", np.matmul, case(m(2, 3), m(3, 2))),
    linalg_row(
        "linalg.vander",
        lambda x, N=None: np.vander(x, N, increasing=True),
        case(m(3)),
        case(m(3), N=4),
    ),
    linalg_row(
        "vander",
        lambda x, N=None, increasing=False: np.vander(x, N, increasing),
        case(m(3), 2),
        torch=False,  # as cond
    ),
    linalg_row("kron", np.kron, case(m(2, 3), m(2, 2)), case(m(2), m(2, 2))),
    linalg_row("inner", np.inner, case(m(3), m(3)), case(m(2, 3), m(4, 3)), case(m(), m(2))),
    linalg_row("vdot", np.dot, case(m(3), m(3))),
    linalg_row(
        "addmv", _scaled(np.matmul), case(m(2), m(2, 3), m(3), beta=0.5, alpha=2), inplace=True
    ),
    linalg_row("addr", _scaled(np.outer), case(m(2, 3), m(2), m(3)), inplace=True),
    linalg_row(
        "baddbmm", _scaled(np.matmul), case(m(2, 2, 2), m(2, 2, 3), m(2, 3, 2)), inplace=True
    ),
    linalg_row(
        "addbmm",
        _scaled(lambda a, b: (a @ b).sum(0)),
        case(m(2, 2), m(2, 2, 3), m(2, 3, 2)),
        inplace=True,
    ),
    linalg_row(
        "einsum",
        np.einsum,
        case("ij,jk", m(2, 3), m(3, 4)),
        case("bij,bjk->bik", m(2, 2, 3), m(2, 3, 2)),
        case("...ij,...j->...i", m(2, 1, 2, 3), m(4, 3)),
        case("ii->i", m(3, 3)),
        case("ii", m(3, 3)),
        case("i,j,k->kji", m(2), m(3), m(2)),
        case("ijk->kj", m(2, 3, 2)),
        case("i,i->i", m(3), m(3)),
        case("aij,ajk,k->ia", m(2, 2, 3), m(2, 3, 2), m(2)),
    ),
    linalg_row(
        "tensordot",
        np.tensordot,
        case(m(2, 3, 4), m(3, 4, 2)),
        case(m(2, 3), m(3, 2), 1),
        case(m(2), m(3), 0),
        torch=False,
    ),
]

ROWS = PRODUCTS
