"""Linear algebra. Source: https://docs.pytorch.org/docs/stable/linalg.html"""

from __future__ import annotations

from ._core import _linalg, _LinAlgError
from ._core._linalg import *  # noqa: F403 (every registered op that lives here)

LinAlgError = _LinAlgError

__all__ = ["LinAlgError"]
__all__ += _linalg.__all__
