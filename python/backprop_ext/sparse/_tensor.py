"""The class of sparse tensors: values, and the coordinates at which they stand.

A sparse tensor is the tensor of its values with coordinates hung on it (cpp/autograd/sparse.h), so
its gradient has its coordinates too. What an operation does with it stands in `_layouts.py`,
`_shapes.py`, `_arithmetic.py` and `_products.py`, found by the operation; any other raises
and never looks at the values alone.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NoReturn

from .. import _core
from .._core import Tensor
from .._layout import layout, sparse_coo, sparse_csc, sparse_csr
from .._size import Size
from .._tensor_str import graph_notes, parts_str, plain_types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = [
    "SparseTensor",
    "axis",
    "coalesced",
    "coordinates",
    "is_sparse",
    "operation",
    "places",
    "refuse",
    "sparse",
    "values",
    "with_values",
    "without",
]

# What an operation does where an operand is sparse: function, method and the like, each by itself.
operations: dict[Any, Callable[..., Any]] = {}


def is_sparse(value: Any) -> bool:
    """Whether it is a sparse tensor."""
    return isinstance(value, SparseTensor)


def sparse(
    values: Tensor,
    indices: Tensor,
    size: Sequence[int],
    coalesced: bool = False,
    compressed: bool = False,
) -> SparseTensor:
    """A sparse tensor, of checked parts, in the graph of its values."""
    made: SparseTensor = _core._sparse(values, indices, size, coalesced, compressed)
    return made


def values(t: Tensor) -> Tensor:
    """The values of a sparse tensor, in its graph."""
    return _core._values(t)


def coordinates(t: Tensor) -> tuple[Tensor, Size, bool, bool]:
    """Indices (sparse dimensions, n), size, whether coalesced, whether compressed.

    A compressed matrix is told by rows; by columns, where it is in their order: not coalesced.
    """
    found: tuple[Tensor, Size, bool, bool] = _core._coordinates(t)
    return found


def places(indices: Tensor, size: Sequence[int]) -> Tensor:
    """The row-major numbers of the places in the sparse dimensions: (n,).

    RuntimeError where they are more than int64 counts.
    """
    if prod(size[: len(indices)]) > 2**63 - 1:
        raise RuntimeError(f"[sparse] size {tuple(size)} has more than 2^63 places; split it")
    flat = _core.zeros(indices.shape[1], dtype=_core.int64)
    for row, length in zip(indices, size, strict=False):
        flat = flat * length + row
    return flat


def coalesced(t: SparseTensor) -> SparseTensor:
    """The same in order, each place once: values at one place are added up."""
    indices, size, already, _ = coordinates(t)
    if already:
        return t
    kept: tuple[int, SparseTensor] | None = t.__dict__.get("_in_order")
    if kept and kept[0] == t._version:  # a constant matrix is put in order once, not in every step
        return kept[1]
    unique, at = _core.unique(places(indices, size), return_inverse=True)
    total = _core.zeros(len(unique), *t.shape[len(indices) :], dtype=t.dtype)
    rows = []
    rest = unique
    for length in reversed(size[: len(indices)]):
        rows.append(rest % max(length, 1))
        rest = rest // max(length, 1)
    ordered = _core.stack(rows[::-1]) if rows else indices.new_zeros(0, len(unique))
    found = sparse(total.index_add(0, at, values(t)), ordered, size, True)
    if not t.requires_grad:
        t.__dict__["_in_order"] = (t._version, found)
    return found


def axis(op: str, t: Tensor, dim: int) -> int:
    """A dimension counted from the front. TypeError, or IndexError where it is out of range."""
    if not isinstance(dim, int):
        raise TypeError(f"[{op}] {dim=} is a {type(dim).__name__}; pass a whole number")
    if not -t.ndim <= dim < max(t.ndim, 1):
        raise IndexError(f"[{op}] dimension {dim} of a tensor with {t.ndim}; count from there")
    return dim % max(t.ndim, 1)


def with_values(t: Tensor, new: Tensor) -> SparseTensor:
    """Other values at the same coordinates."""
    return sparse(new, *coordinates(t))


def without(indices: Tensor, dims: Sequence[int]) -> Tensor:
    """The indices along all other dimensions."""
    keep = [d for d in range(len(indices)) if d not in dims]
    return indices[_core.tensor(keep, dtype=_core.int64)]


def operation(*names: str) -> Callable[[Any], Any]:
    """Enters a function for the operations of these names, and as methods."""

    def enter(function: Any) -> Any:
        for name in names:
            for home in (_core, _core._nn, _core._special, Tensor):
                if hasattr(home, name):
                    operations[getattr(home, name)] = function
            if name not in vars(SparseTensor):
                setattr(SparseTensor, name, function)
        return function

    return enter


def refuse(op: str, t: Tensor) -> NoReturn:
    """Raises NotImplementedError: there is no such operation on sparse tensors."""
    raise NotImplementedError(
        f"[{op}] there is no sparse {op}, for a tensor of shape {tuple(t.shape)} with "
        f"{len(_core._values(t))} values; call .to_dense() first"
    )


class SparseTensor(Tensor):
    """Zeros but for values at given indices. torch.sparse_coo_tensor and to_sparse make it."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...  # its operations are attached

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What `operations` has for func, or NotImplementedError."""
        if func in operations:
            return operations[func](*args, **(kwargs or {}))
        given = [*args, *(kwargs or {}).values()]
        flat = [v for one in given for v in (one if isinstance(one, (list, tuple)) else [one])]
        refuse(getattr(func, "__name__", str(func)), next(v for v in flat if is_sparse(v)))

    @property
    def shape(self) -> Size:
        """The sizes of the dimensions."""
        return coordinates(self)[1]

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def layout(self) -> layout:
        """torch.sparse_coo, torch.sparse_csr or torch.sparse_csc."""
        _, _, in_order, compressed = coordinates(self)
        return sparse_coo if not compressed else sparse_csr if in_order else sparse_csc

    @property
    def is_sparse(self) -> bool:
        """Whether the layout is torch.sparse_coo."""
        return self.layout is sparse_coo

    @property
    def is_sparse_csr(self) -> bool:
        """Whether the layout is torch.sparse_csr."""
        return self.layout is sparse_csr

    @property
    def nbytes(self) -> int:
        """Raises RuntimeError: look at indices() and values()."""
        raise RuntimeError("[nbytes] is not defined for sparse tensors; add those of its parts")

    @property
    def data(self) -> Tensor:  # type: ignore[override]
        """The same without the graph."""
        return self.detach()

    @property
    def T(self) -> Tensor:  # noqa: N802 (PyTorch's name)
        """A matrix transposed."""
        return self.t()

    @property
    def mT(self) -> Tensor:  # noqa: N802 (PyTorch's name)
        """The last two dimensions swapped."""
        return self.transpose(-2, -1)

    def dim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    ndimension = dim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one of its entries."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        """The number of elements, zeros among them."""
        return prod(self.shape)

    nelement = numel

    def stride(self, dim: int | None = None) -> Any:
        """Zeros: nothing lies in steps."""
        return 0 if dim is not None else (0,) * self.ndim

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """False."""
        return False

    def requires_grad_(self, requires_grad: bool = True) -> SparseTensor:
        """Whether gradients are computed for it."""
        self.requires_grad = requires_grad
        return self

    def numpy(self, *, force: bool = False) -> Any:
        """Raises TypeError: use to_dense()."""
        raise TypeError("[numpy] can't convert a sparse tensor to numpy; use to_dense() first")

    def __dlpack__(self, **options: Any) -> Any:
        """Raises RuntimeError: use to_dense()."""
        raise RuntimeError("[dlpack] a sparse tensor has no single memory; use to_dense() first")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        """Raises RuntimeError: use to_dense()."""
        raise RuntimeError("[tolist] a sparse tensor has no list of elements; use to_dense() first")

    def data_ptr(self) -> int:
        """Raises RuntimeError: the parts have memory of their own."""
        raise RuntimeError("[data_ptr] a sparse tensor has no storage; use values().data_ptr()")

    def storage(self) -> Any:
        """Raises NotImplementedError: the parts have memory of their own."""
        raise NotImplementedError("[storage] a sparse tensor has none; use values().storage()")

    untyped_storage = storage_offset = storage

    def item(self) -> Any:
        """The only element."""
        return self.to_dense().item()

    def __bool__(self) -> bool:
        return bool(self.to_dense())

    def __float__(self) -> float:
        return float(self.to_dense())

    def __int__(self) -> int:
        return int(self.to_dense())

    def __complex__(self) -> complex:
        return complex(self.to_dense())

    def __index__(self) -> int:
        return self.to_dense().__index__()

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("[len] of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.unbind(0))

    def __contains__(self, element: Any) -> bool:
        refuse("__contains__", self)

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("[setitem] cannot assign items of a sparse tensor; make a new one")

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        indices, size, _, compressed = coordinates(self)
        shown = {"indices": indices}
        if self.layout is sparse_csr:
            shown = {"crow_indices": self.crow_indices(), "col_indices": self.col_indices()}
        elif compressed:
            shown = {"ccol_indices": self.ccol_indices(), "row_indices": self.row_indices()}
        dtype = (
            []
            if self.dtype in (_core.get_default_dtype(), _core.int64, _core.bool)
            else [f"dtype={self.dtype}"]
        )
        notes = [f"size={tuple(size)}", f"nnz={self._nnz()}", *dtype, f"layout={self.layout}"]
        parts = shown | {"values": values(self)}
        return parts_str(parts, notes + graph_notes(self), not compressed)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if not self.is_leaf:
            raise RuntimeError("[deepcopy] only a leaf can be copied; copy .detach() instead")
        copied = self.detach().clone().requires_grad_(self.requires_grad)
        if self.grad is not None:
            copied.grad = self.grad.detach().clone()
        return memo.setdefault(id(self), copied)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        from ._create import from_parts

        return from_parts, (values(self.detach()), *coordinates(self), self.requires_grad)


for _name in ("add", "sub", "mul", "truediv"):
    _method = "div_" if _name == "truediv" else f"{_name}_"
    setattr(SparseTensor, f"__i{_name}__", lambda s, other, _to=_method: getattr(s, _to)(other))
plain_types.add(SparseTensor)
_core._set_sparse_type(SparseTensor)
