"""The type of a tensor's shape."""

from __future__ import annotations

from math import prod
from operator import index
from typing import TYPE_CHECKING, SupportsIndex, overload

from . import _core

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Size"]


class Size(tuple[int, ...]):
    """The lengths of a tensor's dimensions: a tuple that stays a Size when cut or joined.

    `prod(size)` elements, see `numel`. Source: PyTorch's torch.Size.
    """

    __slots__ = ()

    def __new__(cls, lengths: Iterable[SupportsIndex] = (), /) -> Size:
        """TypeError for lengths that are no whole numbers."""
        given = lengths.tolist() if isinstance(lengths, _core.Tensor) else lengths
        made = tuple.__new__(cls, given)
        if all(type(length) is int for length in made):
            return made
        for position, length in enumerate(made):
            if not hasattr(length, "__index__"):
                raise TypeError(
                    f"[Size] item {position} is {length!r}, a {type(length).__name__}; "
                    "pass whole numbers"
                )
        return tuple.__new__(cls, map(index, made))

    def numel(self) -> int:
        """n = d_0 d_1 ... d_k, and 1 for the empty Size of a 0-d tensor."""
        return prod(self)

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, index: slice, /) -> Size: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> int | Size:
        item = tuple.__getitem__(self, index)
        return Size(item) if type(item) is tuple else item  # type: ignore[return-value]

    def __add__(self, other: tuple[int, ...], /) -> Size:  # type: ignore[override]
        return Size(tuple.__add__(self, other))

    def __radd__(self, other: tuple[int, ...], /) -> Size:
        return Size(tuple.__add__(other, self))

    def __mul__(self, times: SupportsIndex, /) -> Size:
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(repr, self))}])"


_core._set_size_type(Size)
