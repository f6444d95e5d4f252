"""Modules whose values are not drawn."""

from __future__ import annotations

from typing import Any, TypeVar

from ... import _core
from ..modules.module import Module

__all__ = ["skip_init"]

_T = TypeVar("_T")


def skip_init(module_cls: type[_T], *args: Any, **kwargs: Any) -> _T:
    """module_cls(*args, **kwargs), without using up random numbers; its values are undefined.

    Raises TypeError for what is no class, RuntimeError for one of no modules.
    """
    if not isinstance(module_cls, type) or not issubclass(module_cls, Module):
        raise (RuntimeError if isinstance(module_cls, type) else TypeError)(
            f"[skip_init] {module_cls!r} is no class of modules; pass nn.Linear, say"
        )
    generator = _core.default_generator
    state = generator.get_state()
    try:
        return module_cls(*args, **kwargs)
    finally:
        generator.set_state(state)
