"""What libraries ask of PyTorch's core: nothing is compiled, transformed, or counted here."""  # noqa: N999 (PyTorch's name)

from __future__ import annotations

from typing import Any

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


class _Space:
    """A namespace of the package's under names that begin with another's."""

    def __init__(self, home: Any, prefix: str) -> None:
        self._home, self._prefix = home, prefix

    def __getattr__(self, name: str) -> Any:
        plain = {"log_sigmoid": "logsigmoid"}.get(name, name.removeprefix(self._prefix))
        return getattr(self._home, plain)


def __getattr__(name: str) -> Any:
    """`_nn`, `_linalg`, `_fft` and `_special`: functions as the code of torch.fx names them."""
    if name not in ("_nn", "_linalg", "_fft", "_special"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import fft, linalg, nn, special

    home = {"_nn": nn.functional, "_linalg": linalg, "_fft": fft, "_special": special}[name]
    return globals().setdefault(name, _Space(home, "" if name == "_nn" else f"{name[1:]}_"))
