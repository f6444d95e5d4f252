"""All parameters as one vector, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import _core
from ..._checks import the_tensor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..._core import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters, in order: a tensor of shape (n,)."""
    return _core.cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Cut a vector into the parameters; they become views of it.

    Raises RuntimeError, before any parameter changes, when it has too few elements.
    """
    the_tensor("vector_to_parameters", vec, "vec")
    params = [*parameters]
    needed = sum(p.numel() for p in params)
    if vec.numel() < needed:
        raise (RuntimeError if vec.ndim else IndexError)(
            f"[vector_to_parameters] the vector has {vec.numel()} elements, the parameters "
            f"{needed}; pass one of parameters_to_vector"
        )
    start = 0
    for p in params:
        stop = start + p.numel()
        p.data = vec[start:stop].view(p.shape).data
        start = stop
