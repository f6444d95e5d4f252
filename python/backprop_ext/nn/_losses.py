"""Losses that take a function or a layer's weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._checks import the_tensor
from .._core import _nn
from . import _reduction

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core import Tensor

__all__ = ["linear_cross_entropy", "triplet_margin_with_distance_loss"]


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b + 1e-6).norm(2.0, -1)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(a, p) - d(a, n) + margin), d the Euclidean distance unless it is given.

    With `swap`, d(a, n) is at most d(p, n). Raises ValueError for a margin that is not positive,
    RuntimeError for other numbers of dimensions. Source: Balntas et al., BMVC 2016.
    """
    _reduction.the_reduction(reduction)
    if margin <= 0:
        raise ValueError(
            f"[triplet_margin_with_distance_loss] margin={margin} must be greater than 0"
        )
    op = "triplet_margin_with_distance_loss"
    dims = {the_tensor(op, t).ndim for t in (anchor, positive, negative)}
    if len(dims) > 1:
        raise RuntimeError(
            f"[{op}] the shapes are "
            f"{[tuple(t.shape) for t in (anchor, positive, negative)]}; they must have the same "
            "number of dimensions"
        )
    d: Any = _distance if distance_function is None else distance_function
    far = d(anchor, negative)
    if swap:
        far = _core.minimum(far, d(positive, negative))
    each: Tensor = (margin + d(anchor, positive) - far).clamp(min=0)
    return each if reduction == "none" else each.sum() if reduction == "sum" else each.mean()


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """cross_entropy(linear(input, linear_weight, linear_bias), target): a layer and its loss.

    input (N, in) or (in); linear_weight (C, ..., in), linear_bias (C, ...), for logits (N, C, ...).
    `options`, which PyTorch takes its work apart by, changes nothing. Raises RuntimeError for
    shapes that do not fit, and for an ignore_index beside targets that are probabilities.
    """
    op = "linear_cross_entropy"
    features, shape = the_tensor(op, input).shape[-1:], the_tensor(op, linear_weight).shape
    if len(shape) < 2:
        raise RuntimeError(
            f"[{op}] linear_weight has the shape {tuple(shape)}; expected (classes, features)"
        )
    classes, *more, expected = shape
    if input.ndim not in (1, 2) or tuple(features) != (expected,) or (more and input.ndim == 1):
        raise RuntimeError(
            f"[{op}] an input of shape {tuple(input.shape)} does not fit a linear_weight of shape "
            f"{tuple(linear_weight.shape)}; expected (N, {expected})"
        )
    if linear_bias is not None and tuple(linear_bias.shape) != (classes, *more):
        raise RuntimeError(
            f"[{op}] linear_bias has the shape {tuple(linear_bias.shape)}; expected "
            f"{(classes, *more)}"
        )
    if options is not None and not hasattr(options, "acc_policy"):
        raise AttributeError(
            f"[{op}] options is a {type(options).__name__}; pass LinearCrossEntropyOptions or None"
        )
    bias = None if linear_bias is None else linear_bias.flatten()
    logits = _nn.linear(input, linear_weight.reshape(-1, expected), bias)
    logits = logits.reshape(*input.shape[:-1], classes, *more)
    if ignore_index is not None and target.shape == logits.shape:
        raise RuntimeError(
            f"[{op}] ignore_index={ignore_index} says nothing of targets that are probabilities, "
            f"of shape {tuple(target.shape)}; leave it out"
        )
    return _nn.cross_entropy(
        logits,
        target,
        weight=weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
