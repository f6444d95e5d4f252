"""Memory shared with other libraries: DLPack, buffers, and whatever asarray is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _core
from ._core import Tensor
from ._device import on_cpu

__all__ = ["asarray", "from_array", "from_dlpack", "frombuffer"]

_CPU = (1, 0)  # kDLCPU


def from_array(array: Any, dtype: Any = None) -> Tensor:
    """A copy of an array of any layout and byte order; tensor() takes no negative strides."""
    array = np.asarray(array)
    plain = array.astype(array.dtype.newbyteorder("="), order="C", copy=False)
    return _core.tensor(plain, dtype=dtype)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of another library's array, or of a DLPack capsule.

    Raises RuntimeError for memory on another device, TypeError for element types without a
    counterpart, ValueError for negative strides.
    Source: https://data-apis.org/array-api/latest/API_specification/generated/array_api.from_dlpack.html
    """
    if device is not None:
        on_cpu(device)
    capsule = ext_tensor
    if isinstance(ext_tensor, Tensor):
        shared = ext_tensor.detach()
        return shared.clone() if copy else shared
    if hasattr(ext_tensor, "__dlpack__"):
        place = ext_tensor.__dlpack_device__()
        if int(place[0]) != _CPU[0]:
            raise RuntimeError(
                f"[from_dlpack] the array is on DLPack device {tuple(place)}, {_CPU} (the CPU) is "
                "needed; move it there first"
            )
        try:
            capsule = ext_tensor.__dlpack__(max_version=(1, 0))
        except TypeError:  # the standard before 2023
            capsule = ext_tensor.__dlpack__()
    if type(capsule).__name__ != "PyCapsule":
        raise RuntimeError(
            f"[from_dlpack] a {type(capsule).__name__} is no capsule and has no __dlpack__; use "
            "as_tensor"
        )
    shared = _core._from_dlpack(capsule)
    return shared.clone() if copy else shared


def _dlpack_device(self: Tensor) -> tuple[int, int]:
    """(1, 0): the CPU."""
    return _CPU


def _dlpack(
    self: Tensor,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule on the tensor's memory.

    Raises BufferError for a tensor that requires grad, and for another device than the CPU.
    """
    if self.requires_grad:
        raise BufferError("[dlpack] the tensor requires grad; use tensor.detach()")
    if dl_device is not None and tuple(dl_device) != _CPU:
        raise BufferError(f"[dlpack] device {tuple(dl_device)} was asked for; {_CPU} is there")
    given = self.clone() if copy else self
    return _core._to_dlpack(given, max_version is not None and max_version[0] >= 1, bool(copy))


setattr(Tensor, "__dlpack__", _dlpack)  # noqa: B010
setattr(Tensor, "__dlpack_device__", _dlpack_device)  # noqa: B010


def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A 1-d tensor on a buffer's memory: `count` elements (-1: all) from byte `offset`.

    Raises ValueError where the buffer is too short or no multiple of the element size; warns when
    it is read-only. Source: PyTorch's torch.frombuffer.
    """
    if not isinstance(dtype, _core.dtype):
        raise TypeError(f"[frombuffer] {dtype=}; pass a dtype, as torch.float32")
    try:
        size = len(memoryview(buffer).cast("B"))
    except TypeError:
        raise ValueError(
            f"[frombuffer] a {type(buffer).__name__} is no buffer; pass bytes, a bytearray, say"
        ) from None
    item, kind = dtype.itemsize, str(dtype).removeprefix("torch.")
    left = size - offset
    wanted = left // item if count < 0 else count
    whole = count >= 0 or left % item == 0
    if not 0 <= offset < size or wanted <= 0 or wanted * item > left or not whole:
        raise ValueError(
            f"[frombuffer] {count} elements of {item} bytes from byte {offset} of a buffer of "
            f"{size} bytes; it must hold at least one, and with count=-1 a whole number of them"
        )
    array = np.frombuffer(buffer, kind, wanted, offset)
    return _core.from_numpy(array).requires_grad_(requires_grad)


def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """obj as a tensor: its memory shared where that can be, copied with `copy=True`.

    With `copy=False` what cannot be shared raises ValueError. A tensor stays in its graph.
    Source: PyTorch's torch.asarray.
    """
    if device is not None:
        on_cpu(device)
    if isinstance(obj, Tensor):
        found = obj
    elif isinstance(obj, np.ndarray) or not hasattr(obj, "__dlpack__"):
        found = _shared(obj, dtype, copy)
    else:
        found = from_dlpack(obj)
    if dtype is not None and found.dtype != dtype and copy is False:
        raise ValueError(
            f"[asarray] {found.dtype} cannot become {dtype} without a copy; leave copy=False out"
        )
    made = found.to(dtype or found.dtype)
    if copy and made is found:
        made = made.clone()
    if requires_grad is False and made.requires_grad:
        return made.detach()
    return made.requires_grad_() if requires_grad and not made.requires_grad else made


def _shared(obj: Any, dtype: Any, copy: bool | None) -> Tensor:
    """An array's or a buffer's memory; numbers and sequences, which have none, are copied."""
    if isinstance(obj, (np.ndarray, np.generic)):
        return _core.as_tensor(obj)
    try:
        memoryview(obj)
    except TypeError:
        if copy is False:
            raise ValueError(
                f"[asarray] a {type(obj).__name__} has no memory to share; leave copy=False out"
            ) from None
        return _core.tensor(obj, dtype=dtype)
    return frombuffer(obj, dtype=dtype or _core.get_default_dtype())
