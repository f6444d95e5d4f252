"""Functions of tensors, and of the variables of a functional model: zoo.pipeline.api.autograd.

Of a variable each is a Lambda layer. Dimensions count from 0, the batch.
"""

from __future__ import annotations

from inspect import signature
from types import FunctionType
from typing import TYPE_CHECKING, Any

from .. import _core
from ..nn import functional as F
from .criterion.base import Criterion
from .topology import Variable, applied

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._core import Tensor

__all__ = [
    "CustomLoss",
    "Variable",
    "abs",
    "batch_dot",
    "clip",
    "dot",
    "epsilon",
    "erf",
    "exp",
    "expand_dims",
    "l2_normalize",
    "log",
    "maximum",
    "mean",
    "mm",
    "neg",
    "pow",
    "softplus",
    "softsign",
    "sqrt",
    "square",
    "stack",
    "sum",
]


def mean(x: Any, axis: int = 0, keepDims: bool = False) -> Any:
    """The mean along a dimension."""
    return applied(lambda t: t.mean(axis, keepdim=keepDims), x)


def sum(x: Any, axis: int = 0, keepDims: bool = False) -> Any:
    """The sum along a dimension."""
    return applied(lambda t: t.sum(axis, keepdim=keepDims), x)


def abs(x: Any) -> Any:
    """|x|."""
    return applied(lambda t: t.abs(), x)


def neg(x: Any) -> Any:
    """-x."""
    return applied(lambda t: -t, x)


def exp(x: Any) -> Any:
    """exp(x)."""
    return applied(lambda t: t.exp(), x)


def log(x: Any) -> Any:
    """log(x)."""
    return applied(lambda t: t.log(), x)


def sqrt(x: Any) -> Any:
    """sqrt(x)."""
    return applied(lambda t: t.sqrt(), x)


def square(x: Any) -> Any:
    """x^2."""
    return applied(lambda t: t.square(), x)


def pow(x: Any, a: float) -> Any:
    """x^a."""
    return applied(lambda t: t**a, x)


def erf(x: Any) -> Any:
    """The error function."""
    return applied(lambda t: t.erf(), x)


def softsign(x: Any) -> Any:
    """x / (1 + |x|)."""
    return applied(F.softsign, x)


def softplus(x: Any) -> Any:
    """log(1 + exp(x))."""
    return applied(F.softplus, x)


def clip(x: Any, min: float, max: float) -> Any:
    """min(max(x, min), max)."""
    return applied(lambda t: t.clamp(min, max), x)


def maximum(x: Any, y: Any) -> Any:
    """The larger one, element by element; y may be a number."""
    if isinstance(y, (int, float)):
        return applied(lambda t: t.clamp_min(y), x)
    return applied(_core.maximum, x, y)


def epsilon() -> float:
    """1e-7, the number that keeps a logarithm or a quotient finite."""
    return 1e-7


def l2_normalize(x: Any, axis: int) -> Any:
    """x / |x| along a dimension."""
    return applied(lambda t: t / t.square().sum(axis, keepdim=True).clamp_min(1e-14).sqrt(), x)


def stack(inputs: Sequence[Any], axis: int = 1) -> Any:
    """The inputs side by side, along a new dimension."""
    return applied(lambda *tensors: _core.stack(tensors, axis), *inputs)


def expand_dims(x: Any, axis: int) -> Any:
    """x with a new dimension of length 1."""
    return applied(lambda t: t.unsqueeze(axis), x)


def mm(x: Any, y: Any, axes: Sequence[int] | None = None) -> Any:
    """The matrix products, sample by sample; axes are the dimensions that are summed over."""
    if axes is None:
        return applied(lambda a, b: a @ b, x, y)
    first, second = axes
    return applied(lambda a, b: a.movedim(first, -1) @ b.movedim(second, -2), x, y)


def batch_dot(x: Any, y: Any, axes: Any = 1, normalize: bool = False) -> Any:
    """The dot products along a dimension of both, sample by sample; cosines with normalize."""
    first, second = axes if isinstance(axes, (list, tuple)) else (axes, axes)
    if normalize:
        x, y = l2_normalize(x, first), l2_normalize(y, second)

    def product(a: Tensor, b: Tensor) -> Tensor:
        if a.ndim == 2:
            return (a * b).sum(1, keepdim=True)
        return a.movedim(first, -1) @ b.movedim(second, -2)

    return applied(product, x, y)


dot = batch_dot


class CustomLoss(Criterion):
    """mean of loss_func(y_true, y_pred), a function of tensors, the target first as in Keras."""

    def __init__(
        self, loss_func: Callable[[Any, Any], Tensor], y_pred_shape: Sequence[int] | None = None
    ) -> None:
        if not callable(loss_func):
            raise TypeError(
                f"[CustomLoss] loss_func is {loss_func!r}; pass a function of y_true and y_pred"
            )
        self.function, self.__name__ = loss_func, getattr(loss_func, "__name__", "loss")

    def loss(self, output: Any, target: Any) -> Tensor:
        return self.function(target, output).mean()


def as_criterion(loss: Any) -> Any:
    """CustomLoss of a function whose first argument is named y_true; another loss as it is."""
    if isinstance(loss, FunctionType) and next(iter(signature(loss).parameters), "") == "y_true":
        return CustomLoss(loss)
    return loss
