"""Keep gradients from growing without bound."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from ... import _core
from ..._checks import truths
from ..._core import Tensor
from ...autograd.grad_mode import no_grad

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _list(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _grads(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [p.grad for p in _list(parameters) if p.grad is not None]


def _norm(values: Tensor, norm_type: float) -> Tensor:
    if type(values) is not Tensor and values.is_sparse:
        raise NotImplementedError("[clip_grad_norm_] a gradient is sparse; use .to_dense()")
    if norm_type == 2.0 and values.is_floating_point():
        return (values * values).sum().sqrt()
    return values.norm(norm_type)


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The p-norm of all tensors as one vector.

    Raises RuntimeError for a norm that is nan or infinite, with `error_if_nonfinite`.
    """
    norm_type = float(norm_type)
    truths(foreach)
    parts = _list(tensors)
    if not parts:
        return _core.tensor(0.0)
    total = _norm(_core.stack([_norm(t, norm_type) for t in parts]), norm_type)
    if error_if_nonfinite and not -inf < total.item() < inf:
        raise RuntimeError(
            f"[clip_grad_norm_] the norm is {total.item()}, a finite one is needed; look for the "
            "first gradient that is not finite, or pass error_if_nonfinite=False"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """g *= min(1, max_norm / (total_norm + 1e-6)). ValueError for a max_norm that is no number."""
    max_norm = float(max_norm)
    grads = _grads(parameters)
    if not grads:
        return
    truths(foreach)
    if isinstance(total_norm, Tensor) and total_norm.ndim:
        raise RuntimeError(
            f"[clip_grads_with_norm_] total_norm has shape {tuple(total_norm.shape)}; pass a number"
        )
    factor = _core.clamp(max_norm / (total_norm + 1e-6), max=1.0)
    for g in grads:
        g.mul_(factor)


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
    given = _list(parameters)
    total = get_total_norm(_grads(given), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(given, max_norm, total)
    return total


@no_grad()
def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """g = min(max(g, -clip_value), clip_value); ValueError for a bound that is no number.

    RuntimeError where no parameter has a gradient.
    """
    bound = float(clip_value)
    grads = _grads(parameters)
    if not grads:
        raise RuntimeError("[clip_grad_value_] there is no gradient; call backward() first")
    truths(foreach)
    for g in grads:
        g.clamp_(-bound, bound)
