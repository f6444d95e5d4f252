"""What a register call returns."""

from __future__ import annotations

from .. import _core
from ..nn.modules._hooks import RemovableHandle

__all__ = ["RemovableHandle"]

# A handle is printed by a notebook's cell that ends with a register call.
for _type in (RemovableHandle, _core.RemovableHandle):
    _type.__module__ = __name__
