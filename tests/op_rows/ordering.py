"""Sorting, ranks, distinct values and binary search."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Real, Row, Whole, case, row

INTS = ("int64",)  # the second result of many rows is int64 whatever the first


def x(*shape: int) -> Real:
    """Plain numbers; as integers they repeat."""
    return Real(shape, whole=(-3, 3))


def _argsort(a: Any, dim: int = -1, descending: bool = False, **_: Any) -> Any:
    if a.ndim == 0:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(a, dim, kind="stable")
    flipped = np.argsort(np.flip(a, dim), dim, kind="stable")  # equal values keep their order
    return np.flip(a.shape[dim] - 1 - flipped, dim)


def _sort(a: Any, dim: int = -1, descending: bool = False, **_: Any) -> Any:
    order = _argsort(a, dim, descending)
    return (np.take_along_axis(a, order, dim) if a.ndim else a), order


def _topk(a: Any, k: int, dim: int = -1, largest: bool = True, **_: Any) -> Any:
    if a.ndim == 0:
        return a, np.zeros((), np.int64)
    return tuple(r.take(range(k), dim) for r in _sort(a, dim, largest))


def _ranked(a: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    if a.ndim == 0:
        return a, np.zeros((), np.int64)
    picked = [r.take([k - 1], dim) for r in _sort(a, dim)]
    return tuple(picked if keepdim else [r.squeeze(dim) for r in picked])


def _median(a: Any, dim: Any = None, keepdim: bool = False) -> Any:
    if dim is None:
        return np.sort(a, None)[(a.size - 1) // 2] if a.size else np.array(np.nan, a.dtype)
    return _ranked(a, ((a.shape[dim] if a.ndim else 1) + 1) // 2, dim, keepdim)


def _mode(a: Any, dim: int = -1, keepdim: bool = False) -> Any:
    def along(line: Any) -> Any:
        values, counts = np.unique(line, return_counts=True)
        best = values[counts.argmax()]
        return best, np.flatnonzero(line == best)[-1]

    found = [np.apply_along_axis(lambda v, i=i: along(v)[i], dim, a) for i in (0, 1)]
    return tuple(np.expand_dims(f, dim) if keepdim else f for f in found)


def _unique(a: Any, _sorted: bool = True, **kwargs: Any) -> Any:
    wanted = {key: value for key, value in kwargs.items() if key != "dim"}
    found = np.unique(a, axis=kwargs.get("dim"), **wanted)
    if kwargs.get("return_inverse") and kwargs.get("dim") is not None:
        return tuple(r.reshape(-1) if i == 1 else r for i, r in enumerate(found))
    return found


def _runs(a: Any, return_inverse: bool = False, return_counts: bool = False) -> Any:
    flat = a.reshape(-1)
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]][: flat.size])
    group = np.zeros(flat.size, np.int64)
    group[starts[1:]] = 1
    found = [flat[starts], group.cumsum().reshape(a.shape), np.diff(np.r_[starts, flat.size])]
    wanted = [True, return_inverse, return_counts]
    return tuple(f for f, w in zip(found, wanted, strict=True) if w)


def _search(bounds: Any, values: Any, right: bool = False, side: Any = None, **more: Any) -> Any:
    after = "right" if right or side == "right" else "left"
    if "sorter" in more:
        bounds = bounds[more["sorter"]]
    if bounds.ndim == 1:
        return np.searchsorted(bounds, values, after)
    rows = zip(
        bounds.reshape(-1, bounds.shape[-1]), values.reshape(-1, values.shape[-1]), strict=True
    )
    return np.array([np.searchsorted(b, v, after) for b, v in rows]).reshape(values.shape)


def _pair(name: str, reference: Any, *cases: Any, **options: Any) -> Row:
    """A row of (values, indices)."""
    return row(name, reference, *cases, **{"whole_dtypes": INTS, **options})


def _indices(name: str, reference: Any, *cases: Any, **options: Any) -> Row:
    """A row of results without a derivative."""
    return row(name, reference, *cases, **{"order": 0, "whole_dtypes": INTS, **options})


class Rising(Real):
    """Numbers that rise along the last dimension."""

    def draw(self, rng: np.random.Generator) -> Any:
        return np.sort(super().draw(rng), -1)

    def draw_whole(self, rng: np.random.Generator, dtype: str) -> Any:
        return np.sort(super().draw_whole(rng, dtype), -1)


class Order(Whole):
    """A permutation."""

    def draw(self, rng: np.random.Generator) -> Any:
        return rng.permutation(self.shape[0])


def rising(*shape: int) -> Rising:
    """Boundaries."""
    return Rising(shape, whole=(-9, 9))


SORTS = [
    _pair(
        "sort",
        _sort,
        case(x(3, 5)),
        case(x(3, 5), 0),
        case(x(2, 4, 3), 1, True),
        case(x(3, 5), stable=True, dim=0, descending=True),
        case(x(600)),
        case(x(2, 300), -1, True),
        case(x()),
        case(x(0, 3)),
    ),
    _indices("argsort", _argsort, case(x(3, 5)), case(x(3, 5), 0, True), case(x(4), stable=True)),
    row("msort", lambda a: np.sort(a, 0), case(x(4, 3)), case(x(5)), whole_dtypes=INTS),
    _pair(
        "topk",
        _topk,
        case(x(3, 5), 2),
        case(x(4, 3), 3, 0, False),
        case(x(200), 2),
        case(x(3, 5), 0),
        case(x(), 1),
        whole_dtypes=(),
    ),
    _pair(
        "kthvalue",
        _ranked,
        case(x(3, 5), 2),
        case(x(4, 3), 4, 0, True),
        case(x(), 1),
        whole_dtypes=(),
    ),
    _pair(
        "median",
        _median,
        case(x(3, 5)),
        case(x(3, 4), 0),
        case(x(3, 4), 1, True),
        case(x()),
        case(x(), 0),
        whole_dtypes=(),
    ),
    _pair("nanmedian", _median, case(x(3, 5)), case(x(3, 4), 1, True), whole_dtypes=()),
    _pair(
        "mode",
        _mode,
        case(Real((3, 5), step=1.0, whole=(-3, 3))),
        case(Real((12,), step=1.0, whole=(-3, 3)), 0, True),
        whole_dtypes=(),
        order=0,
    ),
]

SEARCHES = [
    _indices(
        "unique",
        _unique,
        case(Real((3, 5), step=1.0, whole=(-3, 3))),
        case(Real((3, 5), step=1.0, whole=(-3, 3)), True, return_inverse=True, return_counts=True),
        case(Real((6, 2), -1, 1, step=1.0, whole=(-1, 1)), dim=0, return_counts=True),
        case(Real((2, 6), -1, 1, step=1.0, whole=(-1, 1)), dim=1, return_inverse=True),
        case(Real((0,), whole=(0, 1))),
    ),
    _indices(
        "unique_consecutive",
        _runs,
        case(Real((12,), -1, 1, step=1.0, whole=(0, 1))),
        case(Real((3, 4), -1, 1, step=1.0, whole=(0, 1)), True, True),
    ),
    _indices(
        "searchsorted",
        _search,
        case(rising(7), x(3, 2)),
        case(rising(2, 7), x(2, 3), right=True),
        case(rising(7), x(), side="right"),
        case(rising(7), 1.5),
        case(rising(0), x(2)),
        result="int64",
        whole_result="int64",
    ),
    _indices(
        "bucketize",
        lambda v, b, **kw: _search(b, v, **kw),
        case(x(3, 2), rising(5)),
        case(x(3, 2), rising(5), right=True),
        result="int64",
        whole_result="int64",
    ),
    _indices(
        "isin",
        lambda a, b, invert=False, **_: np.isin(a, b, invert=invert),
        case(Real((3, 4), step=1.0, whole=(-3, 3)), Real((5,), step=1.0, whole=(-3, 3))),
        case(Real((5,), step=1.0, whole=(-3, 3)), 1.0, invert=True),
        case(Real((5,), step=1.0, whole=(-3, 3)), Real((0,), whole=(0, 1)), assume_unique=True),
        result="bool",
        whole_result="bool",
    ),
]

ROWS = [*SORTS, *SEARCHES]
