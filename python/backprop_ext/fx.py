"""Programs as graphs, of which only the mark is here: there is no tracer that would read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ._names import missing_from

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    _F = TypeVar("_F", bound=Callable[..., Any] | str)

__all__ = ["wrap"]


def wrap(fn_or_name: _F) -> _F:
    """The function as it is; in PyTorch a tracer takes it as one step."""
    return fn_or_name


__getattr__ = missing_from("torch.fx", globals())
