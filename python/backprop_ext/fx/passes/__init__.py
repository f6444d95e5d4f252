"""Passes over graphs."""

from __future__ import annotations

from ..._names import missing_from

__all__ = ["shape_prop"]

__getattr__ = missing_from("torch.fx.passes", globals(), {name: f".{name}" for name in __all__})
