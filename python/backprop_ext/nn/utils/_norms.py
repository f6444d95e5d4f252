"""What weight_norm and spectral_norm share: lengths of weights, and the hook of a module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..._checks import the_dim, whole
from ...autograd.grad_mode import no_grad
from ..parameter import Parameter

if TYPE_CHECKING:
    from ..._core import Tensor
    from ..modules.module import Module

    _M = TypeVar("_M", bound=Module)

__all__ = ["find_hook", "length_except", "matrix_of", "normalized", "remove_hook"]


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


def remove_hook(op: str, module: _M, kind: Any, name: str) -> _M:
    """Make the weight a parameter again, in the place of its parts and the hook of this kind.

    Raises ValueError when there is no such hook.
    """
    found = find_hook(module, kind, name)
    if not found:
        raise ValueError(f"[remove_{op}] {op} of {name!r} not found in {module}")
    key, hook = found
    with no_grad():
        weight = hook.compute_weight(module)
    for part in ("", *kind.parts):
        delattr(module, name + part)
    module.register_parameter(name, Parameter(weight.detach()))
    del module._forward_pre_hooks[key]
    return module
