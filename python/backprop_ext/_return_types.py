"""Results with names, as `x.max(dim)` gives them: `.values` and `.indices`."""

from __future__ import annotations

from typing import NamedTuple

from ._core import Tensor

__all__ = ["ValuesIndices", "named"]


class ValuesIndices(NamedTuple):
    """What reductions along one dimension return: the values, and where they stood."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return (
            f"torch.return_types.{type(self).__name__}(\n"
            f"values={self.values!r},\nindices={self.indices!r})"
        )


_types: dict[str, type[ValuesIndices]] = {}


def named(op: str, values: Tensor, indices: Tensor) -> ValuesIndices:
    """The pair as PyTorch names it after the operation, `torch.return_types.max`."""
    kind = _types.get(op)
    if kind is None:
        kind = _types[op] = type(op, (ValuesIndices,), {"__slots__": ()})
    return kind(values, indices)
