"""Functions that draw a mask: the dropout family and rrelu."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from .. import _core
from .._checks import the_number, the_tensor

if TYPE_CHECKING:
    from .._core import Tensor

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
    "rrelu",
    "rrelu_",
]


def _drop(op: str, input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    if the_number(op, p, "p") < 0.0 or p > 1.0:  # NaN is left to the operation, as in PyTorch
        raise ValueError(f"[{op}] p={p} is outside [0, 1]; pass the probability of a zero")
    drop = getattr(_core, op)
    if not (inplace and training):
        return drop(input, p, training)  # type: ignore[no-any-return]
    if "alpha" in op:
        return input.copy_(drop(input, p, True))
    return input.mul_(drop(_core.ones_like(input), p, True))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """y = x m / (1 - p) with m ~ Bernoulli(1 - p) in training, y = x otherwise. Any shape.

    Raises ValueError for p outside [0, 1].
    Source: Srivastava et al., Dropout, JMLR 15 (2014) 1929.
    """
    return _drop("dropout", input, p, training, inplace)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout to SELU's lowest value that keeps mean 0 and variance 1. Source: arXiv:1706.02515."""
    return _drop("alpha_dropout", input, p, training, inplace)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """alpha_dropout of whole channels: x (batch, channels, ...)."""
    return _drop("feature_alpha_dropout", input, p, training, inplace)


def _per_channel(
    name: str, dims: int, input: Tensor, p: float, training: bool, inplace: bool
) -> Tensor:
    # Without a batch, the first dimension holds the channels; dropout2d always takes a batch.
    batched = the_tensor(name, input).ndim == dims + 2 or name == "dropout2d"
    if input.ndim not in (dims + 1, dims + 2):
        text = (
            f"[{name}] input has shape {tuple(input.shape)}, {dims + 1} or {dims + 2} dimensions "
            "are expected; reshape it to (batch, channels, ...)"
        )
        if name == "dropout1d":
            raise RuntimeError(text)
        warnings.warn(text, stacklevel=4)
    if batched:
        return _drop("feature_dropout", input, p, training, inplace)
    return _drop("feature_dropout", input.unsqueeze(0), p, training, inplace).squeeze(0)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Dropout of whole channels: x (batch, channels, length) or (channels, length)."""
    return _per_channel("dropout1d", 1, input, p, training, inplace)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Dropout of whole channels: x (batch, channels, height, width)."""
    return _per_channel("dropout2d", 2, input, p, training, inplace)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Dropout of whole channels: x (batch, channels, depth, height, width), batch optional."""
    return _per_channel("dropout3d", 3, input, p, training, inplace)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """y = x where x > 0, a x elsewhere; a ~ U(lower, upper) in training, else their middle.

    Source: Xu et al., arXiv:1505.00853.
    """
    result = _core.rrelu(input, lower, upper, training)
    return input.copy_(result) if inplace else result


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """rrelu, written into its input."""
    return rrelu(input, lower, upper, training, inplace=True)
