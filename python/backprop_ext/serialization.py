"""save and load: a zip with one description in JSON and one .npy file per storage.

    tree.json       {"format": "backprop_ext", "version": 1, "root": node, "tensors": [...],
                     "objects": [...]}
    storage/0.npy   the elements that the saved tensors of one storage span, as NumPy writes them

A node is a JSON string, number, bool or null, or an object {tag: value}, see `_Writer.node`.
Nothing in a file is executed or imported; modules, and other objects of classes that the program
has, are in `_saved_objects`. Tensors that share storage, or are one object, do so after load.
"""

from __future__ import annotations

import os
import pickle
from base64 import b64decode, b64encode
from io import BytesIO
from operator import index
from types import MethodType
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np

from . import _core
from ._bits import as_bits
from ._checks import truths
from ._core import Tensor
from ._device import device, on_cpu
from ._layout import strided
from ._named import MissingError
from ._saved_objects import (
    UntrustedError,
    add_safe_globals,
    clear_safe_globals,
    fill,
    get_safe_globals,
    make,
    method,
    parts_of,
    safe_globals,
    trusted,
)
from ._size import Size

if TYPE_CHECKING:
    from zipfile import ZipFile

    from numpy.typing import NDArray

    File: TypeAlias = str | os.PathLike[str] | IO[bytes]

__all__ = [
    "DEFAULT_PROTOCOL",
    "MAP_LOCATION",
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "safe_globals",
    "save",
]

# What map_location may be, to type checkers.
MAP_LOCATION: TypeAlias = Any
# What pickle_protocol may be; the format has none.
DEFAULT_PROTOCOL = 2

_FORMAT, _VERSION, _TREE = "backprop_ext", 1, "tree.json"
_DTYPES = {
    "float32": _core.float32,
    "float64": _core.float64,
    "complex64": _core.complex64,
    "complex128": _core.complex128,
    "float16": _core.float16,
    "bfloat16": _core.bfloat16,
    "int8": _core.int8,
    "int16": _core.int16,
    "int32": _core.int32,
    "int64": _core.int64,
    "uint8": _core.uint8,
    "bool": _core.bool,
}
_PLAIN = "biufcSUmM"  # kinds of arrays that hold their values, and no objects
_CONTAINERS: dict[str, Any] = {kind.__name__: kind for kind in (list, tuple, set, frozenset, Size)}


def save(
    obj: object,
    f: File,
    pickle_module: Any = pickle,
    pickle_protocol: int | None = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write tensors, arrays, numbers, strings, bytes, None, dtypes, containers, whole modules.

    The containers are lists, tuples, sets, dicts, OrderedDicts and Sizes. A module is written as
    its class's name and its attributes, and so is an object of another plain class, a function as
    its name; `load` then needs weights_only=False and the class. What PyTorch asks of pickle is
    taken and changes nothing: the format is our own.

    A path is written beside and then renamed: it holds the old file or the new one, never a part.
    Raises TypeError for anything else, PicklingError for a class or function that is not found by
    its name, ValueError for a container that contains itself, AttributeError for what is no file,
    RuntimeError for a path to no directory.
    """
    if not hasattr(pickle_module, "Pickler"):
        raise AttributeError(f"[save] {pickle_module=}; leave it out")
    truths(_use_new_zipfile_serialization, _disable_byteorder_record)
    if pickle_protocol is not None and index(pickle_protocol) > pickle.HIGHEST_PROTOCOL:
        raise ValueError(f"[save] {pickle_protocol=}; pass {pickle.HIGHEST_PROTOCOL} or less")
    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise AttributeError(f"[save] f is a {type(f).__name__}; pass a path or a file to write to")
    writer = _Writer()
    root = writer.node(obj)
    if not isinstance(f, (str, os.PathLike)):
        writer.write(f, root)
        return
    path, folder = os.path.realpath(f), os.path.dirname(os.fspath(f))
    if not os.path.basename(f) or (folder and not os.path.isdir(folder)):
        raise RuntimeError(f"[save] {f!r} is no file in a directory that is there; make {folder!r}")
    if os.path.exists(path) and not os.path.isfile(path):
        # A device or a pipe: neither renamed over nor sought in.
        whole = BytesIO()
        writer.write(whole, root)
        with open(path, "wb") as stream:
            stream.write(whole.getvalue())
        return
    beside = f"{path}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    try:
        with open(beside, "xb") as stream:
            writer.write(stream, root)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, path)
    except BaseException:
        if os.path.exists(beside):
            os.unlink(beside)
        raise


def load(
    f: File,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = True,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what `save` wrote, or PyTorch's. No code of the file runs, whatever `weights_only` says.

    With weights_only=False, modules and other objects are made of classes that the program has
    imported; of PyTorch's own files, modules alone. `pickle_module` and what follows `mmap` are
    PyTorch's and change nothing.

    Raises FileNotFoundError, EOFError at the end of a file, RuntimeError for one that is damaged,
    pickle.UnpicklingError for one of another format and for objects that are not trusted, and
    AttributeError for a class that the program does not have and for what is no file.
    """
    if isinstance(map_location, (str, device)):
        on_cpu(map_location, RuntimeError)
    elif not (map_location is None or isinstance(map_location, dict) or callable(map_location)):
        raise TypeError(
            f"[load] {map_location=}; pass a device, its name, a dict of names or a function"
        )
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as stream:
            return _read(stream, os.fspath(f), bool(weights_only))
    if not hasattr(f, "seek"):
        raise AttributeError(f"[load] f is a {type(f).__name__}; pass a path, or a file to seek in")
    if f.tell() == f.seek(0, os.SEEK_END):
        raise EOFError("[load] nothing is left in the file, it was read to its end; call seek(0)")
    return _read(f, str(getattr(f, "name", "the file object")), bool(weights_only))


class _Writer:
    """Turns objects into nodes, and collects the tensors on the way."""

    def __init__(self) -> None:
        self.tensors: list[dict[str, Any]] = []
        self.storages: list[list[Tensor]] = []
        self.objects: list[Any] = []
        self._index: dict[int, int] = {}
        self._object: dict[int, int] = {}
        self._alive: list[Any] = []  # what objects made of themselves, so that ids stay theirs
        self._storage: dict[Any, int] = {}
        self._open: set[int] = set()

    def node(self, obj: object) -> Any:
        """The JSON of an object."""
        kind = type(obj)
        if obj is None or kind in (bool, int, str):
            return obj
        if isinstance(obj, float):
            return float(obj)
        if isinstance(obj, Tensor):
            if obj.layout is not strided:
                return {"sparse": [self.node(part) for part in obj.__reduce_ex__(2)[1]]}
            if obj.is_quantized:
                return {"quantized": [self.node(part) for part in obj.__reduce_ex__(2)[1]]}
            if hasattr(obj, "__torch_dispatch__"):
                return {"wrapper": [self.node(part) for part in obj.__reduce_ex__(2)[1]]}
            return {"tensor": self._tensor(obj)}
        if kind is complex:
            return {"complex": [obj.real, obj.imag]}  # type: ignore[attr-defined]
        if isinstance(obj, (bytes, bytearray)):
            return {"bytes": b64encode(obj).decode()}
        if isinstance(obj, (np.ndarray, np.generic)) and obj.dtype.kind in _PLAIN:
            tag = "ndarray" if isinstance(obj, np.ndarray) else "scalar"
            if obj.dtype.name in _DTYPES:
                return {tag: self._tensor(_core.tensor(np.asarray(obj)))}
            return {tag: [obj.dtype.str, list(obj.shape), b64encode(obj.tobytes()).decode()]}
        if isinstance(obj, device):
            return {"device": str(obj)}
        if isinstance(obj, _core.dtype):
            return {"dtype": str(obj).removeprefix("torch.")}
        if kind in (list, tuple, set, frozenset, Size) or kind.__name__ in ("dict", "OrderedDict"):
            return self._container(obj)
        return self._other(obj)

    def _other(self, obj: object) -> Any:
        """A name, a method of an object, or an object once for all who refer to it."""
        if isinstance(obj, MethodType):
            return {"method": [self.node(obj.__self__), obj.__name__]}
        if id(obj) in self._object:
            return {"object": self._object[id(obj)]}
        parts = parts_of(obj)
        if isinstance(parts, str):
            return {"name": parts}
        self._alive.append((obj, parts))
        index = self._object[id(obj)] = len(self.objects)
        self.objects.append(None)
        self.objects[index] = [parts[0], *(self.node(part) for part in parts[1:])]
        return {"object": index}

    def _container(self, obj: Any) -> Any:
        if id(obj) in self._open:
            raise ValueError(
                f"[save] a {type(obj).__name__} contains itself, a tree is needed; cut the cycle"
            )
        self._open.add(id(obj))
        if isinstance(obj, dict):
            items = [[self.node(key), self.node(value)] for key, value in obj.items()]
        else:
            items = [self.node(value) for value in obj]
        self._open.remove(id(obj))
        return {type(obj).__name__: items}

    def _tensor(self, t: Tensor) -> int:
        if id(t) not in self._index:
            start = t.data_ptr() - t.storage_offset() * t.element_size()
            # An empty tensor has no address of its own.
            key = (start, t.dtype) if t.numel() else id(t)
            storage = self._storage.setdefault(key, len(self.storages))
            if storage == len(self.storages):
                self.storages.append([])
            self.storages[storage].append(t)
            self._index[id(t)] = len(self.tensors)
            self.tensors.append({"storage": storage, **_layout(t)})
        return self._index[id(t)]

    def write(self, stream: IO[bytes], root: Any) -> None:
        """The zip: equal objects give equal bytes."""
        import json
        from zipfile import ZipFile, ZipInfo

        spans = [_span(tensors) for tensors in self.storages]
        for entry in self.tensors:
            entry["offset"] -= spans[entry["storage"]][0]
        tree = {"format": _FORMAT, "version": _VERSION, "root": root, "tensors": self.tensors}
        if self.objects:
            tree["objects"] = self.objects
        with ZipFile(stream, "w") as archive:
            archive.writestr(ZipInfo(_TREE), json.dumps(tree))
            for index, (_, elements) in enumerate(spans):
                info = ZipInfo(f"storage/{index}.npy")
                with archive.open(info, "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, elements, allow_pickle=False)


def _layout(t: Tensor) -> dict[str, Any]:
    from .nn.parameter import Buffer, Parameter

    kind = next((cls.__name__ for cls in (Parameter, Buffer) if isinstance(t, cls)), "Tensor")
    entry: dict[str, Any] = {
        "class": kind,
        "shape": list(t.shape),
        "strides": list(t.stride()),
        "offset": t.storage_offset(),
        "requires_grad": t.requires_grad,
    }
    if t.dtype is _core.bfloat16:  # its storage holds the bits
        entry["dtype"] = "bfloat16"
    return entry | ({"persistent": t.persistent} if isinstance(t, Buffer) else {})


def _reach(shape: list[int], strides: list[int]) -> int:
    """The number of elements from the first to the last."""
    if 0 in shape:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))


def _span(tensors: list[Tensor]) -> tuple[int, NDArray[Any]]:
    """(offset, elements) of the shortest run of a storage that holds all its saved tensors."""
    first = min(tensors, key=lambda t: t.storage_offset())
    offset = first.storage_offset()
    stop = max(t.storage_offset() + _reach(list(t.shape), list(t.stride())) for t in tensors)
    array = as_bits(first)
    run = np.lib.stride_tricks.as_strided(
        array, (max(0, stop - offset),), (array.itemsize,), writeable=False
    )
    return offset, run


def _read(stream: IO[bytes], name: str, weights_only: bool) -> Any:
    import json
    from pickle import UnpicklingError
    from zipfile import BadZipFile, ZipFile
    from zlib import error as ZlibError

    from ._torch_file import is_torch_file, read_torch_file

    stream.seek(0)
    start = stream.read(4)
    if not start:
        raise EOFError(f"[load] {name} is empty; save it again")
    kind = RuntimeError if start == b"PK\3\4" else UnpicklingError
    try:
        with ZipFile(stream) as archive:
            if is_torch_file(archive):
                return read_torch_file(archive, weights_only)
            tree = json.loads(archive.read(_TREE))
            if tree["format"] != _FORMAT or tree["version"] != _VERSION:
                raise ValueError(f"format {tree['format']!r} version {tree['version']!r}")
            return _Reader(archive, tree, weights_only).value(tree["root"])
    except UntrustedError as error:
        raise UnpicklingError(str(error)) from None
    except MissingError as error:
        raise AttributeError(str(error)) from None
    except (BadZipFile, ZlibError, EOFError, OSError, NotImplementedError, RecursionError) as error:
        cause: Exception = error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError) as error:
        cause = error
    except (UnpicklingError, MemoryError, AssertionError) as error:
        cause = error
    raise kind(
        f"[load] {name} is damaged, incomplete or not written by save() "
        f"({type(cause).__name__}: {cause}); save it again, or for a file of PyTorch, save the "
        "state_dict() there"
    ) from cause


def _named_dtype(name: str) -> _core.dtype:
    """A type that is a name alone, such as qint8. KeyError for anything else."""
    if not isinstance(found := vars(_core)[name], _core.dtype):
        raise KeyError(name)
    return found


class _Reader:
    """Turns nodes back into objects. The file is not trusted: every number in it is checked."""

    def __init__(self, archive: ZipFile, tree: dict[str, Any], weights_only: bool) -> None:
        self._archive, self._entries = archive, tree["tensors"]
        self._written, self._weights_only = tree.get("objects", []), weights_only
        self._objects: dict[int, Any] = {}
        self._storages: dict[int, Tensor] = {}
        self._tensors: dict[int, Tensor] = {}

    def value(self, node: Any) -> Any:
        """The object of a node."""
        if node is None or isinstance(node, (bool, int, float, str)):
            return node
        ((tag, content),) = node.items()
        if tag == "tensor":
            return self._tensor(content)
        if tag == "sparse":
            from .sparse._create import from_parts

            return from_parts(*[self.value(part) for part in content])
        if tag == "quantized":
            from ._quantized import quantized

            return quantized(*[self.value(part) for part in content])
        if tag == "wrapper":
            from ._dispatch import rebuilt

            return rebuilt(*[self.value(part) for part in content])
        if tag == "object":
            return self._object(content)
        if tag == "name":
            return trusted(content, self._weights_only)
        if tag == "method":
            return method(self.value(content[0]), content[1])
        if tag == "dtype":
            return _DTYPES.get(content) or _named_dtype(content)
        if tag == "complex":
            return complex(*content)
        if tag == "bytes":
            return b64decode(content, validate=True)
        if tag == "device":
            return device(content)
        if tag in ("ndarray", "scalar"):
            array = self._array(content)
            return array if tag == "ndarray" else array[()]
        if tag in ("dict", "OrderedDict"):
            from collections import OrderedDict

            pairs = [(self.value(key), self.value(value)) for key, value in content]
            return dict(pairs) if tag == "dict" else OrderedDict(pairs)
        make: Any = _CONTAINERS[tag]
        return make([self.value(item) for item in content])

    def _object(self, index: int) -> Any:
        if index not in self._objects:
            name, args, *rest = self._written[index]
            made = make(trusted(name, self._weights_only), self.value(args))
            self._objects[index] = made  # it may refer to itself
            fill(made, *(self.value(part) for part in rest))
        return self._objects[index]

    def _array(self, content: Any) -> NDArray[Any]:
        if isinstance(content, int):
            array: NDArray[Any] = self._tensor(content).numpy()
            return array
        name, shape, elements = content  # of a type that tensors do not have
        dtype = np.dtype(name)
        if dtype.kind not in _PLAIN:
            raise ValueError(f"an array of {name}")
        made = np.frombuffer(b64decode(elements, validate=True), dtype).reshape(shape)
        return np.array(made)

    def _tensor(self, index: int) -> Tensor:
        if index in self._tensors:
            return self._tensors[index]
        entry = self._entries[index]
        shape, strides, offset = entry["shape"], entry["strides"], entry["offset"]
        numbers = [*shape, *strides, offset]
        storage = self._storage(entry["storage"])
        if (
            any(type(number) is not int or number < 0 for number in numbers)
            or offset + _reach(shape, strides) > storage.numel()
        ):
            raise ValueError(f"tensor {index} does not fit its storage")
        found = storage.as_strided(tuple(shape), tuple(strides), offset)
        if "dtype" in entry:
            found = found.view(_DTYPES[entry["dtype"]])
        self._tensors[index] = _with_class(found, entry)
        return self._tensors[index]

    def _storage(self, index: int) -> Tensor:
        if index not in self._storages:
            info = self._archive.getinfo(f"storage/{index}.npy")
            with self._archive.open(info) as member:
                elements = _elements(member, info.file_size)
            # Cloned, so that the memory is ours: aligned, and counted in one place.
            self._storages[index] = _core.from_numpy(elements).clone()
        return self._storages[index]


def _elements(member: Any, file_size: int) -> NDArray[Any]:
    """Read a .npy of known size: a header that promises more is refused before memory is taken."""
    version = np.lib.format.read_magic(member)
    if version != (1, 0):
        raise ValueError(f"version {version} of .npy")
    shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    if len(shape) != 1 or dtype.name not in _DTYPES:
        raise ValueError(f"a storage of shape {shape} and dtype {dtype}")
    content = member.read(file_size)
    if len(content) != shape[0] * dtype.itemsize:
        raise ValueError(f"{len(content)} bytes for {shape[0]} elements of {dtype}")
    if dtype == np.bool_ and content.strip(b"\0\1"):
        raise ValueError("a bool that is neither 0 nor 1")
    return np.frombuffer(content, dtype).astype(dtype.newbyteorder("="))


def _with_class(t: Tensor, entry: dict[str, Any]) -> Tensor:
    from .nn.parameter import Buffer, Parameter

    if entry["class"] == "Parameter":
        return Parameter(t, bool(entry["requires_grad"]))
    t = t.requires_grad_(bool(entry["requires_grad"]))
    return Buffer(t, persistent=bool(entry["persistent"])) if entry["class"] == "Buffer" else t
