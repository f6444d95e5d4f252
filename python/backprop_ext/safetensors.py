"""The safetensors format: a header in JSON and the bytes of named tensors, nothing else.

    8 bytes         n, the length of the header, little-endian
    n bytes         {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
                     "__metadata__": {"text": "text"}}
    the rest        the elements, row-major and little-endian, without gaps

The functions have the names of `safetensors.torch`, and the files go both ways.
Source: https://github.com/huggingface/safetensors
"""

from __future__ import annotations

import json
import os
import sys
from io import BytesIO
from itertools import pairwise
from math import prod
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np

from . import _core
from ._bits import as_bits
from ._core import Tensor
from ._device import on_cpu

if TYPE_CHECKING:
    Path: TypeAlias = str | os.PathLike[str]

__all__ = ["load", "load_file", "save", "save_file"]

_NAMES = {
    _core.float64: "F64",
    _core.complex64: "C64",
    _core.float32: "F32",
    _core.float16: "F16",
    _core.bfloat16: "BF16",
    _core.int64: "I64",
    _core.int32: "I32",
    _core.int16: "I16",
    _core.int8: "I8",
    _core.uint8: "U8",
    _core.bool: "BOOL",
}
_DTYPES = {name: dtype for dtype, name in _NAMES.items()}
_METADATA = "__metadata__"
_LONGEST_HEADER = 100_000_000


def save_file(
    tensors: dict[str, Tensor], filename: Path, metadata: dict[str, str] | None = None
) -> None:
    """Write named tensors, and texts about them, to a file.

    Raises ValueError for a tensor that is not contiguous, RuntimeError for two that share memory,
    TypeError for what is no tensor or text.
    """
    parts = _parts(tensors, metadata)
    with open(filename, "wb") as stream:
        for part in parts:
            stream.write(part)


def save(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """The bytes that `save_file` writes."""
    return b"".join(_parts(tensors, metadata))


def load_file(filename: Path, device: Any = "cpu") -> dict[str, Tensor]:
    """The tensors of a file by name. Raises RuntimeError for a file that breaks the format."""
    on_cpu(device)
    with open(filename, "rb") as stream:
        return _read(stream, os.fstat(stream.fileno()).st_size, os.fspath(filename))


def load(data: bytes) -> dict[str, Tensor]:
    """The tensors in the bytes of a file. Raises RuntimeError where they break the format."""
    return _read(BytesIO(data), len(data), "the data")


def _parts(tensors: dict[str, Tensor], metadata: dict[str, str] | None) -> list[Any]:
    header: dict[str, Any] = {}
    if metadata:
        if not all(isinstance(text, str) for item in metadata.items() for text in item):
            raise TypeError(f"[save_file] metadata={metadata!r}; texts by name are needed")
        header[_METADATA] = metadata
    # Wide elements first, so that each lies at a multiple of its size.
    order = sorted(tensors, key=lambda name: (-_checked(name, tensors[name]).element_size(), name))
    _require_own_memory(tensors)
    parts: list[Any] = []
    end = 0
    for name in order:
        t = tensors[name]
        array = as_bits(t)
        little = array if sys.byteorder == "little" else array.byteswap()
        parts.append(np.ascontiguousarray(little).reshape(-1).view(np.uint8).data)
        start, end = end, end + t.nbytes
        header[name] = {
            "dtype": _NAMES[t.dtype],
            "shape": list(t.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little"), text, *parts]


def _checked(name: object, t: object) -> Tensor:
    if not isinstance(name, str) or name == _METADATA or not isinstance(t, Tensor):
        raise TypeError(
            f"[save_file] {name!r}: {type(t).__name__}; a dict of names and tensors is needed"
        )
    if not t.is_contiguous():
        raise ValueError(
            f"[save_file] {name!r} of shape {tuple(t.shape)} and strides {t.stride()} is not "
            "contiguous; save its .contiguous()"
        )
    return t


def _require_own_memory(tensors: dict[str, Tensor]) -> None:
    spans = sorted((t.data_ptr(), t.nbytes, name) for name, t in tensors.items() if t.numel())
    for (start, size, first), (other, _, second) in pairwise(spans):
        if start + size > other:
            raise RuntimeError(
                f"[save_file] {first!r} and {second!r} share memory, which the format cannot say; "
                "save one of them, or a clone()"
            )


def _read(stream: IO[bytes], size: int, name: str) -> dict[str, Tensor]:
    try:
        return _tensors(stream, size)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RuntimeError(
            f"[load_file] {name} is no safetensors file, or is damaged "
            f"({type(error).__name__}: {error}); save it again"
        ) from error


def _tensors(stream: IO[bytes], size: int) -> dict[str, Tensor]:
    """Every number in the header is checked before memory is taken for it."""
    length = int.from_bytes(stream.read(8), "little")
    if size < 8 or length > min(size - 8, _LONGEST_HEADER):
        raise ValueError(f"{size} bytes with a header of {length}")
    header = json.loads(stream.read(length).decode(), object_pairs_hook=_unique)
    header.pop(_METADATA, None)
    found = {}
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, stop = entry["data_offsets"]
        dtype, shape = _DTYPES.get(entry["dtype"]), entry["shape"]
        if dtype is None:
            raise ValueError(f"{name!r} is {entry['dtype']}, {', '.join(_DTYPES)} can be read")
        if any(type(number) is not int or number < 0 for number in (start, stop, *shape)):
            raise ValueError(f"{name!r} has shape {shape} and offsets {start}, {stop}")
        if start != end or stop - start != prod(shape) * dtype.itemsize or stop > size - 8 - length:
            raise ValueError(f"{name!r}: shape {shape} does not fill bytes {start} to {stop}")
        found[name] = _elements(stream, dtype, shape)
        end = stop
    if end != size - 8 - length:
        raise ValueError(f"{size - 8 - length} bytes of elements, the header says {end}")
    return {name: found[name] for name in header}


def _elements(stream: IO[bytes], dtype: Any, shape: list[int]) -> Tensor:
    t = _core.empty(tuple(shape), dtype=dtype)
    array = as_bits(t).reshape(-1).view(np.uint8)
    if stream.readinto(array.data) != array.size:  # type: ignore[attr-defined]
        raise ValueError("the file ends early")
    if dtype == _core.bool and array.size and array.max() > 1:
        raise ValueError("a bool that is neither 0 nor 1")
    if sys.byteorder == "big":
        as_bits(t).byteswap(inplace=True)
    return t


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name appears twice")
    return made
