"""The older name of `amp.autocast` for the CPU."""

from __future__ import annotations

from typing import Any

from .. import _core, amp
from .._names import missing_from

__all__ = ["autocast"]

__getattr__ = missing_from("torch.cpu.amp", globals())


class autocast(amp.autocast):  # noqa: N801 (PyTorch's name)
    """amp.autocast("cpu", ...)"""

    def __init__(
        self, enabled: bool = True, dtype: Any = _core.bfloat16, cache_enabled: bool = True
    ) -> None:
        super().__init__("cpu", dtype, enabled, cache_enabled)
