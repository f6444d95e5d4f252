"""Activations by name: functions of a tensor, of any shape.

Source: https://faroit.com/keras-docs/1.2.2/activations/, and those that BigDL adds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from .._choice import choose
from ..nn import functional as F

if TYPE_CHECKING:
    from .._core import Tensor

__all__ = ["ACTIVATIONS", "Activate", "Named", "get", "hard_sigmoid", "linear", "softmax"]

Activate: TypeAlias = "Callable[[Tensor], Tensor]"


def linear(x: Tensor) -> Tensor:
    """y = x."""
    return x


def softmax(x: Tensor) -> Tensor:
    """y_i = exp(x_i) / sum_j exp(x_j) along the last dimension."""
    return F.softmax(x, -1)


def hard_sigmoid(x: Tensor) -> Tensor:
    """y = min(max(0.2 x + 0.5, 0), 1), which is not PyTorch's hardsigmoid (x / 6 + 0.5)."""
    return (0.2 * x + 0.5).clamp(0.0, 1.0)


ACTIVATIONS: dict[str, Activate] = {
    "relu": F.relu,
    "tanh": F.tanh,
    "sigmoid": F.sigmoid,
    "softmax": softmax,
    "linear": linear,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "hard_sigmoid": hard_sigmoid,
    "relu6": F.relu6,
    "tanh_shrink": F.tanhshrink,
    "softmin": lambda x: F.softmin(x, -1),
    "log_sigmoid": F.logsigmoid,
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "exp": lambda x: x.exp(),
}


class Named:
    """The activation of a name; unlike the compiled functions it can be pickled."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, x: Tensor) -> Tensor:
        return ACTIVATIONS[self.name](x)

    def __repr__(self) -> str:
        return self.name


def get(op: str, activation: Any) -> Activate:
    """The function for a name; None is `linear`, a function of a tensor stands for itself.

    Raises ValueError that names the nearest known name, TypeError for what is neither.
    """
    if activation is None:
        return linear
    if callable(activation):
        return activation  # type: ignore[no-any-return]
    return Named(choose(op, "activation", activation, {name: name for name in ACTIVATIONS}))
