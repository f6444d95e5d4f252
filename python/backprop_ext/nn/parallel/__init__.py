"""Wrappers for several GPUs, as they are without one, and for several processes."""

from __future__ import annotations

from typing import Any

from ..._names import keep_also, missing_from
from ..modules.module import Module

__all__ = [
    "DataParallel",
    "DistributedDataParallel",
    "data_parallel",
    "gather",
    "parallel_apply",
    "replicate",
    "scatter",
]

__getattr__ = missing_from(
    "torch.nn.parallel",
    globals(),
    {"DistributedDataParallel": ".distributed", "distributed": ".distributed"},
)


class DataParallel(Module):
    """module(...), under the name `module`, as in PyTorch on a machine without a GPU.

    The names of its state have the prefix "module.". Raises RuntimeError for device_ids.
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        _no_gpu("DataParallel", device_ids)
        self.module = module
        self.device_ids: list[int] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """module(*inputs). Raises RuntimeError for device_ids."""
    _no_gpu("data_parallel", device_ids)
    several = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*several, **(module_kwargs or {}))


def parallel_apply(
    modules: Any, inputs: Any, kwargs_tup: Any = None, devices: Any = None
) -> list[Any]:
    """[module(*input, **kwargs), ...], one after the other. AssertionError for unequal numbers."""
    named = [{}] * len(modules) if kwargs_tup is None else kwargs_tup
    if not len(modules) == len(inputs) == len(named):
        raise AssertionError(
            f"[parallel_apply] {len(modules)} modules, {len(inputs)} inputs, {len(named)} kwargs; "
            "pass as many of each"
        )
    several = [given if isinstance(given, tuple) else (given,) for given in inputs]
    return [m(*given, **kwargs) for m, given, kwargs in zip(modules, several, named, strict=True)]


def replicate(network: Module, devices: Any, detach: bool = False) -> Any:
    """Raises RuntimeError: there is no GPU for another copy."""
    _no_gpu("replicate", devices)


def scatter(inputs: Any, target_gpus: Any, dim: int = 0) -> Any:
    """Raises RuntimeError: there is no GPU to share the inputs among."""
    _no_gpu("scatter", target_gpus)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """Raises RuntimeError: there is no GPU from which to gather."""
    _no_gpu("gather", [target_device])


def _no_gpu(op: str, device_ids: Any) -> None:
    if device_ids:
        raise RuntimeError(f"[{op}] device_ids is {device_ids}, there is no GPU; leave it out")


keep_also(globals(), {"scatter_gather": "gather scatter"})
