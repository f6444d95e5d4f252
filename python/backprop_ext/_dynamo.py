"""What scripts tell PyTorch's compiler under its inner name: there is none, see `compiler`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from .compiler import allow_in_graph, disable, reset

__all__ = ["allow_in_graph", "config", "disable", "graph_break", "mark_dynamic", "reset"]

config = SimpleNamespace()  # takes any setting


def graph_break(msg: str = "") -> None:
    """Nothing: there is no graph to break."""


def mark_dynamic(t: Any, index: Any, **options: Any) -> None:
    """Nothing: any size is taken."""
