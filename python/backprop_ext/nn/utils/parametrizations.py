"""Parametrizations of a weight: by its length or largest singular value, or as orthogonal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import _core
from ...autograd.grad_mode import no_grad
from ..modules.module import Module
from ._norms import length_except, matrix_of, normalized
from ._orthogonal import MAPS, _Orthogonal
from .parametrize import register_parametrization

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _weight(op: str, module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, _core.Tensor):
        raise ValueError(
            f"[{op}] {type(module).__name__} has no parameter or buffer {name!r}; "
            "named_parameters() lists them"
        )
    return weight


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
        if dim >= weight.ndim or dim < -weight.ndim:
            raise IndexError(
                f"[spectral_norm] dim={dim} is out of range for a weight of shape "
                f"{tuple(weight.shape)}; take one of its dimensions"
            )
        if n_power_iterations <= 0:
            raise ValueError(f"[spectral_norm] {n_power_iterations=}; pass 1 or more")
        self.dim, self.eps = dim if dim >= 0 else dim + weight.ndim, eps
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
    weight = _weight("spectral_norm", module, name)
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    parametrization = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return register_parametrization(module, name, parametrization)


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """w = B f(x) with orthonormal columns, or rows where these are fewer.

    f is "matrix_exp" (for square weights), "cayley" or "householder" (for others); the fixed B is
    the weight as it was, made orthogonal, and missing with use_trivialization=False. ValueError.
    Source: Lezcano-Casado, arXiv:1901.08428 and arXiv:1909.09501.
    """
    weight = _weight("orthogonal", module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"[orthogonal] a matrix or more is needed, the weight has {weight.ndim} dimensions"
        )
    kind = orthogonal_map
    if kind is None:
        kind = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if kind not in MAPS:
        raise (ValueError if isinstance(kind, str) else TypeError)(
            f"[orthogonal] orthogonal_map={kind!r} is not one of {sorted(MAPS)}"
        )
    parametrization = _Orthogonal(weight.shape, kind, use_trivialization)
    return register_parametrization(module, name, parametrization, unsafe=True)
