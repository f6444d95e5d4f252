"""Switches of PyTorch's libraries, which scripts set: accepted, and without effect."""

from __future__ import annotations

from types import SimpleNamespace

from .._names import missing_from
from . import cuda, cudnn, mkl, mkldnn, mps, openmp

__all__ = [
    "cuda",
    "cudnn",
    "disable_global_flags",
    "flags_frozen",
    "fp32_precision",
    "mkl",
    "mkldnn",
    "mps",
    "openmp",
    "quantized",
]

# The kernels of quantized layers, which are not here: remembered only.
quantized = SimpleNamespace(engine="x86", supported_engines=["qnnpack", "onednn", "x86", "fbgemm"])

fp32_precision = "none"

_state = {"frozen": False}


def disable_global_flags() -> None:
    """Remembered only: there are no flags but in blocks."""
    _state["frozen"] = True


def flags_frozen() -> bool:
    """Whether disable_global_flags was called."""
    return _state["frozen"]


__getattr__ = missing_from("torch.backends", globals())
