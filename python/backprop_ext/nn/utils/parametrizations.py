"""Parametrizations of a weight by its norm: its length, or its largest singular value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import _core
from ...autograd.grad_mode import no_grad
from ..modules.module import Module
from ._norms import length_except, matrix_of, normalized
from .parametrize import register_parametrization

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = ["spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / length_except(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return length_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """w = g v / |v|: original0 is g, the lengths along `dim`, original1 is v.

    Source: Salimans and Kingma, arXiv:1602.07868.
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(
                f"[spectral_norm] dim={dim} is out of range for a weight of shape "
                f"{tuple(weight.shape)}; take one of its dimensions"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"[spectral_norm] n_power_iterations={n_power_iterations} must be positive"
            )
        self.dim, self.eps = dim % weight.ndim, eps
        self.n_power_iterations = n_power_iterations
        if weight.ndim > 1:
            with no_grad():
                matrix = matrix_of(weight.detach(), self.dim)
                for k, side in enumerate(("_u", "_v")):
                    drawn = _core.empty(matrix.shape[k], dtype=weight.dtype).normal_(0, 1)
                    self.register_buffer(side, normalized(drawn, eps))
                self._iterate(matrix, 15)

    @no_grad()
    def _iterate(self, matrix: Tensor, count: int) -> None:
        for _ in range(count):
            self._u.copy_(normalized(matrix.mv(self._v), self.eps))
            self._v.copy_(normalized(matrix.t().mv(self._u), self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return normalized(weight, self.eps)
        matrix = matrix_of(weight, self.dim)
        if self.training:
            self._iterate(matrix.detach(), self.n_power_iterations)
        return weight / self._u.clone().dot(matrix.mv(self._v.clone()))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """w = v / s(v), s the largest singular value, by power iterations in training.

    Source: Miyato et al., arXiv:1802.05957.
    """
    weight = getattr(module, name, None)
    if weight is None or not isinstance(weight, _core.Tensor):
        raise ValueError(
            f"[spectral_norm] {type(module).__name__} has no parameter or buffer {name!r}; "
            "named_parameters() lists them"
        )
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    parametrization = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return register_parametrization(module, name, parametrization)
