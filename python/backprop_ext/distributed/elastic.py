"""`record`, which scripts for torchrun put before main()."""

from typing import Any

from .._names import keep_also

__all__ = ["record"]


def record(fn: Any, error_handler: Any = None) -> Any:
    """fn: its traceback is in the output of the process."""
    return fn


keep_also(globals(), {"multiprocessing": "record", "multiprocessing.errors": "record"})
