"""A module that several processes train, each on data of its own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ..._core import Tensor
from ..._tree import leaves
from ...autograd.grad_mode import is_grad_enabled
from ..modules.module import Module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """module(...), under the name `module`; backward() leaves the mean of all gradients in .grad.

    All processes begin with the parameters and buffers of rank 0. Gradients go to the others in
    buckets of bucket_cap_mb, while backward() goes on. Parameters that a step does not use are
    found with find_unused_parameters, or static_graph; else each takes part in each step.
    Raises ValueError without a group and for device_ids, RuntimeError where no parameter requires
    grad, the processes have other parameters, or a step before did not use all of them.
    Source: Li et al., VLDB 2020.
    """

    def __init__(
        self,
        module: Module,
        device_ids: Any = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool = True,
        init_sync: bool = True,
        process_group: Any = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
        delay_all_reduce_named_params: Any = None,
        param_to_hook_all_reduce: Any = None,
        mixed_precision: Any = None,
        device_mesh: Any = None,
        skip_all_reduce_unused_params: bool = False,
    ) -> None:
        from ...distributed._buckets import same_everywhere
        from ...distributed.distributed_c10d import the_group

        super().__init__()
        op = "DistributedDataParallel"
        self.process_group = the_group(op, process_group)
        if device_ids or output_device is not None:
            raise ValueError(
                f"[{op}] device_ids is {device_ids}, output_device {output_device}; there is no "
                "GPU, leave them out"
            )
        ignored = {*getattr(module, "_ddp_params_and_buffers_to_ignore", ())}
        named = {n: p for n, p in module.named_parameters() if n not in ignored}
        self._trained = [p for p in named.values() if p.requires_grad]
        if not self._trained:
            raise RuntimeError(f"[{op}] no parameter requires grad; use the module itself")
        self.module = module
        self.dim, self.device_ids, self.output_device = dim, None, None
        self.broadcast_buffers, self.static_graph = broadcast_buffers, static_graph
        self.find_unused_parameters = find_unused_parameters
        self.require_backward_grad_sync = self.require_forward_param_sync = True
        self._buffers_kept = [b for n, b in module.named_buffers() if n not in ignored]
        self.bucket_bytes_cap = int((25.0 if bucket_cap_mb is None else bucket_cap_mb) * 2**20)
        self._watch()
        if init_sync:
            same_everywhere(op, self.process_group, named)
            self._send([*named.values(), *self._buffers_kept])

    def _watch(self) -> None:
        from ...distributed._buckets import Buckets

        self.reducer = Buckets(self.process_group, self._trained, self.bucket_bytes_cap)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in ("process_group", "reducer")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from ...distributed.distributed_c10d import the_group

        super().__setstate__(state)
        self.process_group = the_group("DistributedDataParallel")
        self._watch()

    def _send(self, tensors: list[Tensor]) -> None:
        from ...distributed._buckets import broadcast_all

        broadcast_all(self.process_group, tensors)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        recorded = is_grad_enabled() and self.require_backward_grad_sync
        if recorded:
            self.reducer.require_finished()
        if self.broadcast_buffers and self.require_forward_param_sync and self._buffers_kept:
            self._send(self._buffers_kept)
        outputs = self.module(*inputs, **kwargs)
        if recorded:
            by_graph = self.find_unused_parameters or self.static_graph
            self.reducer.prepare(_tensors_in(outputs) if by_graph else None)
        self.require_forward_param_sync = recorded
        return outputs

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Gradients of forward() and backward() in it are added up here alone."""
        before = self.require_backward_grad_sync
        self.require_backward_grad_sync = False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def register_comm_hook(self, state: object, hook: Callable[[Any, Any], Any]) -> None:
        """hook(state, GradBucket) returns a Future of the bucket's mean, in place of all_reduce.

        TypeError for what cannot be called, RuntimeError for a second one.
        """
        if not callable(hook):
            raise TypeError(
                f"[register_comm_hook] {hook!r}; pass a function of a state and a bucket"
            )
        if self.reducer.hook is not None:
            raise RuntimeError("[register_comm_hook] there is one already; register it once")
        self.reducer.hook = lambda bucket: hook(state, bucket)

    def _set_static_graph(self) -> None:
        self.static_graph = True


def _tensors_in(outputs: Any) -> list[Tensor]:
    return [t for t in leaves(outputs) if isinstance(t, Tensor) and t.grad_fn is not None]
