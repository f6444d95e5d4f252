"""Layers, losses and what they are made of. Source: https://docs.pytorch.org/docs/stable/nn.html"""

from __future__ import annotations

from .._names import missing_from
from . import attention, functional, grad, init, modules, parallel, utils
from .modules import *  # noqa: F403
from .parallel import DataParallel
from .parameter import Buffer, Parameter, UninitializedParameter

__all__ = [
    "Buffer",
    "DataParallel",
    "Parameter",
    "UninitializedParameter",
    "attention",
    "functional",
    "grad",
    "init",
    "modules",
    "parallel",
    "utils",
]
__all__ += modules.__all__

# Imported when they are first asked for.
__getattr__ = missing_from(
    "torch.nn", globals(), {name: f".{name}" for name in ("intrinsic", "qat", "quantized")}
)
