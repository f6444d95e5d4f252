"""torch.functional: functions whose arguments only Python can sort, beside compiled ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import _core
from ._core import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    block_diag,
    broadcast_tensors,
    cartesian_prod,
    cdist,
    chain_matmul,
    lu,
    meshgrid,
    norm,
    split,
    unique,
    unique_consecutive,
)
from ._size import Size

if TYPE_CHECKING:
    from ._core import Tensor

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "cdist",
    "chain_matmul",
    "einsum",
    "lu",
    "meshgrid",
    "norm",
    "split",
    "tensordot",
    "unique",
    "unique_consecutive",
    "unravel_index",
]


def broadcast_shapes(*shapes: int | Sequence[int]) -> Size:
    """The shape in which tensors of these shapes are combined.

    RuntimeError where there is none, or one is no shape, ValueError for a negative size.
    """
    views = []
    for s in shapes:
        if not isinstance(s, (int, Sequence)):
            raise RuntimeError(f"[broadcast_shapes] {s!r} is no shape; pass ints or tuples of them")
        sizes = (s,) if isinstance(s, int) else tuple(s)
        if not all(isinstance(n, int) for n in sizes):
            raise TypeError(f"[broadcast_shapes] {s!r} is no shape; pass ints or tuples of them")
        if any(n < 0 for n in sizes):
            raise ValueError(f"[broadcast_shapes] {sizes} has a negative size; pass 0 or more")
        views.append(_core.empty(()).expand([int(n) for n in sizes]))
    return _core.broadcast_tensors(*views)[0].shape if views else Size()


def unravel_index(indices: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The place of each flat index in a tensor of that shape, a tensor for every dimension."""
    sizes = (shape,) if isinstance(shape, int) else shape
    if not isinstance(sizes, Sequence) or not all(isinstance(n, int) for n in sizes):
        raise TypeError(f"[unravel_index] {shape=}; pass ints")
    return _core.unravel_index(indices, [int(n) for n in sizes])


def einsum(*args: Any) -> Tensor:
    """Sums of products in index notation, einsum("ij,jk->ik", a, b).

    '...' stands for any dimensions, a subscript repeated in one operand for its diagonal; without
    '->' the result has what occurs once, in alphabetical order. Also einsum(a, [0, 1], b, [1, 2],
    [0, 2]), with numbers below 52. Raises RuntimeError where sizes or subscripts do not fit.
    Source: PyTorch's torch.einsum.
    """
    if len(args) < 2:
        raise ValueError("[einsum] an equation and one operand are needed at least; pass them")
    if isinstance(args[0], str):
        operands = args[1:]
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = tuple(operands[0])
        return _core.einsum(args[0], list(operands))
    equation = ",".join(_subscripts(labels) for labels in args[1::2])
    if len(args) % 2:
        equation += "->" + _subscripts(args[-1])
        return _core.einsum(equation, list(args[:-1:2]))
    return _core.einsum(equation, list(args[::2]))


def _subscripts(labels: Sequence[Any]) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    if not hasattr(labels, "__iter__"):
        raise TypeError(f"[einsum] subscripts {labels!r}; pass a list of whole numbers")
    numbers = [k for k in labels if k is not Ellipsis]
    if not all(isinstance(k, int) for k in numbers):
        raise _core._NotANumberError(
            f"[einsum] subscripts {list(labels)}; expected whole numbers or Ellipsis"
        )
    if not all(0 <= k < len(letters) for k in numbers):
        raise ValueError(f"[einsum] subscripts {list(labels)}; expected 0 to {len(letters) - 1}")
    return "".join("..." if k is Ellipsis else letters[k] for k in labels)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """Sums of products along `dims` of a and of b: the last of a with the first of b for a number,
    or a pair of lists. Raises RuntimeError where sizes differ.
    """
    if isinstance(dims, _core.Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        return _core.tensordot(a, b, int(dims), out=out)
    if not isinstance(dims, (tuple, list)):
        raise RuntimeError(f"[tensordot] dims is {dims!r}; pass a number, or two lists of them")
    if len(dims) != 2:
        raise ValueError(f"[tensordot] dims has {len(dims)} lists; pass one for each tensor")
    if any(isinstance(d, int) for d in dims):
        raise TypeError(f"[tensordot] dims is {dims!r}; pass a list of dimensions for each tensor")
    own, other = dims
    return _core.tensordot(a, b, tuple(own), tuple(other), out=out)
