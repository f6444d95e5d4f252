"""What a register call returns."""

from __future__ import annotations

from ..nn.modules._hooks import RemovableHandle

__all__ = ["RemovableHandle"]
