"""Memory that processes have in common: what Tensor.share_memory_ moves a tensor to.

It is a file without a name, mapped. A forked process has the same pages; to a spawned one, or
through a Queue, goes the file itself.
"""

from __future__ import annotations

import mmap
import os
from multiprocessing import reduction
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from ._bits import as_bits, from_bits
from ._core import Tensor
from ._tensor import _rebuild
from .nn.parameter import Parameter

__all__ = ["is_shared", "share"]


class _File(mmap.mmap):
    """The mapping: arrays on it keep it, and it keeps its file open, to be sent."""

    descriptor: int

    def __del__(self) -> None:
        os.close(self.descriptor)


_FILES: WeakValueDictionary[int, _File] = WeakValueDictionary()  # by the address of the memory


def _mapped(
    descriptor: int,
    shape: tuple[int, ...],
    dtype: Any,
    offset: int = 0,
    strides: tuple[int, ...] | None = None,
) -> Any:
    """An array in the file; offset and strides in bytes."""
    file = _File(descriptor, 0)
    file.descriptor = descriptor
    _FILES[np.frombuffer(file, np.uint8).ctypes.data] = file
    return np.ndarray(shape, dtype, file, offset, strides)


def _file_of(tensor: Tensor) -> _File | None:
    return _FILES.get(tensor.untyped_storage().data_ptr()) if _FILES else None


def is_shared(tensor: Tensor) -> bool:
    """Whether processes have its memory in common."""
    return _file_of(tensor) is not None


def share(tensor: Tensor) -> None:
    """Moves the values; other tensors on the memory where they were stay there."""
    if is_shared(tensor):
        return
    old = as_bits(tensor)
    descriptor = os.memfd_create("tensor")
    os.ftruncate(descriptor, max(old.nbytes, 1))
    values = _mapped(descriptor, old.shape, old.dtype)
    values[...] = old
    tensor.data = from_bits(values, tensor.dtype)


def _received(cls: type[Tensor], file: Any, layout: tuple[Any, ...], *rest: Any) -> Tensor:
    return _rebuild(cls, _mapped(file.detach(), *layout), *rest)


def _reduce(tensor: Tensor) -> tuple[Any, ...]:
    made, (cls, values, *rest) = tensor.__reduce_ex__(2)
    if (file := _file_of(tensor)) is None:
        return made, (cls, values, *rest)
    offset = tensor.storage_offset() * tensor.itemsize
    layout = (values.shape, values.dtype, offset, values.strides)
    return _received, (cls, reduction.DupFd(file.descriptor), layout, *rest)


for _cls in (Tensor, Parameter):
    reduction.ForkingPickler.register(_cls, _reduce)
