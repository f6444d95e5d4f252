"""Control flow that PyTorch's compilers can see, run at once: cond and while_loop; and functions of
numbers that may be symbols there.

Source: https://docs.pytorch.org/docs/stable/cond.html
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from ._core import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "cond",
    "sym_float",
    "sym_int",
    "sym_ite",
    "sym_max",
    "sym_min",
    "sym_not",
    "sym_sqrt",
    "sym_sum",
    "while_loop",
]


def _truth(op: str, pred: Any) -> bool:
    if isinstance(pred, Tensor) and pred.numel() != 1:
        raise RuntimeError(f"[{op}] the condition has {pred.numel()} elements; pass one")
    return bool(pred)


def cond(
    pred: bool | Tensor,
    true_fn: Callable[..., Any],
    false_fn: Callable[..., Any],
    operands: tuple[Any, ...] | list[Any] = (),
) -> Any:
    """true_fn(*operands) where pred holds, else false_fn(*operands).

    Raises RuntimeError for a pred of several elements.
    """
    return (true_fn if _truth("cond", pred) else false_fn)(*operands)


def while_loop(
    cond_fn: Callable[..., Any],
    body_fn: Callable[..., Any],
    carried_inputs: tuple[Any, ...] | list[Any],
) -> Any:
    """x = body_fn(*x) while cond_fn(*x) holds; x in the end.

    Raises RuntimeError for a condition of several elements, and where the body returns another
    number of values.
    """
    carried, found = carried_inputs, carried_inputs
    while _truth("while_loop", cond_fn(*carried)):
        found = body_fn(*carried)
        after = found if isinstance(found, (tuple, list)) else (found,)
        if len(after) != len(carried):
            raise RuntimeError(
                f"[while_loop] body_fn returns {len(after)} values of {len(carried)}; return all"
            )
        carried = after
    return found


def sym_float(a: Any) -> float:
    """float(a)."""
    return float(a)


def sym_int(a: Any) -> int:
    """int(a), towards 0."""
    return int(a)


def sym_max(a: Any, b: Any) -> Any:
    """The larger, a float where one of them is."""
    return type(a + b)(max(a, b))


def sym_min(a: Any, b: Any) -> Any:
    """The smaller, a float where one of them is."""
    return type(a + b)(min(a, b))


def sym_not(a: Any) -> bool:
    """not a."""
    return not a


def sym_ite(b: bool, t: Any, f: Any) -> Any:
    """t where b holds, else f."""
    return t if b else f


def sym_sqrt(a: Any) -> float:
    """The square root."""
    return sqrt(a)


def sym_sum(args: Iterable[Any]) -> Any:
    """The sum."""
    return sum(args)
