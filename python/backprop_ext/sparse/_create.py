"""Sparse tensors from their parts."""

from __future__ import annotations

from contextlib import ContextDecorator
from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from .._device import on_cpu
from .._layout import sparse_csc, sparse_csr
from ._layouts import to_csc, to_csr, turned
from ._tensor import places, sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..types import Device
    from ._tensor import SparseTensor

__all__ = [
    "check_sparse_tensor_invariants",
    "from_parts",
    "sparse_compressed_tensor",
    "sparse_coo_tensor",
    "sparse_csc_tensor",
    "sparse_csr_tensor",
    "spdiags",
    "tensor_class",
]


def sparse_coo_tensor(
    indices: Any = None,
    values: Any = None,
    size: Sequence[int] | None = None,
    *,
    dtype: Any = None,
    device: Device = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> Tensor:
    """values[k] at indices[:, k]: indices (sparse dimensions, n), values (n, ...).

    Values at one place are added up. Without a size it is the smallest that holds the indices;
    with a size alone there are no values. The indices are always checked: RuntimeError where they
    do not lie in the size, are no whole numbers, or are not as many as the values.
    """
    op = "sparse_coo_tensor"
    if device is not None:
        on_cpu(device)
    if values is None:
        if (indices is None) == (size is None):
            raise TypeError(f"[{op}] neither values nor one size; pass indices and values, or size")
        whole = tuple(indices if size is None else size)
        empty = _core.empty((len(whole), 0), dtype=_core.int64)
        made = sparse(_core.empty(0, dtype=dtype), empty, whole, True)
        return made.requires_grad_(requires_grad)
    at = _whole_numbers(op, indices)
    given = values if isinstance(values, Tensor) else _core.tensor(values)
    given = given if dtype is None else given.to(dtype)
    given = given.detach() if requires_grad else given
    if at.ndim != 2:
        raise RuntimeError(f"[{op}] indices of shape {tuple(at.shape)}; pass (dimensions, n)")
    if not given.ndim or given.shape[0] != at.shape[1]:
        raise RuntimeError(
            f"[{op}] {at.shape[1]} indices, values of shape {tuple(given.shape)}; pass as many"
        )
    least = [int(row.max()) + 1 if len(row) else 0 for row in at]
    whole = tuple(size) if size is not None else (*least, *given.shape[1:])
    if len(whole) != len(at) + given.ndim - 1 or tuple(whole[len(at) :]) != tuple(given.shape[1:]):
        raise RuntimeError(
            f"[{op}] size {whole} for {len(at)} sparse dimensions and values of shape "
            f"{tuple(given.shape)}; pass a length for each dimension"
        )
    for d, row in enumerate(at):
        if len(row) and (int(row.min()) < 0 or least[d] > whole[d]):
            wrong = int(row.min()) if int(row.min()) < 0 else least[d] - 1
            raise RuntimeError(
                f"[{op}] size is inconsistent with indices: dimension {d} has length {whole[d]}, "
                f"an index is {wrong}"
            )
    if is_coalesced:
        numbers = places(at, whole)
        if bool((numbers[1:] <= numbers[:-1]).any()):
            raise RuntimeError(
                f"[{op}] is_coalesced=True, but the indices are not in order; leave it out"
            )
    made = sparse(given, at, whole, bool(is_coalesced))
    return made.requires_grad_() if requires_grad else made


def from_parts(
    values: Tensor,
    indices: Tensor,
    size: Sequence[int],
    coalesced: bool,
    compressed: bool,
    requires_grad: bool,
) -> Tensor:
    """What a file says of a sparse tensor, checked."""
    made = sparse_coo_tensor(indices, values, size, is_coalesced=coalesced)
    if compressed:
        made = to_csr(made) if coalesced else to_csc(made)  # type: ignore[arg-type]
    return made.requires_grad_(requires_grad)


def _whole_numbers(op: str, data: Any) -> Tensor:
    t = data if isinstance(data, Tensor) else _core.tensor(data)
    if t.dtype is _core.bool or t.is_complex():
        raise RuntimeError(f"[{op}] indices are {t.dtype}; pass whole numbers")
    return t.detach().to(_core.int64)


def sparse_csr_tensor(
    crow_indices: Any,
    col_indices: Any,
    values: Any,
    size: Sequence[int] | None = None,
    *,
    dtype: Any = None,
    device: Device = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Tensor:
    """A matrix by rows: those of row i are crow_indices[i] to crow_indices[i + 1].

    Its elements are numbers or, of values with more dimensions, tensors. Raises RuntimeError where
    the rows do not rise from 0 to the number of columns' indices, and as `sparse_coo_tensor`.
    """
    names = ("sparse_csr_tensor", "crow_indices")
    found = _compressed(names, crow_indices, col_indices, values, size, dtype, device)
    return found.requires_grad_() if requires_grad else found


def sparse_csc_tensor(
    ccol_indices: Any,
    row_indices: Any,
    values: Any,
    size: Sequence[int] | None = None,
    *,
    dtype: Any = None,
    device: Device = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Tensor:
    """A matrix by columns, as sparse_csr_tensor by rows."""
    names = ("sparse_csc_tensor", "ccol_indices")
    size = None if size is None else (*size[:2][::-1], *size[2:])
    found = turned(_compressed(names, ccol_indices, row_indices, values, size, dtype, device))
    return found.requires_grad_() if requires_grad else found


def sparse_compressed_tensor(
    compressed_indices: Any,
    plain_indices: Any,
    values: Any,
    size: Sequence[int] | None = None,
    *,
    layout: Any = None,
    **options: Any,
) -> Tensor:
    """sparse_csr_tensor or sparse_csc_tensor, by the layout."""
    makers = {sparse_csr: sparse_csr_tensor, sparse_csc: sparse_csc_tensor}
    if layout not in makers:
        raise RuntimeError(f"[sparse_compressed_tensor] {layout=}; pass torch.sparse_csr or _csc")
    return makers[layout](compressed_indices, plain_indices, values, size, **options)


def _compressed(
    names: tuple[str, str],
    starts: Any,
    inner: Any,
    values: Any,
    size: Sequence[int] | None,
    dtype: Any,
    device: Device,
) -> SparseTensor:
    op, name = names
    rows, columns = _whole_numbers(op, starts), _whole_numbers(op, inner)
    given = values if isinstance(values, Tensor) else _core.tensor(values)
    counts = rows[1:] - rows[:-1]
    if rows.ndim != 1 or not len(rows) or int(rows[0]) or int(rows[-1]) != len(columns):
        raise RuntimeError(
            f"[{op}] {name} of shape {tuple(rows.shape)} for {len(columns)} indices; they must "
            "rise from 0 to that number"
        )
    if len(counts) and int(counts.min()) < 0:
        raise RuntimeError(f"[{op}] {name} fall; they must rise")
    if size is not None and (len(size) != given.ndim + 1 or size[0] != len(counts)):
        raise RuntimeError(
            f"[{op}] size {tuple(size)} for {len(counts)} of {name} and values of shape "
            f"{tuple(given.shape)}; make them equal"
        )
    row = _core.repeat_interleave(_core.arange(len(counts)), counts)
    most = int(columns.max()) + 1 if len(columns) else 0
    whole = (len(counts), most, *given.shape[1:]) if size is None else size
    indices = _core.stack([row, columns])
    made = sparse_coo_tensor(indices, given, whole, dtype=dtype, device=device)
    return to_csr(made)  # type: ignore[arg-type]


def spdiags(diagonals: Tensor, offsets: Tensor, shape: Sequence[int], layout: Any = None) -> Tensor:
    """A matrix with rows of `diagonals` on its diagonals: entry j of row i stands in column j."""
    offsets = offsets.reshape(-1)
    if diagonals.reshape(-1, diagonals.shape[-1]).shape[0] != len(offsets):
        raise RuntimeError(
            f"[spdiags] {len(offsets)} offsets, diagonals of shape {tuple(diagonals.shape)}; one "
            "row for each is needed"
        )
    if len(offsets.unique()) != len(offsets):
        raise ValueError("[spdiags] an offset occurs twice; give each once")
    table = diagonals.reshape(len(offsets), -1)
    columns = _core.arange(min(table.shape[1], shape[1])).expand(len(offsets), -1)
    rows = columns - offsets.unsqueeze(1)
    inside = (rows >= 0) & (rows < shape[0])
    indices = _core.stack([rows[inside], columns[inside]])
    made = sparse(table[:, : columns.shape[1]][inside], indices, shape)
    return made if layout is None else made.to_sparse(layout=layout)


def tensor_class(name: str, dtype: Any) -> type:
    """torch.sparse.FloatTensor and its like: constructors of old."""

    def make(cls: type, *args: Any, device: Device = None) -> Tensor:
        if args and isinstance(args[0], Tensor):
            return sparse_coo_tensor(*args, dtype=dtype, device=device)
        size = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
        return sparse_coo_tensor(size, dtype=dtype, device=device)

    body = {"__new__": make, "__doc__": f"sparse_coo_tensor(indices, values, size) of {dtype}."}
    return type(name, (), body | {"dtype": dtype, "__module__": "backprop_ext.sparse"})


class check_sparse_tensor_invariants(ContextDecorator):  # noqa: N801 (PyTorch's name)
    """Changes nothing: the parts of a sparse tensor are always checked."""

    def __init__(self, enable: bool = True) -> None:
        pass

    @staticmethod
    def is_enabled() -> bool:
        """True."""
        return True

    @staticmethod
    def enable() -> None:
        """Nothing changes."""

    @staticmethod
    def disable() -> None:
        """Nothing changes."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


def _convert_indices_from_coo_to_csr(
    input: Tensor, size: int, *, out_int32: bool = False
) -> Tensor:
    """Where each of `size` rows begins among the sorted numbers of rows, and their end."""
    return _core.searchsorted(input, _core.arange(size + 1), out_int32=out_int32)


def _convert_indices_from_csr_to_coo(
    crow_indices: Tensor, col_indices: Tensor, *, out_int32: bool = False, transpose: bool = False
) -> Tensor:
    """(2, n) numbers of rows and columns, of columns and rows with `transpose`."""
    rows = _core.arange(len(crow_indices) - 1).repeat_interleave(crow_indices.diff())
    both = (col_indices, rows) if transpose else (rows, col_indices)
    return _core.stack([part.to(_core.int32 if out_int32 else _core.int64) for part in both])
