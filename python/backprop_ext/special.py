"""Special functions. Source: https://docs.pytorch.org/docs/stable/special.html"""

from __future__ import annotations

from ._core import _special
from ._core._special import *  # noqa: F403 (every registered op that lives here)

__all__: list[str] = []
__all__ += _special.__all__
