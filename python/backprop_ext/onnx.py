"""ONNX: no file is written here, and libraries that ask whether one is being written hear so."""

from __future__ import annotations

from typing import Any

from ._names import missing_from

__all__ = ["export", "is_in_onnx_export"]


def is_in_onnx_export() -> bool:
    """False."""
    return False


def export(*args: Any, **options: Any) -> Any:
    """Raises NotImplementedError."""
    raise NotImplementedError(
        "[onnx.export] there is no graph of a program here; load the weights into PyTorch's model, "
        "from safetensors, and export that"
    )


__getattr__ = missing_from("torch.onnx", globals())
