"""How elements lie in memory: names that scripts pass along; every tensor here is strided."""

from __future__ import annotations

from typing import Final

__all__ = [
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "layout",
    "memory_format",
    "preserve_format",
    "strided",
]


class _Named:
    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name: Final = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


class layout(_Named):  # noqa: N801 (PyTorch's name)
    """The kind of a tensor's memory: torch.strided, the only one there is."""


class memory_format(_Named):  # noqa: N801
    """The order of a copy's dimensions in memory: a wish, copies here are row-major."""


strided: Final = layout("strided")
contiguous_format: Final = memory_format("contiguous_format")
preserve_format: Final = memory_format("preserve_format")
channels_last: Final = memory_format("channels_last")
channels_last_3d: Final = memory_format("channels_last_3d")
