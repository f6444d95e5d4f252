"""Elements in other places: reversed, rolled, repeated, in triangles and blocks, padded."""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement, product
from typing import Any

import numpy as np

import backprop_ext as bx

from .movement import _rows, x
from .row import Whole, case


def _diag_embed(a: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    side = a.shape[-1] + abs(offset)
    out = np.zeros((*a.shape[:-1], side, side), a.dtype)
    k = np.arange(a.shape[-1])
    out[..., k + max(0, -offset), k + max(0, offset)] = a
    return np.moveaxis(out, (-2, -1), (dim1, dim2))


def _unfold(a: Any, dim: int, size: int, step: int) -> Any:
    if a.ndim == 0:
        return a.reshape(1)
    axis = dim % a.ndim
    starts = range(0, a.shape[axis] - size + 1, step)
    return np.moveaxis(
        np.stack([a.take(range(s, s + size), axis) for s in starts], axis), axis + 1, -1
    )


def _repeat(a: Any, *times: Any) -> Any:
    return np.tile(a, times[0] if isinstance(times[0], (tuple, list)) else times)


def _repeat_interleave(a: Any, times: Any, dim: Any = None) -> Any:
    return np.repeat(a, times, dim)


def _roll(a: Any, shifts: Any, dims: Any = ()) -> Any:
    return np.roll(a, shifts, dims if dims != () else None)


def _tensor_split(a: Any, at: Any, dim: int = 0) -> Any:
    return np.array_split(a, at.tolist() if isinstance(at, np.ndarray) else at, dim)


def _meshgrid(*tensors: Any, indexing: str = "ij") -> Any:
    return np.meshgrid(*tensors, indexing=indexing)


def _cartesian(*tensors: Any) -> Any:
    if len(tensors) == 1:
        return tensors[0]
    return np.array(list(product(*tensors)), tensors[0].dtype).reshape(-1, len(tensors))


def _combinations(a: Any, r: int = 2, with_replacement: bool = False) -> Any:
    pick = combinations_with_replacement if with_replacement else combinations
    rows = list(pick(a, r)) if r else []
    return np.array(rows, a.dtype).reshape((-1, r) if r else (0,))


def _block_diag(*blocks: Any) -> Any:
    blocks = tuple(np.atleast_2d(b) for b in blocks)
    out = np.zeros(np.sum([b.shape for b in blocks], axis=0), np.result_type(*blocks))
    row = col = 0
    for b in blocks:
        out[row : row + b.shape[0], col : col + b.shape[1]] = b
        row, col = row + b.shape[0], col + b.shape[1]
    return out


MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _pad(a: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    pairs = [(0, 0)] * (a.ndim - len(pad) // 2)
    pairs += [(pad[k], pad[k + 1]) for k in range(len(pad) - 2, -1, -2)]
    extra = {"constant_values": value or 0} if mode == "constant" else {}
    wide = np.pad(a, [(max(0, b), max(0, e)) for b, e in pairs], MODES[mode], **extra)  # type: ignore[call-overload]
    cuts = [slice(max(0, -b), n - max(0, -e)) for (b, e), n in zip(pairs, wide.shape, strict=True)]
    return wide[tuple(cuts)]


def _indices(select: Any) -> Any:
    def reference(row: int, col: int, offset: int = 0, dtype: Any = None) -> Any:
        return np.stack(select(row, offset, col)).astype("int32" if dtype else "int64")

    return reference


ARRANGED = [
    _rows("flip", np.flip, case(x(2, 3), (0, 1)), case(x(2, 3), (1,)), case(x(0, 2), (0,))),
    _rows("fliplr", np.fliplr, case(x(2, 3, 2))),
    _rows("flipud", np.flipud, case(x(3))),
    _rows(
        "roll",
        _roll,
        case(x(2, 5), 2, 1),
        case(x(2, 3), -4),
        case(x(3, 4, 2), (1, -1, 7), (0, 2, 1)),
        case(x(2, 3), (1, 1), (1, 1)),
        case(x(0, 2), 1, 0),
    ),
    _rows(
        "rot90",
        lambda a, k=1, dims=(0, 1): np.rot90(a, k, dims),
        *(case(x(2, 3), k) for k in (1, 2, -1, 4)),
        case(x(2, 3, 4), 1, (2, 0)),
    ),
    _rows(
        "tril",
        lambda a, diagonal=0: np.tril(a, diagonal),
        case(x(3, 4)),
        case(x(2, 3, 2), -1),
        case(x(3, 2), diagonal=5),
        case(x(0, 3)),
        inplace=True,
    ),
    _rows(
        "triu",
        lambda a, diagonal=0: np.triu(a, diagonal),
        case(x(3, 4)),
        case(x(2, 3, 2), -1),
        case(x(3, 2), 5),
        inplace=True,
    ),
    _rows(
        "tril_indices",
        _indices(np.tril_indices),
        case(3, 4),
        case(2, 2, -1, dtype=bx.int32),
        order=0,
    ),
    _rows("triu_indices", _indices(np.triu_indices), case(3, 4, 1), case(4, 2), order=0),
    _rows("diag", np.diag, case(x(3)), case(x(3, 4), 1), case(x(2), -2)),
    _rows("diagflat", np.diagflat, case(x(2, 2)), case(x(3), 1)),
    _rows(
        "diag_embed",
        _diag_embed,
        case(x(2, 3)),
        case(x(2, 3), 1),
        case(x(2, 3), -2, 0, 2),
        case(x(2, 0)),
    ),
    _rows("trace", np.trace, case(x(3, 4)), case(x(2, 2)), whole_dtypes=("int64",)),
    _rows(
        "unfold",
        _unfold,
        case(x(7), 0, 3, 2),
        case(x(2, 5, 2), 1, 3, 1),
        case(x(2, 4), -1, 2, 3),
        case(x(), 0, 1, 1),
    ),
    _rows(
        "repeat",
        _repeat,
        case(x(2, 3), (2, 2)),
        case(x(3), 2, 1, 3),
        case(x(), (2,)),
        case(x(2), (0, 2)),
        case(x(2, 2), (1, 1)),
    ),
    _rows("tile", _repeat, case(x(2, 3), (2,)), case(x(2), (2, 2)), case(x(), (3,))),
    _rows(
        "repeat_interleave",
        _repeat_interleave,
        case(x(2, 3), 2),
        case(x(2, 3), 3, 1),
        case(x(3, 2), Whole((3,), 0, 3), dim=0),
        case(x(2, 2), Whole((1,), 2, 2)),
    ),
    _rows(
        "tensor_split",
        _tensor_split,
        case(x(7, 2), 3),
        case(x(2, 5), (1, 3), 1),
        case(x(5), [3, 9]),
        case(x(5), Whole((), 2, 2)),
    ),
    _rows("hsplit", np.hsplit, case(x(2, 4), 2), case(x(5), [1, 3])),
    _rows("vsplit", np.vsplit, case(x(4, 2), 2), case(x(5, 1), (1, 3))),
    _rows("dsplit", np.dsplit, case(x(1, 2, 4), 2), case(x(1, 1, 5), (1, 3))),
    _rows(
        "split_with_sizes",
        lambda a, sizes, dim=0: np.split(a, np.cumsum(sizes)[:-1], dim),
        case(x(5, 2), (1, 4)),
        case(x(2, 5), [3, 2], 1),
        aliases=("unsafe_split_with_sizes",),
    ),
]

ASSEMBLED = [
    _rows("atleast_1d", np.atleast_1d, case(x()), case(x(2, 2)), case(x(), x(2))),
    _rows("atleast_2d", np.atleast_2d, case(x()), case(x(3)), case(x(3), x(1, 2, 3))),
    _rows("atleast_3d", np.atleast_3d, case(x(3)), case(x(2, 3)), case(x(), x(2))),
    _rows("hstack", np.hstack, case([x(2), x(3)]), case((x(2, 1), x(2, 3))), case([x(), x(1)])),
    _rows("vstack", np.vstack, case([x(3), x(2, 3)]), case((x(), x())), aliases=("row_stack",)),
    _rows("dstack", np.dstack, case([x(3), x(3)]), case((x(2, 3), x(2, 3, 2)))),
    _rows("column_stack", np.column_stack, case([x(3), x(3, 2)]), case((x(), x()))),
    _rows("broadcast_tensors", np.broadcast_arrays, case(x(3, 1), x(2)), case(x())),
    _rows(
        "meshgrid",
        _meshgrid,
        case(x(2), x(3), x(), indexing="ij"),
        case(x(2), x(3), indexing="xy"),
        torch=False,
    ),
    _rows("cartesian_prod", _cartesian, case(x(2), x(3)), case(x(2), x(0)), case(x(4))),
    _rows(
        "combinations",
        _combinations,
        case(x(4)),
        case(x(4), 3),
        case(x(3), 2, True),
        case(x(2), 3),
        case(x(3), 0),
    ),
    _rows("block_diag", _block_diag, case(x(2, 3), x(2), x()), case(x(1, 1))),
    _rows(
        "nn.pad",
        _pad,
        case(x(2, 3), (1, 2)),
        case(x(2, 3), (1, -1, 0, 2), "constant", 2.5),
        case(x(2, 4), (-2, 1)),
        case(x(1, 2, 5), (2, 4), mode="reflect"),
        case(x(1, 2, 3, 4), (3, 1, 2, 0), mode="reflect"),
        case(x(2, 3, 4), (1, -2, -1, 2), mode="reflect"),
        case(x(1, 2, 3, 4), (5, 1, 2, 3), mode="replicate"),
        case(x(1, 2, 2, 3), (1, 1, -1, 2, 1, 0), mode="replicate"),
        case(x(2, 3, 4), (4, 1, 2, 3), mode="circular"),
        case(x(2, 5), (1, 2), mode="circular"),
        whole_dtypes=("int64",),
    ),
    _rows(
        "constant_pad_nd",
        lambda a, pad, value=0: _pad(a, pad, "constant", value),
        case(x(2, 3), (1, 2), 3),
        case(x(2, 3), (0, 0, 1, 0)),
        whole_dtypes=("int64",),
    ),
]

COPIES = [
    _rows("permute_copy", np.transpose, case(x(2, 3, 4), (2, 0, 1))),
    _rows("transpose_copy", np.swapaxes, case(x(2, 3, 4), 0, 2)),
    _rows("t_copy", np.transpose, case(x(2, 3))),
    _rows("expand_copy", np.broadcast_to, case(x(3, 1), (2, 3, 4))),
    _rows("squeeze_copy", lambda a, dim=None: np.squeeze(a, dim), case(x(1, 3)), case(x(1, 3), 0)),
    _rows("unsqueeze_copy", np.expand_dims, case(x(2, 3), 1)),
    _rows("view_copy", lambda a, s: a.reshape(s), case(x(2, 6), (3, 4))),
    _rows("select_copy", lambda a, d, i: a.take(i, d), case(x(2, 3), 1, -1)),
    _rows("diagonal_copy", np.diagonal, case(x(3, 4), 1)),
    _rows("unbind_copy", lambda a, dim=0: list(np.moveaxis(a, dim, 0)), case(x(2, 3), 1)),
    _rows("unfold_copy", _unfold, case(x(2, 5), 1, 3, 1)),
    _rows("narrow_copy", lambda a, d, s, n: a.take(range(s, s + n), d), case(x(2, 4), 1, 1, 2)),
    _rows("split_copy", lambda a, n, dim=0: np.split(a, n, dim), case(x(4, 2), 2)),
    _rows(
        "split_with_sizes_copy",
        lambda a, sizes, dim=0: np.split(a, np.cumsum(sizes)[:-1], dim),
        case(x(5, 2), (1, 4)),
    ),
    _rows(
        "as_strided_copy",
        lambda a, *_: a.reshape(-1)[[[0, 1], [4, 5]]],
        case(x(12), (2, 2), (4, 1)),
        case(x(3, 4), (2, 2), (4, 1)),
    ),
]

BECOME = [
    _rows("t_", np.transpose, case(x(2, 3))),
    _rows(
        "transpose_",
        np.swapaxes,
        case(x(2, 3, 4), 0, 2),
        aliases=("swapaxes_", "swapdims_"),
    ),
    _rows("squeeze_", lambda a, dim=None: np.squeeze(a, dim), case(x(1, 3)), case(x(1, 3), 0)),
    _rows("unsqueeze_", np.expand_dims, case(x(2, 3), 1)),
    _rows(
        "as_strided_", lambda a, *_: a.reshape(-1)[[[0, 1], [4, 5]]], case(x(12), (2, 2), (4, 1))
    ),
]

ROWS = [*ARRANGED, *ASSEMBLED, *COPIES, *BECOME]
