"""The flags of cuBLAS and of attention on GPUs, which are not here."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

__all__ = [
    "cudnn_sdp_enabled",
    "enable_cudnn_sdp",
    "enable_flash_sdp",
    "enable_math_sdp",
    "enable_mem_efficient_sdp",
    "flash_sdp_enabled",
    "is_built",
    "math_sdp_enabled",
    "matmul",
    "mem_efficient_sdp_enabled",
    "sdp_kernel",
]

matmul = SimpleNamespace(
    allow_tf32=False,
    allow_fp16_reduced_precision_reduction=True,
    allow_bf16_reduced_precision_reduction=True,
    fp32_precision="none",
)
_kernels = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


def is_built() -> bool:
    """False."""
    return False


def _switch(name: str) -> Any:
    def enable(enabled: bool) -> None:
        _kernels[name] = bool(enabled)

    enable.__doc__ = "Remembered only: attention has one kernel here."
    return enable


def _state(name: str) -> Any:
    def enabled() -> bool:
        return _kernels[name]

    enabled.__doc__ = f"What enable_{name}_sdp set."
    return enabled


enable_flash_sdp, flash_sdp_enabled = _switch("flash"), _state("flash")
enable_mem_efficient_sdp = _switch("mem_efficient")
mem_efficient_sdp_enabled = _state("mem_efficient")
enable_math_sdp, math_sdp_enabled = _switch("math"), _state("math")
enable_cudnn_sdp, cudnn_sdp_enabled = _switch("cudnn"), _state("cudnn")


def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> AbstractContextManager[None]:
    """A context that changes nothing; deprecated, see nn.attention.sdpa_kernel."""
    return nullcontext()
