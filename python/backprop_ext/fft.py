"""Fourier transforms, frequencies and shifts.

The transforms are in `cpp/ops/fft.cpp`. Source: https://docs.pytorch.org/docs/stable/fft.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _core
from ._checks import the_dims, the_tensor
from ._core import _fft
from ._core._fft import *  # noqa: F403 (every registered op that lives here)
from ._names import missing_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._core import Tensor

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]
__all__ += _fft.__all__

__getattr__ = missing_from("torch.fft", globals())


def fftfreq(
    n: int,
    d: float = 1.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The frequencies of a transform of n samples, d apart: [0, 1, ..., -2, -1] / (n d)."""
    whole = _core.cat([_core.arange((n + 1) // 2), _core.arange(-(n // 2), 0)])
    return _scaled(whole, n, d, dtype, requires_grad)


def rfftfreq(
    n: int,
    d: float = 1.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The frequencies of a transform of n real samples, d apart: [0, 1, ..., n // 2] / (n d)."""
    return _scaled(_core.arange(n // 2 + 1), n, d, dtype, requires_grad)


def fftshift(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """The zero frequency moved to the middle of each dimension: rolled by half its size."""
    return _rolled("fftshift", input, dim, 1)


def ifftshift(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """What undoes fftshift."""
    return _rolled("ifftshift", input, dim, -1)


def _scaled(whole: Tensor, n: int, d: float, dtype: Any, requires_grad: bool) -> Tensor:
    result = whole.to(dtype or _core.get_default_dtype()) * (1.0 / (n * d))
    return result.requires_grad_(requires_grad)


def _rolled(op: str, t: Tensor, dim: int | Sequence[int] | None, sign: int) -> Tensor:
    dims = the_tensor(op, t).dim()
    axes = the_dims(op, dim, dims)
    shifts = [t.shape[a] // 2 if sign > 0 else (t.shape[a] + 1) // 2 for a in axes]
    return _core.roll(t, shifts, axes)
