"""The memory that tensors lie in, as a flat row: t.storage() of elements, t.untyped_storage() of
bytes. Views of one tensor have storages with one data_ptr.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from . import _core
from ._checks import the_tensor
from ._device import device
from ._tensor import method

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._core import Tensor

__all__ = ["TypedStorage", "UntypedStorage", "is_storage"]


class UntypedStorage:
    """Its size and its address; the bytes themselves are not shown."""

    def __init__(self, owner: Tensor) -> None:
        self._owner = owner.detach()
        self.device = device("cpu")

    def nbytes(self) -> int:
        """Bytes."""
        return self._owner._storage_nbytes

    def size(self) -> int:
        """Bytes."""
        return self.nbytes()

    def __len__(self) -> int:
        return self.nbytes()

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes()

    def data_ptr(self) -> int:
        """The address of the first byte, whatever the offset of the tensor."""
        return self._owner.data_ptr() - self._owner.storage_offset() * self._owner.itemsize

    def __repr__(self) -> str:
        return f"[torch.storage.UntypedStorage(device=cpu) of size {len(self)}]"


class TypedStorage(UntypedStorage):
    """Its elements: storage[i] reads and writes what the tensors on it show."""

    @property
    def dtype(self) -> Any:
        """The type of the elements."""
        return self._owner.dtype

    def size(self) -> int:
        """The number of elements."""
        return self.nbytes() // self._owner.itemsize

    def __len__(self) -> int:
        return self.size()

    def _flat(self) -> Tensor:
        return _core.as_strided(self._owner, (self.size(),), (1,), 0)

    def tolist(self) -> list[Any]:
        """The elements."""
        found: list[Any] = self._flat().tolist()
        return found

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __getitem__(self, index: Any) -> Any:
        found = self._flat()[index]
        return found.item() if isinstance(index, int) else type(self)(found.clone())

    def __setitem__(self, index: Any, value: Any) -> None:
        self._flat()[index] = value

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage(self._owner)

    def __repr__(self) -> str:
        rows = "".join(f" {value}\n" for value in self)
        kind = f"torch.storage.TypedStorage(dtype={self.dtype}, device=cpu)"
        return f"{rows}[{kind} of size {len(self)}]"


@method("untyped_storage")
def _untyped_storage(self: Tensor) -> UntypedStorage:
    """The memory of the tensor and its views."""
    return UntypedStorage(self)


@method("storage")
def _storage(self: Tensor) -> TypedStorage:
    """The elements in memory, also those that the tensor does not show."""
    return TypedStorage(self)


@method("set_")
def _set(
    self: Tensor,
    source: Tensor | UntypedStorage | None = None,
    storage_offset: int = 0,
    size: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
) -> Tensor:
    """Show other memory from now on: a tensor's, or a storage's, from an offset, in a size and
    strides; none without a source.

    Raises TypeError for another source, RuntimeError for one of another type, for a place outside
    of the memory, and where gradients are recorded and the tensor requires grad.
    """
    if self.requires_grad and _core._is_grad_enabled():
        raise RuntimeError(
            f"[set_] a tensor of shape {tuple(self.shape)} that requires grad would show other "
            "memory; use no_grad(), or .data"
        )
    if source is None:
        source = _core.empty(0, dtype=self.dtype)
    whole = source._owner if isinstance(source, UntypedStorage) else source
    the_tensor("set_", whole, "source")
    if whole.dtype != self.dtype:
        raise RuntimeError(f"[set_] source is {whole.dtype}, the tensor {self.dtype}; convert one")
    if isinstance(source, UntypedStorage) or size is not None:
        row = TypedStorage(whole)._flat()
        shape = (len(row) - storage_offset,) if size is None else tuple(size)
        if stride is None:
            whole = row.narrow(0, storage_offset, prod(shape)).view(shape)
        else:
            whole = _core.as_strided(row, shape, stride, storage_offset)
    self.data = whole
    return self


@method("is_set_to")
def _is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both show the same elements of the same memory, in the same strides."""
    places = [(t.data_ptr(), tuple(t.shape), t.stride(), t.dtype) for t in (self, tensor)]
    return places[0] == places[1]


def is_storage(obj: object) -> bool:
    """Whether obj is the memory of a tensor."""
    return isinstance(obj, UntypedStorage)
