"""`record`, which scripts for torchrun put before main()."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["record"]

_F = TypeVar("_F", bound="Callable[..., object]")


def record(fn: _F, error_handler: object = None) -> _F:
    """fn: its traceback is in the output of the process."""
    return fn
