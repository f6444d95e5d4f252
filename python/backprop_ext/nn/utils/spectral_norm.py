"""Spectral norms by a hook before forward: PyTorch's older way, whose keys models still have.

Source: Miyato et al., arXiv:1802.05957.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ... import _core
from ...autograd.grad_mode import no_grad
from ._norms import find_hook, matrix_of, normalized, remove_hook

if TYPE_CHECKING:
    from ..._core import Tensor
    from ..modules.module import Module

    _M = TypeVar("_M", bound=Module)

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]


class SpectralNorm:
    """The hook: the weight over its largest singular value, by power iteration."""

    parts = ("_u", "_v", "_orig")

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations <= 0:
            raise ValueError(f"[spectral_norm] {n_power_iterations=}; pass 1 or more")
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def compute_weight(self, module: Any, do_power_iteration: bool = False) -> Tensor:
        weight = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = matrix_of(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(normalized(matrix.detach().t().mv(u), self.eps))
                    u.copy_(normalized(matrix.detach().mv(v), self.eps))
        return weight / u.clone().dot(matrix.mv(v.clone()))  # type: ignore[no-any-return]

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))


def spectral_norm(
    module: _M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> _M:
    """w = v / s(v), s the largest singular value, from name_orig before every forward."""
    if find_hook(module, SpectralNorm, name):
        raise RuntimeError(
            f"[spectral_norm] Cannot register two spectral_norm hooks on the same parameter {name}"
        )
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    hook = SpectralNorm(name, n_power_iterations, dim, eps)
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
    return remove_hook("spectral_norm", module, SpectralNorm, name)
