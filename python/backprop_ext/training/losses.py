"""Losses by Keras' names, on probabilities; each a mean over all but the last dimension.

Source: https://keras.io/api/losses
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .. import _core
from .._choice import choose
from .._core import Tensor
from .._core._nn import nll_loss

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LABELS", "SAME", "NamedLoss", "loss_of"]

EPSILON: Final = 1e-7

# What a target is: of the output's shape, or a class number for each of the output's rows.
SAME, LABELS = "same", "labels"


@dataclass(frozen=True)
class NamedLoss:
    """loss(output, target) -> scalar, its name, and what its target is."""

    name: str
    function: Callable[[Tensor, Tensor], Tensor]
    target: str = SAME

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        return self.function(output, target)


def mean_squared_error(output: Tensor, target: Tensor) -> Tensor:
    """mean (o - t)^2."""
    return ((output - target) ** 2).mean()


def mean_absolute_error(output: Tensor, target: Tensor) -> Tensor:
    """mean |o - t|."""
    return (output - target).abs().mean()


def mean_absolute_percentage_error(output: Tensor, target: Tensor) -> Tensor:
    """100 mean |o - t| / max(|t|, eps)."""
    return 100.0 * ((output - target).abs() / target.abs().clamp(min=EPSILON)).mean()


def mean_squared_logarithmic_error(output: Tensor, target: Tensor) -> Tensor:
    """mean (log(1 + o) - log(1 + t))^2, both at least eps."""
    first = _core.log(output.clamp(min=EPSILON) + 1.0)
    second = _core.log(target.clamp(min=EPSILON) + 1.0)
    return ((first - second) ** 2).mean()


def hinge(output: Tensor, target: Tensor) -> Tensor:
    """mean max(0, 1 - t o), t being 1 or -1."""
    return (1.0 - target * output).clamp(min=0.0).mean()


def squared_hinge(output: Tensor, target: Tensor) -> Tensor:
    """mean max(0, 1 - t o)^2, t being 1 or -1."""
    return ((1.0 - target * output).clamp(min=0.0) ** 2).mean()


def binary_crossentropy(output: Tensor, target: Tensor) -> Tensor:
    """mean -(t log o + (1 - t) log(1 - o)), o within [eps, 1 - eps]."""
    p = output.clamp(EPSILON, 1.0 - EPSILON)
    return -(target * p.log() + (1.0 - target) * (1.0 - p).log()).mean()


def categorical_crossentropy(output: Tensor, target: Tensor) -> Tensor:
    """mean over rows of -sum t log(o / sum o), the quotient within [eps, 1 - eps]."""
    return -(target * _log_shares(output)).sum(-1).mean()


def sparse_categorical_crossentropy(output: Tensor, target: Tensor) -> Tensor:
    """mean over rows of -log(o_t / sum o), t the number of the class, from 0."""
    logs = _log_shares(output).reshape(-1, output.shape[-1])
    return nll_loss(logs, target.reshape(-1).long())


def kullback_leibler_divergence(output: Tensor, target: Tensor) -> Tensor:
    """mean over rows of sum t log(t / o), both within [eps, 1]."""
    t, o = target.clamp(EPSILON, 1.0), output.clamp(EPSILON, 1.0)
    return (t * (t / o).log()).sum(-1).mean()


def poisson(output: Tensor, target: Tensor) -> Tensor:
    """mean o - t log(o + eps)."""
    return (output - target * (output + EPSILON).log()).mean()


def cosine_proximity(output: Tensor, target: Tensor) -> Tensor:
    """-mean of o t over all elements, both of length 1 along the last dimension."""
    return -(_unit(output) * _unit(target)).mean()


def _log_shares(output: Tensor) -> Tensor:
    shares = output / output.sum(-1, keepdim=True)
    return shares.clamp(EPSILON, 1.0 - EPSILON).log()


def _unit(x: Tensor) -> Tensor:
    return x / (x * x).sum(-1, keepdim=True).clamp(min=EPSILON).sqrt()


_SHORT = {
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "mean_absolute_percentage_error": "mape",
    "mean_squared_logarithmic_error": "msle",
    "kullback_leibler_divergence": "kld",
}
_ALL: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    mean_squared_error,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_logarithmic_error,
    hinge,
    squared_hinge,
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
    kullback_leibler_divergence,
    poisson,
    cosine_proximity,
)


def _named_losses() -> dict[str, NamedLoss]:
    found = {}
    for function in _ALL:
        target = LABELS if function is sparse_categorical_crossentropy else SAME
        loss = NamedLoss(function.__name__, function, target)
        found[loss.name] = found[_SHORT.get(loss.name, loss.name)] = loss
    return found


def loss_of(loss: Any) -> Callable[..., Any]:
    """A loss of a name, or what can be called as criterion(output, target).

    Raises ValueError for another name, TypeError for what cannot be called.
    """
    if isinstance(loss, str):
        return choose("compile", "loss", loss, _named_losses())
    if not callable(loss):
        raise TypeError(
            f"[compile] loss is a {type(loss).__name__}; pass a name, or a function of output and "
            "target"
        )
    return loss  # type: ignore[no-any-return]
