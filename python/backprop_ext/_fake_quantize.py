"""Values rounded to those that a type of few bits could hold; the gradient goes straight through.

Source: Jacob et al., arXiv:1712.05877.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _core
from .autograd.grad_mode import no_grad

if TYPE_CHECKING:
    from ._core import Tensor

__all__ = ["fake_quantize_per_channel_affine", "fake_quantize_per_tensor_affine"]


def _rounded(
    x: Tensor, scale: Tensor, zero_point: Tensor, quant_min: int, quant_max: int
) -> Tensor:
    if quant_min > quant_max:
        raise RuntimeError(f"[fake_quantize] {quant_min=} is above {quant_max=}; swap them")
    with no_grad():
        level = (x * scale.reciprocal()).round_().add_(zero_point)
        result = (level.clamp(quant_min, quant_max) - zero_point) * scale
        inside = (level >= quant_min).logical_and(level <= quant_max)
    return result + (x - x.detach()) * inside if x.requires_grad else result


def fake_quantize_per_tensor_affine(
    input: Tensor,
    scale: float | Tensor,
    zero_point: int | Tensor,
    quant_min: int,
    quant_max: int,
) -> Tensor:
    """(clamp(round(input / scale) + zero_point, quant_min, quant_max) - zero_point) scale.

    The gradient is that of input where nothing was clamped, and 0 elsewhere.
    """
    step = _core.as_tensor(scale, dtype=_core.float32).detach().reshape(())
    zero = _core.as_tensor(zero_point, dtype=_core.float32).reshape(())
    return _rounded(input, step, zero, quant_min, quant_max)


def fake_quantize_per_channel_affine(
    input: Tensor, scale: Tensor, zero_point: Tensor, axis: int, quant_min: int, quant_max: int
) -> Tensor:
    """The same, with a scale and a zero_point for each index of dimension `axis`."""
    shape = [1] * input.dim()
    shape[axis] = input.shape[axis]
    step, zero = (t.detach().reshape(shape).float() for t in (scale, zero_point))
    return _rounded(input, step, zero, quant_min, quant_max)
