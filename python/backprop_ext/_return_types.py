"""Results with names, as `x.max(dim)` gives them: `.values` and `.indices`."""

from __future__ import annotations

from collections import namedtuple
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ._core import Tensor

__all__ = ["ValuesIndices", "named"]

_MODULE = f"{__package__}.return_types"  # where PyTorch's are


class ValuesIndices(NamedTuple):
    """To type checkers, what reductions along one dimension return."""

    values: Tensor
    indices: Tensor


@cache
def _type(op: str, names: tuple[str, ...]) -> type[tuple[Any, ...]]:
    """The tuple type of an operation, which prints as PyTorch's `torch.return_types.max`."""

    def show(self: Any) -> str:
        fields = ",\n".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"torch.return_types.{op}(\n{fields})"

    def reduce(self: Any) -> tuple[Any, ...]:
        return named, (op, names, tuple(self))  # the class itself is not found by its name

    plain = namedtuple(op, names)  # type: ignore[misc]
    body = {"__slots__": (), "__repr__": show, "__reduce__": reduce, "__module__": _MODULE}
    return type(op, (plain,), body)


def named(op: str, names: tuple[str, ...], values: tuple[Tensor, ...]) -> tuple[Any, ...]:
    """The results of an operation under their names."""
    return _type(op, names)(*values)
