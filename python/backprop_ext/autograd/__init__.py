"""Gradients: `backward`, `grad`, `Function`, the grad modes, and the checks of derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._names import missing_from
from . import function, functional, graph
from .anomaly_mode import detect_anomaly, set_detect_anomaly
from .engine import backward, grad
from .function import Function
from .grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from .gradcheck import gradcheck, gradgradcheck
from .variable import Variable

if TYPE_CHECKING:
    from . import forward_ad as forward_ad
    from . import profiler as profiler

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "function",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

# Imported when they are first asked for.
__getattr__ = missing_from(
    "torch.autograd", globals(), {name: f".{name}" for name in ("forward_ad", "profiler")}
)
