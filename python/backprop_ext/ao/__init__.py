"""Quantization, under PyTorch's name for architecture optimization."""

from __future__ import annotations

from .._names import missing_from

__all__ = ["nn", "quantization"]

__getattr__ = missing_from("torch.ao", globals(), {"nn": ".nn", "quantization": ".quantization"})
