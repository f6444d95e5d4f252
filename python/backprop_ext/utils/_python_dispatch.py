"""Modes below autograd. Source: PyTorch's torch.utils._python_dispatch."""

from __future__ import annotations

from typing import Any

from .._core import Tensor
from .._dispatch import TorchDispatchMode, _open

__all__ = ["TorchDispatchMode", "is_traceable_wrapper_subclass", "return_and_correct_aliasing"]


def _get_current_dispatch_mode() -> Any:
    """The innermost mode, or None."""
    return _open.below[-1] if _open.below else None


def is_traceable_wrapper_subclass(t: object) -> bool:
    """Whether it has `__tensor_flatten__` and `__tensor_unflatten__`."""
    inner = hasattr(t, "__tensor_flatten__") and hasattr(t, "__tensor_unflatten__")
    return isinstance(t, Tensor) and type(t) is not Tensor and inner


def return_and_correct_aliasing(func: Any, args: Any, kwargs: Any, out: Any) -> Any:
    """The first argument of what writes in place, else out: a view shares what the class holds."""
    name = func.overloadpacket.__name__
    return args[0] if name.endswith("_") and not name.startswith("__") else out
