"""Collectives that backward() goes through."""

from __future__ import annotations

from ..._names import missing_from
from .functional import *  # noqa: F403
from .functional import __all__ as __all__

__getattr__ = missing_from("torch.distributed.nn", globals())
