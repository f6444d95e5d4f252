"""Shapes, slices, joins, indices, copies and conversions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Real, Row, case, row

INTS = ("int64", "int32", "uint8", "bool")


def x(*shape: int) -> Real:
    """A tensor of plain numbers."""
    return Real(shape, whole=(-9, 9))


def _sizes(a: Any, *size: Any) -> tuple[int, ...]:
    flat = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    own = (None,) * (len(flat) - a.ndim) + a.shape
    return tuple(o if s == -1 else s for s, o in zip(flat, own, strict=True))


def _reshape(a: Any, *shape: Any, **kwargs: Any) -> Any:
    return a.reshape(*shape, *kwargs.values())


def _permute(a: Any, *dims: Any) -> Any:
    return a.transpose(*dims) if dims != ((),) else a


def _flatten(a: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    if a.ndim == 0:
        return a.reshape(1)
    start, end = start_dim % a.ndim, end_dim % a.ndim
    joined = int(np.prod(a.shape[start : end + 1]))
    return a.reshape((*a.shape[:start], joined, *a.shape[end + 1 :]))


def _unflatten(a: Any, dim: int, sizes: Any) -> Any:
    dim %= a.ndim
    return a.reshape((*a.shape[:dim], *sizes, *a.shape[dim + 1 :]))


def _squeeze(a: Any, dim: Any = None) -> Any:
    if dim is None:
        return np.squeeze(a)
    dims = dim if isinstance(dim, tuple) else (dim,)
    return np.squeeze(a, tuple(d for d in dims if a.ndim and a.shape[d] == 1))


def _diagonal(a: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    return np.diagonal(a, offset, dim1, dim2)


def _as_strided(a: Any, size: Any, stride: Any, storage_offset: int = 0) -> Any:
    walk = storage_offset + sum(
        np.arange(n).reshape([-1 if d == k else 1 for d in range(len(size))]) * s
        for k, (n, s) in enumerate(zip(size, stride, strict=True))
    )
    return np.ascontiguousarray(a).reshape(-1)[walk]


def _split(a: Any, pieces: Any, dim: int = 0) -> Any:
    if isinstance(pieces, int):
        pieces = [min(pieces, a.shape[dim] - k) for k in range(0, a.shape[dim], pieces)]
    return np.split(a, np.cumsum(pieces)[:-1], dim)


def _chunk(a: Any, chunks: int, dim: int = 0) -> Any:
    return _split(a, max(1, -(-a.shape[dim] // chunks)), dim)


def _unbind(a: Any, dim: int = 0) -> Any:
    return [a.take(i, dim) for i in range(a.shape[dim])]


def _filled(a: Any, value: Any, *_: Any) -> Any:
    return np.broadcast_to(value, a.shape).astype(a.dtype)


def _rows(name: str, reference: Any, *cases: Any, **options: Any) -> Row:
    return row(name, reference, *cases, **{"whole_dtypes": INTS, **options})


VIEWS = [
    _rows(
        "view",
        _reshape,
        case(x(2, 6), (3, 4)),
        case(x(2, 6), 3, -1),
        case(x(), (1, 1)),
        case(x(0, 2), (3, 0)),
        case(x(4), -1),
    ),
    _rows("view_as", lambda a, b: a.reshape(b.shape), case(x(2, 6), x(4, 3))),
    _rows(
        "reshape",
        _reshape,
        case(x(2, 6), (3, 4)),
        case(x(2, 3, 2), (-1, 2)),
        case(x(), ()),
        case(x(0, 2), (-1, 2)),
        case(x(6), shape=(2, 3)),
    ),
    _rows(
        "permute",
        _permute,
        case(x(2, 3, 4), (2, 0, 1)),
        case(x(2, 3, 4), (-1, 0, 1)),
        case(x(), ()),
        case(x(0, 3), (1, 0)),
    ),
    _rows(
        "transpose",
        np.swapaxes,
        case(x(2, 3, 4), 0, 2),
        case(x(2, 3), -1, -2),
        case(x(0, 2), 0, 1),
        aliases=("swapaxes", "swapdims"),
    ),
    _rows("t", np.transpose, case(x(2, 3)), case(x(4)), case(x()), case(x(0, 3))),
    _rows(
        "expand",
        lambda a, *s: np.broadcast_to(a, _sizes(a, *s)),
        case(x(3, 1), (2, 3, 4)),
        case(x(3, 1), -1, 5),
        case(x(), (2, 2)),
        case(x(1, 2), (0, 2)),
    ),
    _rows("expand_as", lambda a, b: np.broadcast_to(a, b.shape), case(x(3, 1), x(2, 3, 4))),
    _rows("broadcast_to", np.broadcast_to, case(x(3, 1), (2, 3, 4)), case(x(), (3,))),
    _rows(
        "squeeze",
        _squeeze,
        case(x(1, 3, 1)),
        case(x(1, 3, 1), 0),
        case(x(1, 3, 1), 1),
        case(x(1, 3, 1, 1), (0, -1)),
        case(x()),
        case(x(), 0),
        case(x(1, 0)),
    ),
    _rows("unsqueeze", np.expand_dims, case(x(2, 3), 0), case(x(2, 3), -1), case(x(), 0)),
    _rows(
        "movedim",
        np.moveaxis,
        case(x(2, 3, 4), 0, -1),
        case(x(2, 3, 4), (0, 1), (2, 0)),
        case(x(2, 3, 4), (), ()),
        aliases=("moveaxis",),
    ),
    _rows(
        "flatten",
        _flatten,
        case(x(2, 3, 4)),
        case(x(2, 3, 4), 1),
        case(x(2, 3, 4), 0, 1),
        case(x()),
        case(x(2, 0, 3), 1),
        case(x(5)),
    ),
    _rows("adjoint", lambda a: np.swapaxes(a, -1, -2), case(x(2, 3)), case(x(2, 3, 4))),
    _rows("reshape_as", lambda a, b: a.reshape(b.shape), case(x(2, 6), x(4, 3))),
    _rows("unflatten", _unflatten, case(x(6, 2), 0, (2, 3)), case(x(2, 6), -1, (3, -1))),
    _rows("ravel", np.ravel, case(x(2, 3)), case(x()), case(x(0, 2))),
    _rows("select", lambda a, d, i: a.take(i, d), case(x(2, 3), 1, -1), case(x(4), 0, 2)),
    _rows(
        "narrow",
        lambda a, d, s, n: a.take(range(s % a.shape[d], s % a.shape[d] + n), d),
        case(x(5, 2), 0, 1, 3),
        case(x(2, 5), 1, -3, 2),
        case(x(5), 0, 2, 0),
    ),
    _rows(
        "diagonal",
        _diagonal,
        case(x(3, 4)),
        case(x(3, 4), 1),
        case(x(2, 3, 4), -1, 1, 2),
        case(x(3, 3), 5),
        case(x(2, 3, 3), dim1=-2, dim2=-1),
    ),
    _rows("unbind", _unbind, case(x(3, 2)), case(x(2, 3), 1), case(x(2, 0), 1)),
    _rows(
        "as_strided",
        _as_strided,
        case(x(12), (2, 3), (4, 1)),
        case(x(3, 4), (2, 2), (1, 2), 3),
        case(x(12), (4, 3), (2, 1)),
    ),
    _rows(
        "split",
        _split,
        case(x(5, 2), 2),
        case(x(2, 5), 2, 1),
        case(x(5, 2), (1, 4)),
        case(x(5, 2), [2, 0, 3]),
        case(x(20), [1] * 20),
    ),
    _rows("unsafe_split", _split, case(x(5, 2), 2), case(x(2, 5), 2, 1)),
    _rows(
        "chunk",
        _chunk,
        case(x(5, 2), 2),
        case(x(2, 5), 3, 1),
        case(x(2, 5), 9, -1),
        aliases=("unsafe_chunk",),
    ),
]

JOINS = [
    _rows(
        "cat",
        lambda ts, dim=0: np.concatenate(ts, dim),
        case([x(2, 3), x(1, 3)]),
        case((x(2, 3), x(2, 2), x(2, 0)), 1),
        case([x(4)], -1),
        aliases=("concat", "concatenate"),
    ),
    _rows(
        "stack",
        lambda ts, dim=0: np.stack(ts, dim),
        case([x(2, 3), x(2, 3)]),
        case([x(), x(), x()]),
        case((x(2, 3), x(2, 3)), -1),
        case([x(0), x(0)], 1),
    ),
]

INDICES = [
    _rows(
        "nonzero",
        lambda a: np.argwhere(a),
        case(Real((3, 4), step=1.0, whole=(0, 1))),
        case(Real((5,), step=1.0, whole=(0, 1))),
        case(Real((0, 2), whole=(0, 1))),
        order=0,
        result="int64",
        whole_result="int64",
    ),
]

COPIES = [
    _rows("clone", np.copy, case(x(2, 3)), case(x()), case(x(0, 2))),
    _rows("_lazy_clone", np.copy, case(x(2, 3)), case(x()), case(x(0, 2)), torch=False),
    _rows("contiguous", np.copy, case(x(2, 3)), case(x())),
    _rows("detach", np.copy, case(x(2, 3)), case(x()), inplace=True, order=0),
    _rows(
        "copy_",
        lambda a, b, *_: np.broadcast_to(b, a.shape),
        case(x(2, 3), x(2, 3)),
        case(x(2, 3), x(3)),
        case(x(2, 3), 4.0, True),
        whole_dtypes=("int64", "int32", "uint8"),
    ),
    _rows("fill_", _filled, case(x(2, 3), 2.0), case(x(2, 3), x()), whole_dtypes=("int64",)),
    _rows("zero_", lambda a: np.zeros_like(a), case(x(2, 3)), case(x())),
]

ROWS = [*VIEWS, *JOINS, *INDICES, *COPIES]
