"""Collectives that backward() goes through."""

from .functional import all_gather, all_reduce

__all__ = ["all_gather", "all_reduce"]
