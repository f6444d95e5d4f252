"""Norms of weights by a hook before forward: PyTorch's older way, of which models still have keys.

Source: Salimans and Kingma, arXiv:1602.07868; Miyato et al., arXiv:1802.05957.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeVar

from ... import _core
from ...autograd.grad_mode import no_grad
from ..parameter import Parameter
from ._norms import length_except, matrix_of, normalized

if TYPE_CHECKING:
    from ..._core import Tensor
    from ..modules.module import Module

    _M = TypeVar("_M", bound=Module)

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]


class _WeightNorm:
    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, -1 if dim is None else dim

    def compute(self, module: Any) -> Tensor:
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return v * (g / length_except(v, self.dim))  # type: ignore[no-any-return]

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.compute(module))


class _SpectralNorm:
    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations <= 0:
            raise ValueError(f"[spectral_norm] {n_power_iterations=}; pass 1 or more")
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def compute(self, module: Any, iterate: bool) -> Tensor:
        weight = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = matrix_of(weight, self.dim)
        if iterate:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(normalized(matrix.detach().t().mv(u), self.eps))
                    u.copy_(normalized(matrix.detach().mv(v), self.eps))
        return weight / u.clone().dot(matrix.mv(v.clone()))  # type: ignore[no-any-return]

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.compute(module, module.training))


def _find(module: Module, kind: type, name: str) -> Any:
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:  # type: ignore[attr-defined]
            return key, hook
    return None


def weight_norm(module: _M, name: str = "weight", dim: int | None = 0) -> _M:
    """w = g v / |v|, computed before every forward from the parameters name_g and name_v."""
    if _find(module, _WeightNorm, name):
        raise RuntimeError(
            f"[weight_norm] Cannot register two weight_norm hooks on the same parameter {name}"
        )
    warnings.warn(
        "[weight_norm] deprecated; use nn.utils.parametrizations.weight_norm",
        FutureWarning,
        stacklevel=2,
    )
    hook = _WeightNorm(name, dim)
    weight = getattr(module, name)
    length = length_except(weight.data, hook.dim)
    delattr(module, name)
    module.register_parameter(name + "_g", Parameter(length))
    module.register_parameter(name + "_v", Parameter(weight.data))
    setattr(module, name, hook.compute(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: _M, name: str = "weight") -> _M:
    """Make the weight a parameter again. Raises ValueError when it was not normalised."""
    found = _find(module, _WeightNorm, name)
    if not found:
        raise ValueError(f"[remove_weight_norm] weight_norm of {name!r} not found in {module}")
    key, hook = found
    with no_grad():
        weight = hook.compute(module)
    for gone in (name, name + "_g", name + "_v"):
        delattr(module, gone)
    module.register_parameter(name, Parameter(weight.data))
    del module._forward_pre_hooks[key]
    return module


def spectral_norm(
    module: _M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> _M:
    """w = v / s(v), s the largest singular value, from name_orig before every forward."""
    if _find(module, _SpectralNorm, name):
        raise RuntimeError(
            f"[spectral_norm] Cannot register two spectral_norm hooks on the same parameter {name}"
        )
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    hook = _SpectralNorm(name, n_power_iterations, dim, eps)
    if name not in module._parameters:
        raise KeyError(
            f"[spectral_norm] {type(module).__name__} has no parameter {name!r}; "
            "named_parameters() lists them"
        )
    weight = getattr(module, name)
    with no_grad():
        matrix = matrix_of(weight.detach(), dim)
        drawn = [
            normalized(_core.empty(n, dtype=weight.dtype).normal_(0, 1), eps) for n in matrix.shape
        ]
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    setattr(module, name, weight.data)
    for suffix, vector in zip(("_u", "_v"), drawn, strict=True):
        module.register_buffer(name + suffix, vector)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: _M, name: str = "weight") -> _M:
    """Make the weight a parameter again. Raises ValueError when it was not normalised."""
    found = _find(module, _SpectralNorm, name)
    if not found:
        raise ValueError(f"[remove_spectral_norm] spectral_norm of {name!r} not found in {module}")
    key, hook = found
    with no_grad():
        weight = hook.compute(module, False)
    for gone in (name, name + "_u", name + "_v", name + "_orig"):
        delattr(module, gone)
    module.register_parameter(name, Parameter(weight.detach()))
    del module._forward_pre_hooks[key]
    return module
