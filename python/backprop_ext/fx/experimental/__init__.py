"""Passes that PyTorch keeps under this name."""

from __future__ import annotations

from ..._names import missing_from

__all__ = ["optimization"]

__getattr__ = missing_from("torch.fx.experimental", globals(), {"optimization": ".optimization"})
