"""The types that annotations of scripted functions name."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: UP035 (names to import)

__all__ = ["Dict", "List", "Optional", "Tuple", "Union"]


class _BroadcastingList:
    """BroadcastingList2[int]: a number, or a list of two. It says nothing to Python."""

    def __getitem__(self, kind: Any) -> None:
        """None."""


(
    BroadcastingList1,
    BroadcastingList2,
    BroadcastingList3,
    BroadcastingList4,
    BroadcastingList5,
    BroadcastingList6,
) = (_BroadcastingList() for _ in range(6))
