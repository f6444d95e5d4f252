"""The leaves of arguments, as code of `symbolic_trace` with `concrete_args` takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..utils._pytree import TreeSpec

__all__ = ["tree_flatten_spec"]


def tree_flatten_spec(pytree: Any, spec: TreeSpec) -> list[Any]:
    """The parts of a tree, or of a list of arguments, where the structure has leaves."""
    return spec.leaves_of(spec.type(pytree) if spec.type in (list, tuple) else pytree)
