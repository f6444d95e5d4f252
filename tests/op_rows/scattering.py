"""Gather and scatter, and writes at indices and masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .row import Flags, Real, Row, Whole, case, row

INTS = ("int64", "int32", "uint8")


@dataclass(frozen=True)
class Distinct(Whole):
    """Indices of which no two are equal along dim 0."""

    def draw(self, rng: np.random.Generator) -> Any:
        span = np.arange(self.low, self.high + 1)
        columns = [rng.permutation(span)[: self.shape[0]] for _ in range(self._columns())]
        return np.stack(columns, 1).reshape(self.shape).astype(self.dtype)

    def _columns(self) -> int:
        return int(np.prod(self.shape[1:]))


def x(*shape: int) -> Real:
    """Plain numbers."""
    return Real(shape, whole=(-9, 9))


def spots(*shape: int, high: int) -> Whole:
    """Indices, some of them equal."""
    return Whole(shape, 0, high)


def _places(dim: int, index: Any) -> Any:
    grids = list(np.meshgrid(*(np.arange(n) for n in index.shape), indexing="ij"))
    grids[dim] = index
    return tuple(grids)


def _gather(a: Any, dim: int, index: Any, **_: Any) -> Any:
    if a.ndim == 0:
        return np.broadcast_to(a, index.shape)
    if index.ndim == 0:
        return a[index]
    return a[_places(dim % a.ndim, index)]


REDUCTIONS = {
    "sum": np.add,
    "prod": np.multiply,
    "amax": np.maximum,
    "amin": np.minimum,
    "mean": np.add,
}


def _scatter(
    a: Any, dim: int, index: Any, src: Any, reduce: str = "", include_self: bool = True
) -> Any:
    out = a.copy()
    if a.ndim == 0:
        out, index, src = out.reshape(1), index.reshape(1), np.reshape(src, (1,))
    places = _places(dim % out.ndim, index)
    if not reduce:
        out[places] = src
        return out.reshape(a.shape)
    largest = np.inf if a.dtype.kind == "f" else np.iinfo(a.dtype).max
    least = -np.inf if a.dtype.kind == "f" else np.iinfo(a.dtype).min
    if not include_self:
        start = {"prod": 1, "amax": least, "amin": largest}.get(reduce, 0)
        out[places] = start
    REDUCTIONS[reduce].at(out, places, src)
    if reduce == "mean":
        count = np.full(out.shape, int(include_self))
        np.add.at(count, places, 1)
        count = np.maximum(count, 1)
        out = out / count if a.dtype.kind == "f" else (out // count).astype(a.dtype)
    return out.reshape(a.shape)


def _spread(a: Any, dim: int, index: Any) -> Any:
    shape = list(a.shape)
    shape[dim] = index.size
    line = [1] * a.ndim
    line[dim] = -1
    return np.broadcast_to(index.reshape(line), shape)


def _index_add(a: Any, dim: int, index: Any, source: Any, alpha: Any = 1) -> Any:
    return _scatter(
        a, dim, _spread(a, dim, index), source * np.asarray(alpha).astype(a.dtype), "sum"
    )


def _index_copy(a: Any, dim: int, index: Any, source: Any) -> Any:
    return _scatter(a, dim, _spread(a, dim, index), source)


def _index_fill(a: Any, dim: int, index: Any, value: Any) -> Any:
    out = np.moveaxis(a.copy(), dim, 0)
    out[index] = value
    return np.moveaxis(out, 0, dim)


def _index_reduce(a: Any, dim: int, index: Any, src: Any, reduce: str, **kwargs: Any) -> Any:
    return _scatter(a, dim, _spread(a, dim, index), src, reduce, **kwargs)


def _put(a: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    out = a.reshape(-1).copy()
    if accumulate:
        np.add.at(out, index.reshape(-1), source.reshape(-1))
    else:
        out[index.reshape(-1)] = source.reshape(-1)
    return out.reshape(a.shape)


def _along(a: Any, indices: Any, dim: Any = None) -> Any:
    if dim is None:
        return a.reshape(-1)[indices.reshape(-1)]
    return np.take_along_axis(a, indices, dim)


def _index_put(a: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    out = a.copy()
    if accumulate:
        np.add.at(out, tuple(indices), values)
    else:
        out[tuple(indices)] = values
    return out


def _replaced(a: Any, src: Any, view: Any) -> Any:
    out = a.copy()
    view(out)[...] = src
    return out


def _diagonal_scatter(a: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    out = a.copy()
    i = np.arange(src.shape[-1])
    front = np.moveaxis(out, (dim1, dim2), (0, 1))
    front[i + max(0, -offset), i + max(0, offset)] = np.moveaxis(src, -1, 0)
    return out


def _as_strided_scatter(a: Any, src: Any, size: Any, stride: Any, offset: int = 0) -> Any:
    flat = a.reshape(-1).copy()
    walk = sum(i * s for i, s in zip(np.indices(size), stride, strict=True)) + offset
    flat[walk] = src
    return flat.reshape(a.shape)


def _fill_diagonal(a: Any, value: Any, wrap: bool = False) -> Any:
    out = a.copy()
    np.fill_diagonal(out, value, wrap)
    return out


def _masked_fill(a: Any, mask: Any, value: Any) -> Any:
    return np.where(mask, np.asarray(value, a.dtype), a)


def _masked_select(a: Any, mask: Any) -> Any:
    a, mask = np.broadcast_arrays(a, mask)
    return a[mask]


def _masked_scatter(a: Any, mask: Any, source: Any) -> Any:
    shape = np.broadcast_shapes(a.shape, mask.shape)
    out = np.broadcast_to(a, shape).copy()
    mask = np.broadcast_to(mask, shape)
    out[mask] = source.reshape(-1)[: mask.sum()]
    return out


def _rows(name: str, reference: Any, *cases: Any, **options: Any) -> Row:
    return row(name, reference, *cases, **{"whole_dtypes": INTS, **options})


def _both(name: str, reference: Any, *cases: Any, **options: Any) -> list[Row]:
    """An operation and its in-place form."""
    return [_rows(name, reference, *cases, inplace=True, **options)]


SCATTER = [
    _rows(
        "gather",
        _gather,
        case(x(3, 4), 1, spots(3, 2, high=3)),
        case(x(3, 4), 0, spots(5, 4, high=2)),
        case(x(2, 3, 4), -2, spots(2, 5, 3, high=2), sparse_grad=False),
        case(x(3), 0, Whole((), 0, 2)),
        case(x(), 0, spots(2, high=0)),
        case(x(3, 4), 1, spots(3, 0, high=0)),
    ),
    *_both(
        "scatter",
        _scatter,
        case(x(4, 3), 0, Distinct((2, 3), 0, 3), x(2, 3)),
        case(x(4, 3), 0, Distinct((2, 2), 0, 3, "int32"), x(2, 2)),
        case(x(4, 3), 0, Distinct((2, 3), 0, 3), 2),
        case(x(), 0, Whole((), 0, 0), x()),
    ),
    *_both(
        "scatter_add",
        lambda a, d, i, s: _scatter(a, d, i, s, "sum"),
        case(x(4, 3), 0, spots(5, 3, high=3), x(5, 3)),
        case(x(2, 3, 4), 1, spots(2, 5, 4, high=2), x(2, 5, 4)),
        case(x(4, 3), 1, spots(4, 0, high=0), x(4, 0)),
        case(x(), 0, Whole((), 0, 0), x()),
    ),
    *_both(
        "scatter_reduce",
        _scatter,
        *(
            case(x(4, 3), 0, spots(5, 3, high=3), x(5, 3), reduce, include_self=own)
            for reduce in ("sum", "prod", "mean", "amax", "amin")
            for own in (True, False)
        ),
        case(x(2, 3, 4), -1, spots(2, 3, 6, high=3), x(2, 3, 6), reduce="prod"),
    ),
]

INDICES = [
    _rows(
        "index_select",
        lambda a, d, i: a.take(np.atleast_1d(i), d) if a.ndim else a,
        case(x(4, 3), 0, Whole((5,), 0, 3)),
        case(x(2, 3), -1, Whole((2,), 0, 2, "int32")),
        case(x(2, 3), 1, Whole((0,))),
        case(x(3), 0, Whole((), 0, 2)),
        case(x(), 0, Whole((1,), 0, 0)),
    ),
    *_both(
        "index_add",
        _index_add,
        case(x(4, 3), 0, spots(5, high=3), x(5, 3)),
        case(x(4, 3), 1, spots(2, high=2), x(4, 2), alpha=2),
        case(x(2, 3, 4), 1, spots(2, high=2), x(2, 2, 4), alpha=-1),
    ),
    *_both(
        "index_copy",
        _index_copy,
        case(x(4, 3), 0, Distinct((2,), 0, 3), x(2, 3)),
        case(x(4, 3), -1, Distinct((2,), 0, 2), x(4, 2)),
    ),
    *_both(
        "index_fill",
        _index_fill,
        case(x(4, 3), 0, Distinct((2,), -2, 1), 2.0),
        case(x(4, 3), -1, Distinct((2,), 0, 2), x()),
        case(x(4), 0, Whole((0,)), 3),
        whole_dtypes=("int64",),
    ),
    *_both(
        "index_reduce",
        _index_reduce,
        *(
            case(x(4, 3), 0, spots(5, high=3), x(5, 3), reduce, include_self=own)
            for reduce in ("prod", "mean", "amax", "amin")
            for own in (True, False)
        ),
    ),
    _rows(
        "take",
        lambda a, i: a.reshape(-1)[i],
        case(x(3, 4), Whole((2, 3), -12, 11)),
        case(x(3, 4), Whole((), 0, 11)),
        case(x(), Whole((2,), 0, 0)),
    ),
    *_both(
        "put",
        _put,
        case(x(3, 4), Distinct((2,), -6, 5), x(2)),
        case(x(3, 4), spots(2, 3, high=11), x(2, 3), accumulate=True),
    ),
    _rows(
        "take_along_dim",
        _along,
        case(x(3, 4), spots(3, 2, high=3), 1),
        case(x(3, 4), spots(1, 2, high=3), 1),
        case(x(1, 4), Whole((3, 4), -1, 0), 0),
        case(x(3, 4), spots(5, high=11)),
    ),
    _rows(
        "index_put",
        _index_put,
        case(x(5, 2), (Whole((3,), 0, 0),), x(2), True),
        case(x(5, 2), [Whole((3,), 0, 4), Whole((3,), 0, 1)], x(3), accumulate=True),
        case(x(5, 2), (Whole((1,), 0, 4),), x(1, 2)),
        case(x(3, 4), (Flags((3, 4)),), x()),
        inplace=True,
    ),
]

MASKS = [
    _rows(
        "masked_select",
        _masked_select,
        case(x(3, 4), Flags((3, 4))),
        case(x(3, 1), Flags((4,))),
        case(x(0, 2), Flags((2,))),
    ),
    *_both(
        "masked_fill",
        _masked_fill,
        case(x(3, 4), Flags((3, 4)), 2.0),
        case(x(3, 4), Flags((4,)), x()),
        case(x(4), Flags((3, 4)), x()),
        case(x(0, 4), Flags((4,)), 1),
    ),
    *_both(
        "masked_scatter",
        _masked_scatter,
        case(x(3, 4), Flags((3, 4)), x(3, 5)),
        case(x(3, 4), Flags((4,)), x(12)),
        case(x(3, 4), Flags((3, 1)), x(2, 6)),
    ),
    _rows(
        "argwhere",
        np.argwhere,
        case(Real((3, 4), step=1.0, whole=(0, 1))),
        case(Real((0, 2), whole=(0, 1))),
        order=0,
        result="int64",
        whole_result="int64",
    ),
]

PARTS = [
    _rows(
        "select_scatter",
        lambda a, s, d, i: _replaced(a, s, lambda v: np.moveaxis(v, d, 0)[i]),
        case(x(3, 4), x(4), 0, 1),
        case(x(3, 4), x(3), 1, -1),
    ),
    _rows(
        "slice_scatter",
        lambda a, s, d=0, start=None, end=None, step=1: _replaced(
            a, s, lambda v: np.moveaxis(np.moveaxis(v, d, 0)[start:end:step], 0, d)
        ),
        case(x(5, 2), x(3, 2), 0, 1, 4),
        case(x(2, 5), x(2, 3), 1, step=2),
        case(x(3), x(3)),
    ),
    _rows(
        "diagonal_scatter",
        _diagonal_scatter,
        case(x(3, 4), x(3)),
        case(x(3, 4), x(2), -1),
        case(x(2, 3, 3), x(2, 2), 1, 1, 2),
    ),
    _rows(
        "as_strided_scatter",
        _as_strided_scatter,
        case(x(12), x(2, 3), (2, 3), (4, 1)),
        case(x(3, 4), x(2, 2), (2, 2), (1, 2), 3),
        torch=False,  # its gradient of input is not 0 where src stands, but everywhere else
    ),
    _rows("fill_diagonal_", _fill_diagonal, case(x(3, 4), 2.0), case(x(7, 2), 1.0, True)),
]

ROWS = [*SCATTER, *INDICES, *MASKS, *PARTS]
