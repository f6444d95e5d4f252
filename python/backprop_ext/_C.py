"""What libraries ask of PyTorch's core: nothing is traced, transformed, or counted here."""  # noqa: N999 (PyTorch's name)

from __future__ import annotations

from ._core import Generator, _set_grad_enabled
from ._overrides import DisableTorchFunctionSubclass
from ._overrides import disabled as _disabled_torch_function_impl
from .linalg import LinAlgError as _LinAlgError

__all__ = [
    "DisableTorchFunctionSubclass",
    "Generator",
    "_LinAlgError",
    "_disabled_torch_function_impl",
    "_set_grad_enabled",
]


def _is_tracing() -> bool:
    """False: there is no tracer."""
    return False


def _get_tracing_state() -> None:
    """None: there is no tracer."""


def _are_functorch_transforms_active() -> bool:
    """False: a transform calls its function on plain tensors."""
    return False


def _log_api_usage_once(event: str) -> None:
    """Do nothing."""


def _get_default_device() -> str:
    """cpu."""
    return "cpu"
