"""The memory that tensors lie in, as a flat row: t.storage() of elements, t.untyped_storage() of
bytes. Views of one tensor have storages with one data_ptr.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from . import _core, _legacy
from ._checks import the_tensor
from ._device import device, on_cpu
from ._tensor import method

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ._core import Tensor

__all__ = [
    "BFloat16Storage",
    "BoolStorage",
    "ByteStorage",
    "CharStorage",
    "DoubleStorage",
    "FloatStorage",
    "HalfStorage",
    "IntStorage",
    "LongStorage",
    "ShortStorage",
    "TypedStorage",
    "UntypedStorage",
    "is_storage",
]


class UntypedStorage:
    """The bytes: storage[i] reads and writes what the tensors on it show.

    UntypedStorage(n) makes n bytes, UntypedStorage([1, 2]) these. A slice shares the memory.
    """

    device = device("cpu")
    is_cuda = is_sparse = is_hpu = False

    def __init__(self, *args: Any, device: Any = None) -> None:
        self._owner = _made(args, _core.uint8, device)

    @classmethod
    def _of(cls, owner: Tensor) -> Any:
        made = cls.__new__(cls)
        made._owner = owner.detach()
        return made

    def _flat(self) -> Tensor:
        """Its elements as a tensor on the same memory."""
        return _row(self._owner).view(_core.uint8)

    def nbytes(self) -> int:
        """Bytes."""
        return self._owner._storage_nbytes

    def size(self) -> int:
        """The number of elements, which are bytes unless the storage has a type."""
        return self.nbytes() // self.element_size()

    def element_size(self) -> int:
        """Bytes of an element."""
        return 1

    def __len__(self) -> int:
        return self.size()

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes()

    def data_ptr(self) -> int:
        """The address of the first byte, whatever the offset of the tensor."""
        return self._owner.data_ptr() - self._owner.storage_offset() * self._owner.itemsize

    def type(self) -> str:
        """The name of its type."""
        return "torch.storage.UntypedStorage"

    def get_device(self) -> int:
        """-1: the CPU."""
        return -1

    def tolist(self) -> list[Any]:
        """The elements."""
        found: list[Any] = self._flat().tolist()
        return found

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def _place(self, index: Any) -> Any:
        if isinstance(index, int) and not -self.size() <= index < self.size():
            raise IndexError(f"[storage] index {index} is not in a storage of size {self.size()}")
        return index

    def __getitem__(self, index: Any) -> Any:
        found = self._flat()[self._place(index)]
        return found.item() if isinstance(index, int) else _Slice._of(found)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._flat()[self._place(index)] = value

    def fill_(self, value: Any) -> Any:
        """Every element becomes the value."""
        self._flat().fill_(value)
        return self

    def copy_(self, source: UntypedStorage, non_blocking: bool | None = None) -> Any:
        """Take the elements of another storage of this size."""
        self._flat().copy_(source._flat())
        return self

    def clone(self) -> Any:
        """The same elements in memory of its own."""
        return type(self)._of(_row(self._owner).clone())

    def cpu(self) -> Any:
        """The storage itself."""
        return self

    def is_pinned(self, device: Any = None) -> bool:
        """False."""
        return False

    def is_shared(self) -> bool:
        """Whether share_memory_ has moved it."""
        return self._owner.is_shared()

    def share_memory_(self) -> Any:
        """Move it where other processes see it, see Tensor.share_memory_."""
        self._owner.share_memory_()
        return self

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return self

    def __repr__(self) -> str:
        rows = " " + "\n ".join(map(str, self))
        return f"{rows}\n[{self._kind()} of size {len(self)}]"

    def _kind(self) -> str:
        return "torch.storage.UntypedStorage(device=cpu)"


class _Slice(UntypedStorage):
    """A part of a storage."""

    def nbytes(self) -> int:
        return self._owner.nbytes

    def data_ptr(self) -> int:
        return self._owner.data_ptr()

    def _flat(self) -> Tensor:
        return self._owner


_Slice.__name__ = _Slice.__qualname__ = "UntypedStorage"


class TypedStorage(UntypedStorage):
    """Elements of a type, by default that of new tensors.

    TypedStorage(n, dtype=...) makes n elements, TypedStorage([1.0, 2.0]) these.
    """

    def __init__(self, *args: Any, dtype: Any = None, device: Any = None) -> None:
        self._owner = _made(args, dtype or _core.get_default_dtype(), device)

    @property
    def dtype(self) -> Any:
        """The type of the elements."""
        return self._owner.dtype

    def _flat(self) -> Tensor:
        return _row(self._owner)

    def element_size(self) -> int:
        return self._owner.itemsize

    def type(self) -> str:
        """The name of its type, as torch.FloatStorage."""
        return f"torch.{self.pickle_storage_type()}"

    def pickle_storage_type(self) -> str:
        """The name of its type, as FloatStorage."""
        return str(self._owner.type()).rsplit(".", 1)[-1].replace("Tensor", "Storage")

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, int):
            raise RuntimeError(
                f"[storage] a {type(index).__name__} as an index of elements of {self.dtype}; "
                "pass a whole number, or slice untyped()"
            )
        return super().__getitem__(index)

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage._of(self._owner)  # type: ignore[no-any-return]

    def _kind(self) -> str:
        return f"torch.storage.TypedStorage(dtype={self.dtype}, device=cpu)"


def _made(args: tuple[Any, ...], dtype: Any, place: Any) -> Tensor:
    """Of a number of elements, or of the elements."""
    if place is not None:
        on_cpu(place)
    data = args[0] if args else 0
    if len(args) > 1 or isinstance(data, (str, float)):
        raise TypeError(f"[storage] {args} are no size; pass a number, or a sequence of numbers")
    if isinstance(data, int):
        return _core.empty(data, dtype=dtype)
    return _core.tensor(list(data), dtype=dtype)


def _row(tensor: Tensor) -> Tensor:
    """All of a tensor's memory, in its type."""
    return _core.as_strided(tensor, (tensor._storage_nbytes // tensor.itemsize,), (1,), 0)


class _OldStorage(type):
    """FloatStorage([1.0]) is a TypedStorage of its type, and every such one an instance."""

    dtype: Any

    def __call__(cls, *args: Any, device: Any = None) -> TypedStorage:
        return TypedStorage(*args, dtype=cls.dtype, device=device)

    def __instancecheck__(cls, obj: object) -> bool:
        return isinstance(obj, TypedStorage) and obj.dtype == cls.dtype


def _old(name: str) -> Any:
    kind = getattr(_legacy, f"{name}Tensor").dtype
    doc = f"A TypedStorage of {kind}, under its old name."
    return _OldStorage(f"{name}Storage", (), {"dtype": kind, "__doc__": doc})


BFloat16Storage, HalfStorage = _old("BFloat16"), _old("Half")
FloatStorage, DoubleStorage = _old("Float"), _old("Double")
BoolStorage, ByteStorage, CharStorage = _old("Bool"), _old("Byte"), _old("Char")
ShortStorage, IntStorage, LongStorage = _old("Short"), _old("Int"), _old("Long")


def _converter(name: str) -> Callable[[TypedStorage], TypedStorage]:
    def convert(self: TypedStorage) -> TypedStorage:
        return TypedStorage._of(getattr(self._flat(), name)())  # type: ignore[no-any-return]

    convert.__name__, convert.__doc__ = name, f"The elements as of Tensor.{name}()."
    return convert


for _name in (
    "bfloat16",
    "bool",
    "byte",
    "char",
    "double",
    "float",
    "half",
    "int",
    "long",
    "short",
):
    setattr(TypedStorage, _name, _converter(_name))


@method("untyped_storage")
def _untyped_storage(self: Tensor) -> UntypedStorage:
    """The memory of the tensor and its views."""
    return UntypedStorage._of(self)  # type: ignore[no-any-return]


@method("storage")
def _storage(self: Tensor) -> TypedStorage:
    """The elements in memory, also those that the tensor does not show."""
    return TypedStorage._of(self)  # type: ignore[no-any-return]


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
        row = _row(whole)
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
