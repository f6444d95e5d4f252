"""Wrappers for several GPUs, as they are without one."""

from __future__ import annotations

from typing import Any

from .modules.module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """module(...), under the name `module`, as in PyTorch on a machine without a GPU.

    The names of its state have the prefix "module.". Raises RuntimeError for device_ids.
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        if device_ids:
            raise RuntimeError(
                f"[DataParallel] device_ids is {device_ids}, there is no GPU; leave it out"
            )
        self.module = module
        self.device_ids: list[int] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)
