"""The older names of `amp` for GPUs: here they warn and change nothing."""

from __future__ import annotations

import warnings
from typing import Any

from .. import amp
from .._names import keep_also, missing_from
from ..amp import custom_bwd, custom_fwd

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]

__getattr__ = missing_from("torch.cuda.amp", globals())


def _warn_of_older(name: str) -> None:
    warnings.warn(
        f"[{name}] torch.cuda.amp.{name} is deprecated; use torch.amp.{name}('cuda')",
        FutureWarning,
        stacklevel=3,
    )


class autocast(amp.autocast):  # noqa: N801 (PyTorch's name)
    """amp.autocast("cuda", ...)"""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        _warn_of_older("autocast")
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """amp.GradScaler("cuda", ...)"""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        _warn_of_older("GradScaler")
        super().__init__(
            "cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )


keep_also(
    globals(),
    {"autocast_mode": "autocast custom_bwd custom_fwd", "grad_scaler": "GradScaler"},
)
