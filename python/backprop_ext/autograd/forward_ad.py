"""Derivatives along a direction, tangents: y' = J x', by two backward passes.

    with dual_level():
        x = make_dual(primal, tangent)
        y, dy = unpack_dual(f(x))

A dual tensor is one that requires grad here; what is made from it is recorded as always.
Source of the names: https://docs.pytorch.org/docs/stable/autograd.html#forward-mode
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from .. import _core
from .._core import Tensor
from . import function
from .engine import grad
from .grad_mode import enable_grad

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]

# The dual tensors of the level that is open, with their tangents; None where none is.
_duals: list[tuple[Tensor, Tensor]] | None = None


class UnpackedDualTensor(NamedTuple):
    """A value and its tangent, None where the value does not depend on a dual tensor."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Begin to make dual tensors. Raises RuntimeError inside of another level, as PyTorch does."""
    global _duals
    if _duals is not None:
        raise RuntimeError("[dual_level] levels do not nest; leave the one that is open")
    _duals = []
    function._level_is_open = True
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Forget the dual tensors. Raises RuntimeError where no level is open."""
    global _duals
    _opened("exit_dual_level")
    _duals = None
    function._level_is_open = False


@contextmanager
def dual_level() -> Iterator[int]:
    """In it, and only there, dual tensors are made and taken apart."""
    level = enter_dual_level()
    try:
        yield level
    finally:
        exit_dual_level()


def _opened(op: str) -> list[tuple[Tensor, Tensor]]:
    if _duals is None:
        raise RuntimeError(f"[{op}] no level is open; use `with dual_level():`")
    return _duals


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """tensor with a tangent: floats of one shape and type.

    Raises RuntimeError outside of a level and for a tangent of another shape, ValueError for
    integers.
    """
    duals = _opened("make_dual")
    if not tensor.is_floating_point():
        raise ValueError(f"[make_dual] {tensor.dtype} has no tangents; use .float()")
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            f"[make_dual] the tensor has shape {tuple(tensor.shape)}, its tangent "
            f"{tuple(tangent.shape)}; pass one of the tensor's"
        )
    with enable_grad():
        inner = tensor.requires_grad
        dual = tensor.view_as(tensor) if inner else tensor.detach().requires_grad_()
    duals.append((dual, tangent))
    return dual


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """(value, tangent) of a dual tensor or of what was computed from some; None without a level."""
    duals = _duals or []
    for dual, tangent in duals:
        if dual is tensor:
            return UnpackedDualTensor(tensor.detach(), tangent)
    if not tensor.requires_grad or not duals:
        return UnpackedDualTensor(tensor, None)
    # A dual of what required grad already is a view of it: then the tangent has derivatives too.
    outer = any(not dual.is_leaf for dual, _ in duals)
    with enable_grad():
        # The gradients v -> J^T v are linear in v: their derivative along the tangents is J x'.
        v = _core.zeros_like(tensor).requires_grad_()
        leaves = [dual for dual, _ in duals]
        found = grad(tensor, leaves, v, create_graph=True, allow_unused=True)
        parts = [(g * t).sum() for g, (_, t) in zip(found, duals, strict=True) if g is not None]
        if not parts:
            return UnpackedDualTensor(tensor, None)
        (direction,) = grad(sum(parts[1:], parts[0]), v, retain_graph=True, create_graph=outer)
    return UnpackedDualTensor(tensor if outer else tensor.detach(), direction)
