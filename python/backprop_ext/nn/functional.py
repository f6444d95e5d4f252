"""Layers, activations and losses as functions.

Most are the compiled ops themselves; those defined here add an argument or a check that only
PyTorch's nn.functional has. Source: https://docs.pytorch.org/docs/stable/nn.functional.html
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from .. import _core
from .._checks import the_tensor
from .._core import _nn, prelu, sigmoid, tanh
from .._core._nn import *  # noqa: F403 (every registered op that lives here)
from .._overrides import handle_torch_function, has_torch_function  # noqa: F401 (found here too)
from . import _attention, _fractional_pool, _losses, _masks, _pooling, _vision
from ._attention import *  # noqa: F403
from ._fractional_pool import *  # noqa: F403
from ._losses import *  # noqa: F403
from ._masks import *  # noqa: F403
from ._pooling import *  # noqa: F403
from ._reduction import reduction_of, weighted_loss
from ._vision import *  # type: ignore[assignment]  # noqa: F403

if TYPE_CHECKING:
    from .._core import Tensor

__all__ = [
    "bilinear",
    "celu_",
    "elu_",
    "hardtanh_",
    "huber_loss",
    "l1_loss",
    "leaky_relu_",
    "log_softmax",
    "mse_loss",
    "prelu",
    "relu",
    "relu_",
    "rrelu_",
    "selu_",
    "sigmoid",
    "smooth_l1_loss",
    "softmax",
    "softmin",
    "tanh",
    "threshold_",
]
for _part in (_nn, _attention, _fractional_pool, _losses, _masks, _pooling, _vision):
    __all__ += _part.__all__


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """y = max(x, 0); the derivative at 0 is 0. Any shape."""
    return input.relu_() if inplace else _core.relu(input)


def _in_place(name: str) -> Any:
    function = globals()[name]

    def write(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return function(input, *args, **kwargs, inplace=True)  # type: ignore[no-any-return]

    write.__name__ = write.__qualname__ = f"{name}_"
    write.__doc__ = f"{name}, written into input."
    return write


celu_ = _in_place("celu")
elu_ = _in_place("elu")
hardtanh_ = _in_place("hardtanh")
leaky_relu_ = _in_place("leaky_relu")
relu_ = _in_place("relu")
rrelu_ = _in_place("rrelu")
selu_ = _in_place("selu")
threshold_ = _in_place("threshold")


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """y_i = exp(x_i) / sum_j exp(x_j) along `dim`. Warns when dim is left out, as PyTorch does."""
    return _core.softmax(input, _dim("softmax", input, dim), dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """y_i = x_i - log sum_j exp(x_j) along `dim`, without overflow."""
    return _core.log_softmax(input, _dim("log_softmax", input, dim), dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """softmax(-x) along `dim`."""
    input = -the_tensor("softmin", input)
    return softmax(input, _dim("softmin", input, dim), dtype=dtype)


def _dim(op: str, input: Tensor, dim: int | None) -> int:
    if dim is not None:
        return dim
    chosen = 0 if the_tensor(op, input).ndim in (0, 1, 3) else 1
    warnings.warn(
        f"[{op}] dim was left out, {chosen} is taken for {input.ndim} dimensions; "
        f"pass dim={chosen}",
        stacklevel=3,
    )
    return chosen


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_k = x1^T W_k x2 + b_k; x1 (..., i), x2 (..., j), W (k, i, j), b (k), y (..., k).

    Raises RuntimeError for shapes that differ in `...`, or do not fit the weight.
    """
    shapes = [tuple(the_tensor("bilinear", t).shape) for t in (input1, input2, weight)]
    if weight.ndim < 2:
        raise IndexError(f"[bilinear] weight has shape {shapes[2]}; expected (k, i, j)")
    if weight.ndim != 3 or shapes[2] != (weight.shape[0], *shapes[0][-1:], *shapes[1][-1:]):
        raise RuntimeError(
            f"[bilinear] inputs of shapes {shapes[0]} and {shapes[1]}, weight of {shapes[2]}; "
            "expected (..., i), (..., j) and (k, i, j)"
        )
    if shapes[0][:-1] != shapes[1][:-1]:
        raise RuntimeError(
            f"[bilinear] inputs of shapes {shapes[0]} and {shapes[1]}; they may differ in the "
            "last dimension alone, expand one of them"
        )
    given = [input1, input2, weight]
    if bias is not None:
        given.append(the_tensor("bilinear", bias, "bias"))
        if bias.ndim == 0:
            raise IndexError("[bilinear] bias has no dimension; expected (k,)")
        if bias.shape != weight.shape[:1]:
            raise RuntimeError(
                f"[bilinear] bias has shape {tuple(bias.shape)}; expected {tuple(weight.shape[:1])}"
            )
    if len({t.dtype for t in given}) > 1:
        raise RuntimeError(
            f"[bilinear] tensors of {', '.join(str(t.dtype) for t in given)}; they must be of one "
            "type, convert with .to(dtype)"
        )
    left = input1.unsqueeze(-2).unsqueeze(-2) @ weight
    result = (left @ input2.unsqueeze(-1).unsqueeze(-3)).view(*shapes[0][:-1], weight.shape[0])
    return result if bias is None else result + bias


def mse_loss(  # type: ignore[no-redef]
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(x - t)^2, elementwise or as its mean or sum; with a weight, its weighted mean.

    Warns when the shapes differ. Raises ValueError for a weight of another shape than the input.
    """
    _warn_if_broadcast("mse_loss", input, target)
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce, reduction)
    if weight is not None:
        each = _nn.mse_loss(input, target, reduction="none")
        return weighted_loss("mse_loss", each, input, weight, reduction)
    return _nn.mse_loss(input, target, reduction=reduction)


def l1_loss(  # type: ignore[no-redef]
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|x - t|, elementwise or as its mean or sum; with a weight, its weighted mean.

    Warns when the shapes differ. Raises ValueError for a weight of another shape than the input.
    """
    _warn_if_broadcast("l1_loss", input, target)
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce, reduction)
    if weight is not None:
        each = _nn.l1_loss(input, target, reduction="none")
        return weighted_loss("l1_loss", each, input, weight, reduction)
    return _nn.l1_loss(input, target, reduction=reduction)


def smooth_l1_loss(  # type: ignore[no-redef]
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d^2 / (2 beta) where d = |x - t| < beta, d - beta / 2 elsewhere. Warns on other shapes."""
    _warn_if_broadcast("smooth_l1_loss", input, target)
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce, reduction)
    return _nn.smooth_l1_loss(input, target, reduction=reduction, beta=beta)


def huber_loss(  # type: ignore[no-redef]
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """d^2 / 2 where d = |x - t| <= delta, delta (d - delta / 2) elsewhere. Warns on other shapes.

    A weight multiplies each; its mean is taken over their number, not their weight, as in PyTorch.
    Source: Huber, Ann. Math. Statist. 35 (1964) 73.
    """
    _warn_if_broadcast("huber_loss", input, target)
    if weight is not None:
        each = _nn.huber_loss(input, target, reduction="none", delta=delta)
        return weighted_loss("huber_loss", each, input, weight, reduction, each.numel())
    return _nn.huber_loss(input, target, reduction=reduction, delta=delta)


def _warn_if_broadcast(op: str, input: Tensor, target: Tensor) -> None:
    try:
        differ = input.shape != target.shape
    except AttributeError:  # the operation says what is no tensor
        return
    if differ:
        warnings.warn(
            f"[{op}] the input has shape {tuple(input.shape)}, the target {tuple(target.shape)}: "
            "they are broadcast, which is rarely meant; reshape the target to the input's shape",
            stacklevel=3,
        )
