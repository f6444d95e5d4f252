"""Layers that are fused, trained with rounded weights, or quantized."""

from __future__ import annotations

from ..._names import missing_from

__all__ = ["intrinsic", "qat", "quantized"]

__getattr__ = missing_from("torch.ao.nn", globals(), {name: f".{name}" for name in __all__})
