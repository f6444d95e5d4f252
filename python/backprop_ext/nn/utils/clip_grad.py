"""Keep gradients from growing without bound."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from ... import _core
from ..._core import Tensor
from ...autograd.grad_mode import no_grad

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


def _grads(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in given if p.grad is not None]


def _norm(values: Tensor, norm_type: float) -> Tensor:
    if norm_type == inf:
        return values.abs().max()
    if norm_type == 2.0:
        return (values * values).sum().sqrt()
    return values.abs().pow(norm_type).sum().pow(1.0 / norm_type)


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """g *= min(1, max_norm / (|g| + 1e-6)), g all gradients as one vector; returns |g| from before.

    Raises RuntimeError for a norm that is nan or infinite, with `error_if_nonfinite`.
    Source: Pascanu et al., On the difficulty of training RNNs, ICML 2013.
    """
    grads = _grads(parameters)
    if not grads:
        return _core.tensor(0.0)
    norm_type = float(norm_type)
    total = _norm(_core.stack([_norm(g, norm_type) for g in grads]), norm_type)
    size = float(total.item())
    if error_if_nonfinite and not -inf < size < inf:
        raise RuntimeError(
            f"[clip_grad_norm_] the norm is {size}, a finite one is needed; look for the first "
            "gradient that is not finite, or pass error_if_nonfinite=False"
        )
    factor = _core.clamp(float(max_norm) / (total + 1e-6), max=1.0)
    for g in grads:
        g.mul_(factor)
    return total


@no_grad()
def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """g = min(max(g, -clip_value), clip_value), elementwise."""
    for g in _grads(parameters):
        g.clamp_(-float(clip_value), float(clip_value))
