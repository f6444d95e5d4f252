"""Gradients: `backward`, `grad`, the grad modes, and the checks of derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .engine import backward, grad
from .grad_mode import enable_grad, no_grad, set_grad_enabled
from .variable import Variable

if TYPE_CHECKING:
    from ..testing import gradcheck, gradgradcheck

__all__ = [
    "Variable",
    "backward",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "no_grad",
    "set_grad_enabled",
]


def __getattr__(name: str) -> Any:
    if name in ("gradcheck", "gradgradcheck"):
        from .. import testing

        return getattr(testing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
