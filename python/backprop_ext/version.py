"""What this package was built with: no CUDA, no HIP."""

from __future__ import annotations

from . import __version__

__all__ = ["__version__", "cuda", "debug", "git_version", "hip"]

cuda = hip = git_version = None
debug = False
