"""What is done to gradients between the backward pass and the update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..autograd.grad_mode import no_grad
from ..nn.utils.clip_grad import clip_grad_norm_

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core import Tensor

__all__ = ["ClipByNorm", "ClipByValue", "Clips"]


class ClipByValue:
    """g = min(max(g, low), high), elementwise. Raises ValueError unless low < high."""

    def __init__(self, low: float, high: float) -> None:
        if not low < high:
            raise ValueError(f"[clip] low={low}, high={high}; low < high is needed")
        self.low, self.high = float(low), float(high)

    def __call__(self, parameters: list[Tensor]) -> None:
        with no_grad():
            for p in parameters:
                if p.grad is not None:
                    p.grad.clamp_(self.low, self.high)


class ClipByNorm:
    """g *= min(1, max_norm / (|g| + 1e-6)), g all gradients as one vector.

    Raises ValueError unless max_norm > 0.
    """

    def __init__(self, max_norm: float) -> None:
        if not max_norm > 0:
            raise ValueError(f"[clip] max_norm={max_norm}; a number above 0 is needed")
        self.max_norm = float(max_norm)

    def __call__(self, parameters: list[Tensor]) -> None:
        clip_grad_norm_(parameters, self.max_norm)


class Clips:
    """One after another."""

    def __init__(self, *clips: Callable[[list[Tensor]], None]) -> None:
        self.clips = clips

    def __call__(self, parameters: list[Tensor]) -> None:
        for clip in self.clips:
            clip(parameters)
