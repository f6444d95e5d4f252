"""What Python does inside a captured step, and every replay must do again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ._core import _host_call, _recording

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["again"]

_this_thread = threading.local()


def again(name: str, run: Callable[[], object]) -> None:
    """Run it now and, where a step is recorded, at every replay in its place among the kernels."""
    if not _recording() or getattr(_this_thread, "runs", False):
        run()
        return

    def outermost() -> None:
        # What it calls in turn is done again by itself.
        _this_thread.runs = True
        try:
            run()
        finally:
            _this_thread.runs = False

    _host_call(name, outermost)
