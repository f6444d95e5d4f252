"""What is beside the network: data."""

from __future__ import annotations

from . import data

__all__ = ["data"]
