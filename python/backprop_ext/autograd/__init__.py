"""Gradients: `backward`, `grad`, the grad modes, and the checks of derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._names import missing_from
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


_lazy = dict.fromkeys(("gradcheck", "gradgradcheck"), "..testing")
__getattr__ = missing_from("torch.autograd", globals(), _lazy)
