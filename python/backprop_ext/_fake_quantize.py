"""Values rounded to those that a type of few bits could hold; the gradient goes straight through.

Source: Jacob et al., arXiv:1712.05877.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from .autograd.grad_mode import no_grad

if TYPE_CHECKING:
    from ._core import Tensor

__all__ = [
    "choose_qparams",
    "fake_quantize_per_channel_affine",
    "fake_quantize_per_tensor_affine",
    "fused_moving_avg_obs_fake_quant",
]


class _StraightThrough:
    """What the node holds: the gradient is that of the input where nothing was clamped."""

    def __init__(self, inside: Tensor) -> None:
        self._inside = inside

    def _backward(self, grad: Tensor) -> Any:
        return grad * self._inside


def _rounded(
    node: str, x: Tensor, scale: Tensor, zero_point: Tensor, quant_min: int, quant_max: int
) -> Tensor:
    if quant_min > quant_max:
        raise RuntimeError(f"[fake_quantize] {quant_min=} is above {quant_max=}; swap them")
    with no_grad():
        level = x * scale.reciprocal()
        if zero_point.is_floating_point():
            level, zero = level.add_(zero_point).round_(), zero_point
        else:
            zero = zero_point.float()
            level = level.round_().add_(zero)
        result = (level.clamp(quant_min, quant_max) - zero) * scale
        inside = (level >= quant_min).logical_and(level <= quant_max)
    held = _StraightThrough(inside)
    made: Any = _core._record_function(node, held, (x,), (result,), (), (), (), True)
    return made[0]  # type: ignore[no-any-return]


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
    zero = _core.as_tensor(zero_point, dtype=_core.int32).reshape(())
    kind = "" if isinstance(scale, float) else "TensorQparams"
    node = f"FakeQuantizePerTensorAffineCachemask{kind}Backward0"
    return _rounded(node, input, step, zero, quant_min, quant_max)


def fake_quantize_per_channel_affine(
    input: Tensor, scale: Tensor, zero_point: Tensor, axis: int, quant_min: int, quant_max: int
) -> Tensor:
    """The same, with a scale and a zero_point for each index of dimension `axis`."""
    node = "FakeQuantizePerChannelAffineCachemaskBackward0"
    return _by_channel(node, input, scale, zero_point, axis, quant_min, quant_max)


def _by_channel(
    node: str, x: Tensor, scale: Tensor, zero_point: Tensor, axis: int, low: int, high: int
) -> Tensor:
    shape = [1] * x.dim()
    shape[axis] = x.shape[axis]
    step, zero = (t.detach().reshape(shape) for t in (scale, zero_point))
    return _rounded(node, x, step.float(), zero, low, high)


def choose_qparams(
    low: Tensor, high: Tensor, quant_min: int, quant_max: int, symmetric: bool = False
) -> tuple[Tensor, Tensor]:
    """(scale, zero_point) of the levels quant_min to quant_max that span low to high, and 0.

    symmetric: 0 is the level in the middle. As in PyTorch's kernels a scale is no less than 6.1e-5.
    """
    ends = [t.detach().numpy().reshape(-1) for t in (low, high)]
    half = (quant_max - quant_min) // 2
    reach = np.maximum(-ends[0] / np.float32(half + 1), ends[1] / np.float32(half))
    least, most = (end.astype(np.float64) for end in ends)
    reach = reach.astype(np.float64)
    both = (least < 0) & (most > 0) & symmetric
    least = np.where(both, np.float32(reach * -(half + 1)), np.minimum(least, 0.0))
    most = np.where(both, np.float32(reach * half), np.maximum(most, 0.0))
    scale = (most - least) / (quant_max - quant_min)
    scale[scale.astype(np.float32) < np.float32(1 / 3.4e38)] = 0.1  # its reciprocal would be inf
    small = float(np.float32(6.1e-5))
    if (few := scale < small).any():
        by = (np.float32(small) / scale.astype(np.float32)).astype(np.float64)
        least, most = (np.where(few, np.float32(side * by), side) for side in (least, most))
        scale = np.where(few, small, scale)
    from_low, from_high = quant_min - least / scale, quant_max - most / scale
    nearer = abs(quant_min) - np.abs(least / scale) < abs(quant_max) - np.abs(most / scale)
    zero = np.where(nearer, from_low, from_high)
    zero = np.where(both, (quant_min + quant_max) / 2, zero)
    zero = np.rint(np.clip(zero, quant_min, quant_max)).astype(np.int32)
    return _core.from_numpy(scale.astype(np.float32)), _core.from_numpy(zero)


def fused_moving_avg_obs_fake_quant(
    input: Tensor,
    observer_on: Tensor,
    fake_quant_on: Tensor,
    running_min: Tensor,
    running_max: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    averaging_const: float,
    quant_min: int,
    quant_max: int,
    ch_axis: int,
    per_row_fake_quant: bool = False,
    symmetric_quant: bool = False,
) -> Tensor:
    """fake_quantize by the moving averages of the extremes, which are updated in place before."""
    if ch_axis >= input.dim():
        raise RuntimeError(
            f"[fused_moving_avg_obs_fake_quant] {ch_axis=} of {input.dim()} dimensions; take one"
        )
    values = input.detach()
    if per_row_fake_quant and not running_min.numel():
        rows = input.shape[ch_axis]
        for t, start in (
            (running_min, np.inf),
            (running_max, -np.inf),
            (scale, 1),
            (zero_point, 0),
        ):
            t.resize_(rows).fill_(start)
    if observer_on.item():
        if per_row_fake_quant:
            extremes = _core.aminmax(values.transpose(0, ch_axis).flatten(1), dim=1)
        else:
            extremes = _core.aminmax(values)
        for running, now in zip((running_min, running_max), extremes, strict=True):
            moved = running + averaging_const * (now - running)
            running.copy_(_core.where(running.isinf(), now, moved))
    if not fake_quant_on.item():
        return input
    if observer_on.item():
        found = choose_qparams(running_min, running_max, quant_min, quant_max, symmetric_quant)
        for t, new in zip((scale, zero_point), found, strict=True):
            t.copy_(new)
    node = "FusedMovingAvgObsFqHelperBackward0"
    if per_row_fake_quant:
        return _by_channel(node, input, scale, zero_point, ch_axis, quant_min, quant_max)
    step, zero = scale.reshape(()), zero_point.reshape(())
    return _rounded(node, input, step, zero, quant_min, quant_max)
