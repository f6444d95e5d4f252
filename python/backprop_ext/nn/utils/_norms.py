"""What weight_norm and spectral_norm share: lengths of weights, and the hook of a module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._checks import the_dim, whole

if TYPE_CHECKING:
    from ..._core import Tensor
    from ..modules.module import Module

__all__ = ["find_hook", "length_except", "matrix_of", "normalized"]


def length_except(weight: Tensor, dim: int) -> Tensor:
    """The Euclidean length along all dimensions but `dim`, which are kept; all of them for -1."""
    if whole(dim) == -1:
        return weight.norm(2.0)
    kept = the_dim("weight_norm", dim, weight.ndim, dim) % weight.ndim
    others = [d for d in range(weight.ndim) if d != kept]
    return weight.norm(2.0, others, keepdim=True) if others else weight.abs()


def matrix_of(weight: Tensor, dim: int) -> Tensor:
    """The weight as a matrix whose rows are the slices along `dim`."""
    if dim != 0:
        weight = weight.permute(dim, *(d for d in range(weight.ndim) if d != dim))
    return weight.flatten(1)


def normalized(vector: Tensor, eps: float) -> Tensor:
    """A vector of length 1."""
    return vector / vector.norm(2.0).clamp_min(eps)


def find_hook(module: Module, kind: type, name: str) -> Any:
    """(key, hook) of the module's hook of a kind for a parameter, or None."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:  # type: ignore[attr-defined]
            return key, hook
    return None
