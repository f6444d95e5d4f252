"""Lengths of weights by a hook before forward: PyTorch's older way, whose keys models still have.

Source: Salimans and Kingma, arXiv:1602.07868.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeVar

from ..parameter import Parameter
from ._norms import find_hook, length_except, remove_hook

if TYPE_CHECKING:
    from ..._core import Tensor
    from ..modules.module import Module

    _M = TypeVar("_M", bound=Module)

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]


class WeightNorm:
    """The hook: g v / |v|."""

    parts = ("_g", "_v")

    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, -1 if dim is None else dim

    def compute_weight(self, module: Any) -> Tensor:
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return v * (g / length_except(v, self.dim))  # type: ignore[no-any-return]

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: _M, name: str = "weight", dim: int | None = 0) -> _M:
    """w = g v / |v|, computed before every forward from the parameters name_g and name_v."""
    if find_hook(module, WeightNorm, name):
        raise RuntimeError(
            f"[weight_norm] Cannot register two weight_norm hooks on the same parameter {name}"
        )
    warnings.warn(
        "[weight_norm] deprecated; use nn.utils.parametrizations.weight_norm",
        FutureWarning,
        stacklevel=2,
    )
    hook = WeightNorm(name, dim)
    weight = getattr(module, name)
    length = length_except(weight.data, hook.dim)
    delattr(module, name)
    module.register_parameter(name + "_g", Parameter(length))
    module.register_parameter(name + "_v", Parameter(weight.data))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: _M, name: str = "weight") -> _M:
    """Make the weight a parameter again. Raises ValueError when it was not normalised."""
    return remove_hook("weight_norm", module, WeightNorm, name)
