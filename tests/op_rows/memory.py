"""Tensors by their memory: strides given, sizes changed in place."""

from __future__ import annotations

from typing import Any

import numpy as np

import backprop_ext as bx

from .movement import INTS, x
from .row import Flags, Real, Whole, case, row


def _resized(a: Any, *size: Any) -> Any:
    shape = size[0] if isinstance(size[0], tuple) else size
    return a.ravel()[: int(np.prod(shape))].reshape(shape)


def _of_size(size: tuple[int, ...]) -> Any:
    def check(t: Any, args: Any, kwargs: Any) -> None:
        assert t.shape == size

    return check


def _logspace(a: float, b: float, n: int, base: float = 10.0, dtype: Any = None) -> Any:
    values = np.logspace(a, b, n, base=base)
    return values.astype(np.float32 if dtype is None else str(dtype).removeprefix("torch."))


def _nonzero_static(a: Any, size: int, fill_value: int = -1) -> Any:
    found = np.argwhere(a)[:size]
    return np.pad(found, ((0, size - len(found)), (0, 0)), constant_values=fill_value)


def _pdist(a: Any, p: float = 2.0) -> Any:
    i, j = np.triu_indices(len(a), 1)
    d = np.abs(a[i] - a[j])
    return d.max(-1) if np.isinf(p) else np.sum(d**p, -1) ** (1 / p)


SIZED = (3, 4)
ROWS = [
    row("empty_strided", None, case(SIZED, (1, 3)), order=0, checks=_of_size(SIZED)),
    row("new_empty_strided", None, case(x(2), SIZED, (1, 3)), order=0, checks=_of_size(SIZED)),
    row("empty_permuted", None, case(SIZED, (1, 0)), order=0, checks=_of_size(SIZED)),
    row(
        "resize_",
        _resized,
        case(x(2, 6), (3, 4)),
        case(x(5), 2, 2),
        case(x(5), (0, 7)),
        order=0,
        whole_dtypes=INTS,
    ),
    row(
        "resize_as_",
        lambda a, b: _resized(a, b.shape),
        case(x(2, 6), x(3, 4)),
        order=0,
        whole_dtypes=INTS,
    ),
    row(
        "scalar_tensor",
        lambda s, dtype=None: np.array(s, np.float32 if dtype is None else np.int64),
        case(2.5),
        case(3),
        case(3, dtype=bx.int64),
        order=0,
    ),
    row(
        "logspace",
        _logspace,
        case(0, 2, 5),
        case(-1.5, 2.5, 8, 2.0),
        case(3, 3, 1),
        case(0, 1, 0),
        case(0, 5, 6, 2.0, dtype=bx.int64),
        order=0,
        rtol=1e-5,
        torch_rtol=1e-6,  # the exponents' last digit
    ),
    row(
        "nonzero_static",
        _nonzero_static,
        case(Flags((3, 4)), size=20),
        case(Flags((3, 4)), size=2, fill_value=7),
        case(Flags((0, 2)), size=1),
        order=0,
    ),
    row(
        "fill",
        lambda a, v: np.full_like(a, v),
        case(x(2, 3), 2.0),
        case(x(2, 3), x()),
        whole_dtypes=("int64",),
    ),
    row(
        "type_as",
        lambda a, b: a.astype(b.dtype),
        case(x(2, 3), Whole((1,))),
        order=0,
        result="int64",
        whole_result="int64",
    ),
    row(
        "unravel_index",
        lambda i, shape: list(np.unravel_index(i, shape)),
        case(Whole((4, 2), 0, 23), (2, 3, 4)),
        case(Whole((), 0, 5), (6,)),
        order=0,
    ),
    *(
        row(
            name,
            _pdist,
            *[case(Real((4, 3)), p) for p in (1.0, 2.0, 3.5, np.inf)],
            case(Real((1, 3))),
            rtol=1e-5,
        )
        for name in ("pdist", "nn.pdist")
    ),
]
