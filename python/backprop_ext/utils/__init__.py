"""What is beside the network: data, and memory shared with other libraries."""

from __future__ import annotations

from .._names import missing_from
from . import data, dlpack

__all__ = ["data", "dlpack"]


__getattr__ = missing_from("torch.utils", globals())
