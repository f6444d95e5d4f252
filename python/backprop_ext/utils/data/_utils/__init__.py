"""What a DataLoader is made of, where libraries that extend one look for it."""

from __future__ import annotations

from . import collate, worker

__all__ = ["collate", "worker"]
