"""What is beside the network: data, memory shared with other libraries, checkpoints."""

from __future__ import annotations

from .._names import missing_from
from . import checkpoint, data, dlpack, hooks

__all__ = ["checkpoint", "data", "dlpack", "hooks"]


_lazy = {name: f".{name}" for name in ("_pytree", "benchmark", "model_zoo")}
__getattr__ = missing_from("torch.utils", globals(), _lazy)
