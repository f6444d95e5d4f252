"""What is beside the network: data, and checkpoints of the forward pass."""

from __future__ import annotations

from . import checkpoint, data

__all__ = ["checkpoint", "data"]
