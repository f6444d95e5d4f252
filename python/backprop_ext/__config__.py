"""How the package was built, for reports of bugs."""

from __future__ import annotations

from . import _core

__all__ = ["parallel_info", "show"]


def show() -> str:
    """The compiler's settings in words."""
    from . import __version__

    return f"backprop_ext {__version__}\n  - CPU kernels: {_core._isa()}\n"


def parallel_info() -> str:
    """The number of threads."""
    return f"at::get_num_threads() : {_core.get_num_threads()}\n"
