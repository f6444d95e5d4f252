"""Results with names, as `x.max(dim)` gives them."""

from __future__ import annotations

from typing import NamedTuple

from ._core import Tensor

__all__ = ["ValuesIndices"]


class ValuesIndices(NamedTuple):
    """What reductions along one dimension return: the values, and where they stood."""

    values: Tensor
    indices: Tensor
