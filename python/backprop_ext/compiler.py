"""What scripts ask and tell a compiler: there is none, models run as they are.

Source of the names: https://docs.pytorch.org/docs/stable/torch.compiler_api.html
"""

from __future__ import annotations

from typing import Any

from ._names import missing_from
from ._switches import compile

__all__ = [
    "allow_in_graph",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "reset",
]

__getattr__ = missing_from("torch.compiler", globals())


def is_compiling() -> bool:
    """False."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def disable(fn: Any = None, recursive: bool = True, **options: Any) -> Any:
    """fn itself; a decorator without one."""
    return fn if fn is not None else allow_in_graph


def allow_in_graph(fn: Any) -> Any:
    """fn itself."""
    return fn


def reset() -> None:
    """Nothing: nothing was compiled."""


def cudagraph_mark_step_begin() -> None:
    """Nothing: there are no CUDA graphs."""
