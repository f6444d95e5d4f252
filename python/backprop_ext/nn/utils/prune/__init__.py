"""Weights that are held at zero: module.weight = weight_orig * weight_mask, before every forward.

A function prunes a tensor of a module and returns the module; `remove` makes what is left the
parameter again. Pruning twice goes on from what is left.
Source: https://docs.pytorch.org/docs/stable/nn.html, torch.nn.utils.prune
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .... import _core
from ...._names import missing_from
from ..convert_parameters import parameters_to_vector
from .base import BasePruningMethod, PruningContainer, find
from .methods import (
    CustomFromMask,
    Identity,
    L1Unstructured,
    LnStructured,
    RandomStructured,
    RandomUnstructured,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...._core import Tensor
    from ...modules.module import Module

    _M = TypeVar("_M", bound=Module)

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]

__getattr__ = missing_from("torch.nn.utils.prune", globals())
for _name in __all__[:8]:  # the classes, which print as PyTorch's
    globals()[_name].__module__ = __name__


def identity(module: _M, name: str) -> _M:
    """A mask of ones, to be changed later."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: _M, name: str, amount: float) -> _M:
    """`amount` random elements go: a share from 0.0 to 1.0, or a number of them."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: _M, name: str, amount: float, importance_scores: Tensor | None = None
) -> _M:
    """The `amount` elements of the smallest |w| go."""
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: _M, name: str, amount: float, dim: int) -> _M:
    """`amount` random channels along dim go."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: _M,
    name: str,
    amount: float,
    n: Any,
    dim: int,
    importance_scores: Tensor | None = None,
) -> _M:
    """The `amount` channels along dim of the smallest n-norm go."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: _M, name: str, mask: Tensor) -> _M:
    """The elements of which the mask is 0 go."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: Any = None,
    **kwargs: Any,
) -> None:
    """Rank the elements of several (module, name) together, and prune each by its part of the mask.

    importance_scores: {(module, name): scores}. Raises TypeError for a method that is not
    unstructured, or scores that are no dict.
    """
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError(
            f"[global_unstructured] importance_scores is a {type(scores).__name__}; "
            "pass a dict from (module, name)"
        )
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            f"[global_unstructured] {pruning_method.__name__} is {method.PRUNING_TYPE}; "
            "pass an unstructured method"
        )
    pairs = list(parameters)
    tensors: list[Tensor] = [getattr(module, name) for module, name in pairs]
    values = [scores.get(pair, t).detach() for pair, t in zip(pairs, tensors, strict=True)]
    masks = [
        getattr(module, f"{name}_mask", _core.ones_like(t.detach()))
        for (module, name), t in zip(pairs, tensors, strict=True)
    ]
    joint = PruningContainer(method)
    whole = joint.compute_mask(parameters_to_vector(values), parameters_to_vector(masks))
    parts = whole.split([t.numel() for t in tensors])
    for (module, name), tensor, part in zip(pairs, tensors, parts, strict=True):
        custom_from_mask(module, name, part.view_as(tensor))


def remove(module: _M, name: str) -> _M:
    """Make the pruned tensor a parameter again. Raises ValueError when it is not pruned."""
    key, method = find(module, name)
    if method is None:
        raise ValueError(
            f"[remove] {name!r} of {type(module).__name__} is not pruned; is_pruned() tells"
        )
    method.remove(module)
    del module._forward_pre_hooks[key]
    return module


def is_pruned(module: Module) -> bool:
    """Whether a tensor of the module, or of one inside it, is pruned."""
    return any(
        isinstance(hook, BasePruningMethod)
        for part in module.modules()
        for hook in part._forward_pre_hooks.values()
    )
