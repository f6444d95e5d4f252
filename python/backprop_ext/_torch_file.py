"""PyTorch's own files, the zips of torch.save, read without running anything in them.

    name/data.pkl    a pickle that refers to storages by key
    name/data/0      the bytes of storage 0
    name/byteorder   little or big

The pickle may name what is listed here; each name stands for a function of this module, made anew
for each file. Where the caller trusts the file it may also name modules that the program has, and
functions of `nn.functional`. Source: the notes on serialization in PyTorch's documentation.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _core
from ._bits import from_bits
from ._device import device
from ._named import exists
from ._saved_objects import trusted
from ._size import Size

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BytesIO
    from zipfile import ZipFile

    from ._core import Tensor

__all__ = ["is_torch_file", "read_torch_file"]

_STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


def is_torch_file(archive: ZipFile) -> bool:
    """Whether a zip has the pickle that PyTorch's have."""
    return _pickle_in(archive) is not None


def read_torch_file(archive: ZipFile, weights_only: bool) -> Any:
    """What was saved: tensors, parameters, plain containers, and modules if it is trusted.

    Raises ValueError, UntrustedError, MissingError for anything else.
    """
    from io import BytesIO

    inside = _pickle_in(archive)
    assert inside is not None
    text = BytesIO(archive.read(inside))
    return _Unpickler(text, archive, inside.removesuffix("data.pkl"), weights_only).load()


def _pickle_in(archive: ZipFile) -> str | None:
    names = (name for name in archive.namelist() if name.count("/") == 1)
    return next((name for name in names if name.endswith("/data.pkl")), None)


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: BytesIO, archive: ZipFile, folder: str, weights_only: bool) -> None:
        super().__init__(stream, encoding="utf-8")
        self._archive, self._folder = archive, folder
        self._storages: dict[str, Tensor] = {}
        order = f"{folder}byteorder"
        big = order in archive.namelist() and archive.read(order) == b"big"
        self._order: Literal["<", ">"] = ">" if big else "<"
        self._known = self._names()
        self._weights_only = weights_only

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name; nothing is imported."""
        if (module, name) in self._known:
            return self._known[module, name]
        if module == "torch" and name.endswith("Storage"):
            raise ValueError(f"it holds a {name}, {', '.join(_STORAGES)} can be read")
        return self._module_or_function(module, name)

    def _module_or_function(self, module: str, name: str) -> Any:
        from . import nn
        from .nn.modules.module import Module

        root, _, rest = module.partition(".")
        refused = ValueError(
            f"it holds a {module}.{name}; tensors, plain containers and modules can be read: save "
            "the state_dict() of a model"
        )
        full = f"{module}:{name}"
        if root == "torch":
            homes = [f"{__package__}.{rest}", *(home.__name__ for home in (nn, nn.functional))]
            here = next((f"{home}:{name}" for home in homes if exists(f"{home}:{name}")), None)
            if here is None:
                raise refused
            full = here
        found = trusted(full, self._weights_only)
        # A pickle may call what it names: constructors of modules, and formulas.
        is_module = isinstance(found, type) and issubclass(found, Module)
        if not is_module and found is not getattr(nn.functional, name, None):
            raise refused
        return found

    def persistent_load(self, pid: Any) -> Tensor:
        """A storage: ("storage", its type, its key, its place, its number of elements)."""
        _, kind, key, _, count = pid
        if key not in self._storages:
            name = kind()
            dtype = np.dtype("int16" if name == "bfloat16" else name)  # its bits
            content = self._archive.read(f"{self._folder}data/{key}")
            if type(count) is not int or len(content) < count * dtype.itemsize:
                raise ValueError(f"storage {key} has {len(content)} bytes for {count} {name}")
            if dtype == np.bool_ and content.strip(b"\0\1"):
                raise ValueError(f"storage {key} has a bool that is neither 0 nor 1")
            elements = np.frombuffer(content, dtype.newbyteorder(self._order), count)
            self._storages[key] = from_bits(elements.astype(dtype), getattr(_core, name))
        return self._storages[key]

    @staticmethod
    def _names() -> dict[tuple[str, str], Any]:
        """What a pickle may name. Functions of their own: whatever it does to them ends with it."""

        def tensor(
            storage: Tensor,
            offset: int,
            size: tuple[int, ...],
            stride: tuple[int, ...],
            requires_grad: bool = False,
            *_: Any,
        ) -> Tensor:
            reach = sum((n - 1) * s for n, s in zip(size, stride, strict=True)) + 1
            whole = all(type(n) is int and n >= 0 for n in (offset, *size, *stride))
            if not whole or (0 not in size and offset + reach > storage.numel()):
                raise ValueError(f"a tensor of size {size} and stride {stride} leaves its storage")
            return storage.as_strided(size, stride, offset).requires_grad_(bool(requires_grad))

        def parameter(data: Tensor, requires_grad: bool = True, *_: Any) -> Tensor:
            from .nn.parameter import Parameter

            return Parameter(data, bool(requires_grad))

        def sparse(layout: str, parts: tuple[Any, ...]) -> Tensor:
            from .sparse._create import sparse_coo_tensor, sparse_csc_tensor, sparse_csr_tensor

            if layout == "torch.sparse_coo":
                *data, coalesced = parts
                return sparse_coo_tensor(*data, is_coalesced=bool(coalesced))
            made_by = {"csr": sparse_csr_tensor, "csc": sparse_csc_tensor}
            if (by := layout.removeprefix("torch.sparse_")) not in made_by:
                raise ValueError(f"a tensor of layout {layout}")
            return made_by[by](*parts)

        def latin(text: str, encoding: str) -> bytes:
            if encoding != "latin1":
                raise ValueError(f"bytes written as {encoding}, latin1 is what PyTorch writes")
            return text.encode("latin1")

        def storage_type(name: str) -> Callable[[], str]:
            return lambda: name

        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch", "Size"): lambda *sizes: Size(*sizes),
            ("torch", "device"): lambda *place: device(*place),
            ("torch._utils", "_rebuild_tensor_v2"): tensor,
            ("torch._utils", "_rebuild_tensor"): tensor,
            ("torch._utils", "_rebuild_parameter"): parameter,
            ("torch._utils", "_rebuild_parameter_with_state"): parameter,
            ("torch._utils", "_rebuild_sparse_tensor"): sparse,
            ("torch.serialization", "_get_layout"): str,
            ("_codecs", "encode"): latin,
            ("builtins", "set"): lambda items=(): set(items),
            ("__builtin__", "set"): lambda items=(): set(items),
            ("builtins", "complex"): lambda *parts: complex(*parts),
            ("__builtin__", "complex"): lambda *parts: complex(*parts),
        }
        for storage, name in _STORAGES.items():
            known["torch", storage] = storage_type(name)
            known["torch", name] = getattr(_core, name)
        return known
