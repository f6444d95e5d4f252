"""Starting values by name.

Fans are those of Keras 1: a weight is (outputs, inputs, *window), each times the window's size.
Source: https://faroit.com/keras-docs/1.2.2/initializations/
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod, sqrt
from typing import TYPE_CHECKING, Any, TypeAlias

from .._choice import choose
from ..autograd.grad_mode import no_grad
from ..nn import init
from .activations import ACTIVATIONS

if TYPE_CHECKING:
    from .._core import Tensor

__all__ = ["INITIALIZERS", "Fill", "Initialize", "fans", "get"]

Initialize: TypeAlias = "Callable[[Tensor], object]"


def fans(tensor: Tensor) -> tuple[float, float]:
    """(fan_in, fan_out) of a weight; both are the root of its size below two dimensions."""
    if tensor.ndim < 2:
        return (sqrt(tensor.numel()),) * 2
    outputs, inputs, *window = tensor.shape
    return inputs * prod(window), outputs * prod(window)


def _uniform(low: float = -0.05, high: float = 0.05) -> Initialize:
    return lambda tensor: init.uniform_(tensor, low, high)


def _normal(mean: float = 0.0, std: float = 0.05) -> Initialize:
    return lambda tensor: init.normal_(tensor, mean, std)


def _scaled(scale: Callable[[float, float], float], normal: bool) -> Initialize:
    """Numbers of variance scale(fan_in, fan_out)."""

    def draw(tensor: Tensor) -> Tensor:
        std = sqrt(scale(*fans(tensor)))
        if normal:
            return init.normal_(tensor, 0.0, std)
        return init.uniform_(tensor, -sqrt(3.0) * std, sqrt(3.0) * std)

    return draw


def _glorot(fan_in: float, fan_out: float) -> float:
    return 2.0 / (fan_in + fan_out)


def _he(fan_in: float, fan_out: float) -> float:
    return 2.0 / fan_in


def _lecun(fan_in: float, fan_out: float) -> float:
    return 1.0 / fan_in


INITIALIZERS: dict[str, Initialize] = {
    "glorot_uniform": _scaled(_glorot, False),
    "glorot_normal": _scaled(_glorot, True),
    "he_uniform": _scaled(_he, False),
    "he_normal": _scaled(_he, True),
    "lecun_uniform": _scaled(_lecun, False),
    "lecun_normal": _scaled(_lecun, True),
    "uniform": _uniform(),
    "normal": _normal(),
    "zero": init.zeros_,
    "zeros": init.zeros_,
    "one": init.ones_,
    "ones": init.ones_,
    "identity": init.eye_,
    "orthogonal": init.orthogonal_,
}


BOUNDED: dict[str, Callable[..., Initialize]] = {"uniform": _uniform, "normal": _normal}


class Fill:
    """Fills a tensor by a function, or by the one of a name; then it can be pickled."""

    def __init__(self, name: str, function: Initialize | None = None, limits: Any = None) -> None:
        self.name, self.function, self.limits = name, function, limits

    def __call__(self, tensor: Tensor) -> None:
        fill = self.function or INITIALIZERS[self.name]
        if self.limits is not None:
            fill = BOUNDED[self.name](*self.limits)
        with no_grad():
            fill(tensor)

    def __repr__(self) -> str:
        return self.name


def get(op: str, given: Any, limits: Any = None) -> Initialize:
    """What fills a tensor in place, for a name, or for a function of a tensor.

    limits are the bounds of "uniform" (-0.05, 0.05), or mean and deviation of "normal" (0, 0.05).
    Raises ValueError that names the nearest known name, TypeError for what is neither.
    """
    if isinstance(given, Fill):
        return given
    if callable(given):
        return Fill(getattr(given, "__name__", "function"), given)
    if isinstance(given, str) and given in ACTIVATIONS:
        raise ValueError(f"[{op}] init={given!r} is an activation; pass activation={given!r}")
    name = choose(op, "init", given, {name: name for name in INITIALIZERS})
    if limits is not None and name not in BOUNDED:
        raise ValueError(
            f"[{op}] limits={limits} with init={given!r}; they are for 'uniform' and 'normal' only"
        )
    return Fill(name, None, limits)
