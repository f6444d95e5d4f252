"""Random tensors for tests."""

from __future__ import annotations

from math import ceil, isnan
from typing import TYPE_CHECKING, Any

from . import _core
from ._device import on_cpu
from ._switches import finfo, iinfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._core import Tensor

__all__ = ["make_tensor"]


def make_tensor(
    *shape: int | Sequence[int],
    dtype: Any,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Uniform numbers in [low, high), PyTorch's for the same seed.

    By default from -9 to 9 for floats and the parts of complex numbers, -9 to 10 for integers, 0
    to 2 for bool. exclude_zero: 1, or the least normal float, stands for 0. noncontiguous: with
    gaps. Raises ValueError for an empty range or one outside of the type, a gradient of integers,
    and noncontiguous with memory_format.
    Source: PyTorch's torch.testing.make_tensor.
    """
    on_cpu(device)
    whole = len(shape) == 1 and not isinstance(shape[0], int)
    sizes: list[Any] = list(shape[0] if whole else shape)  # type: ignore[arg-type]
    inexact = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not inexact:
        raise ValueError(f"[make_tensor] requires_grad=True for {dtype}; pass a type of floats")
    if noncontiguous and memory_format is not None:
        raise ValueError(
            f"[make_tensor] noncontiguous and memory_format={memory_format} exclude each other; "
            "pass one"
        )
    bounds = _bounds(dtype.to_real(), low, high)
    gaps = noncontiguous and _core.empty(sizes).numel() > 1
    if gaps:
        sizes[-1] *= 2
    if not inexact:
        result = _core.randint(ceil(bounds[0]), ceil(bounds[1]), sizes, dtype=dtype)
    elif bounds[1] - bounds[0] >= finfo(dtype).max:  # a width that uniform_ does not take
        result = _core.empty(sizes, dtype=dtype).uniform_(bounds[0] / 2, bounds[1] / 2).mul_(2)
    else:
        result = _core.empty(sizes, dtype=dtype).uniform_(*bounds)
    if gaps:
        result = result[..., 1::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        result[result == 0] = finfo(dtype).tiny if inexact else 1
    if requires_grad:
        result.requires_grad_()
    return result


def _bounds(dtype: Any, low: float | None, high: float | None) -> tuple[Any, Any]:
    """low and high, or what stands for them, within what the type holds."""
    if dtype.is_floating_point:
        limits: Any = (finfo(dtype).min, finfo(dtype).max)
        usual = (-9, 9)
    elif dtype is _core.bool:
        limits, usual = (0, 2), (0, 2)
    else:
        most = iinfo(dtype).max + (dtype is not _core.int64)  # randint takes no 2^63
        limits, usual = (iinfo(dtype).min, most), (-9, 10)
    bounds = (usual[0] if low is None else low, usual[1] if high is None else high)
    empty = bounds[0] > bounds[1] or (bounds[0] == bounds[1] and not dtype.is_floating_point)
    if any(isnan(b) for b in bounds) or empty:
        raise ValueError(f"[make_tensor] low={bounds[0]}, high={bounds[1]}; low must be the lesser")
    if bounds[1] < limits[0] or bounds[0] >= limits[1]:
        raise ValueError(f"[make_tensor] {bounds} lies outside of {dtype}, which holds {limits}")
    return tuple(min(max(b, limits[0]), limits[1]) for b in bounds)
