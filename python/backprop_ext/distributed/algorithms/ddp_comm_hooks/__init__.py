"""Hooks of communication for DistributedDataParallel: how buckets of gradients become means."""

from __future__ import annotations

from . import default_hooks

__all__ = ["default_hooks"]
