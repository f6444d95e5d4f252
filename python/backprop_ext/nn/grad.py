"""Gradients of convolutions in their input and in their weight, as functions.

Source: https://github.com/pytorch/pytorch/blob/main/torch/nn/grad.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from ..autograd import engine
from ..autograd.grad_mode import enable_grad
from . import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._core import Tensor

    Sizes = int | Sequence[int]

__all__ = [
    "conv1d_input",
    "conv1d_weight",
    "conv2d_input",
    "conv2d_weight",
    "conv3d_input",
    "conv3d_weight",
]


def _in_input(dims: int) -> Any:
    conv: Callable[..., Tensor] = getattr(F, f"conv{dims}d")

    def run(
        input_size: Sequence[int],
        weight: Tensor,
        grad_output: Tensor,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
    ) -> Tensor:
        with enable_grad():
            x = _core.empty(input_size, dtype=grad_output.dtype, requires_grad=True)
            y = conv(x, weight, None, stride, padding, dilation, groups)
        return _gradient(y, x, grad_output, weight)

    return _named(run, f"conv{dims}d_input", "input")


def _in_weight(dims: int) -> Any:
    conv: Callable[..., Tensor] = getattr(F, f"conv{dims}d")

    def run(
        input: Tensor,
        weight_size: Sequence[int],
        grad_output: Tensor,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
    ) -> Tensor:
        with enable_grad():
            weight = _core.empty(weight_size, dtype=grad_output.dtype, requires_grad=True)
            y = conv(input, weight, None, stride, padding, dilation, groups)
        return _gradient(y, weight, grad_output, input)

    return _named(run, f"conv{dims}d_weight", "weight")


def _gradient(y: Tensor, wanted: Tensor, grad_output: Tensor, other: Tensor) -> Tensor:
    again = grad_output.requires_grad or other.requires_grad
    return engine.grad(y, wanted, grad_output, create_graph=again)[0]


def _named(run: Callable[..., Tensor], name: str, what: str) -> Callable[..., Tensor]:
    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"The gradient of {name[:6]} in its {what}, from that of its output."
    return run


conv1d_input, conv2d_input, conv3d_input = map(_in_input, (1, 2, 3))
conv1d_weight, conv2d_weight, conv3d_weight = map(_in_weight, (1, 2, 3))
