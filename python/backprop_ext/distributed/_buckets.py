"""Gradients on their way to the other processes, many in one message.

Source: Li et al., PyTorch Distributed, VLDB 2020.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import no_grad
from ._collectives import all_gather_into_tensor, all_reduce, broadcast
from ._objects import all_gather_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .distributed_c10d import ProcessGroup

__all__ = ["Buckets", "GradBucket", "Joined", "broadcast_all", "same_everywhere"]

_FIRST = 1 << 20  # bytes of the first bucket, which leaves early


def broadcast_all(group: ProcessGroup, tensors: Iterable[Tensor], source: int = 0) -> None:
    """All of them become those of a rank of the group, one message a type."""
    by_type: dict[Any, list[Tensor]] = {}
    for t in tensors:
        by_type.setdefault(t.dtype, []).append(t.detach())
    for each in by_type.values():
        flat = _core.cat([t.reshape(-1) for t in each])
        broadcast(flat, group=group, group_src=source)
        for t, part in zip(each, flat.split([t.numel() for t in each]), strict=True):
            t.copy_(part.view(t.shape))


def same_everywhere(op: str, group: ProcessGroup, named: Mapping[str, Tensor]) -> None:
    """RuntimeError where a process has other parameters than rank 0."""
    mine = [(name, tuple(p.shape), str(p.dtype)) for name, p in named.items()]
    every: list[Any] = [None] * group.size()
    all_gather_object(every, mine, group)
    for rank, other in enumerate(every):
        for one, first in zip([*other, "none"], [*every[0], "none"], strict=False):
            if one != first:
                raise RuntimeError(
                    f"[{op}] rank {rank} has the parameter {one}, rank 0 {first}; build the same "
                    "module in all processes"
                )


class GradBucket:
    """Some gradients as one tensor, for a hook of communication."""

    def __init__(self, index: int, last: bool, flat: Tensor, parameters: list[Tensor]) -> None:
        self._index, self._last, self._flat, self._parameters = index, last, flat, parameters

    def index(self) -> int:
        """Its place among the buckets."""
        return self._index

    def is_last(self) -> bool:
        """Whether it is the last one."""
        return self._last

    def buffer(self) -> Tensor:
        """All gradients, one after the other."""
        return self._flat

    def set_buffer(self, buffer: Tensor) -> None:
        """Another tensor in its place."""
        self._flat = buffer

    def gradients(self) -> list[Tensor]:
        """Each gradient, a view of the buffer."""
        return _views(self._flat, self._parameters)

    def parameters(self) -> list[Tensor]:
        """The parameters."""
        return self._parameters


def _views(flat: Tensor, like: list[Tensor]) -> list[Tensor]:
    parts = flat.split([p.numel() for p in like])
    return [part.view(p.shape) for part, p in zip(parts, like, strict=True)]


class Buckets:
    """Watches the gradients of parameters; each bucket leaves once it and those before are full.

    The hook of the last gradient waits for all, so that backward() ends with the means.
    """

    def __init__(self, group: ProcessGroup, parameters: Sequence[Tensor], capacity: int) -> None:
        self.group, self.divisor = group, group.size()
        self.hook: Callable[[GradBucket], Any] | None = None
        self._buckets: list[list[Tensor]] = []
        room = 0
        for p in reversed(parameters):  # about the order of backward()
            if not self._buckets or room < p.nbytes or self._buckets[-1][0].dtype != p.dtype:
                room = capacity if self._buckets else min(capacity, _FIRST)
                self._buckets.append([])
            self._buckets[-1].append(p)
            room -= p.nbytes
        self._bucket_of = {id(p): i for i, each in enumerate(self._buckets) for p in each}
        self._left: list[set[int]] = []  # ids of what each bucket waits for, while there is a step
        self._sent: list[Any] = []
        self._begun = self._watching = False
        self._used: set[int] | None = None
        for p in parameters:
            p.register_post_accumulate_grad_hook(self._ready)

    def require_finished(self) -> None:
        """RuntimeError where a step before has left gradients out."""
        if self._begun:
            missing = sum(map(len, self._left))
            raise RuntimeError(
                f"[DistributedDataParallel] {missing} of {len(self._bucket_of)} parameters had no "
                "part in the loss of the step before, and the processes still wait for their "
                "gradients; use find_unused_parameters=True, or all outputs of forward()"
            )

    def prepare(self, outputs: list[Tensor] | None) -> None:
        """A step begins. Of outputs that are given, the graph tells which parameters take part."""
        self._left = [{id(p) for p in each} for each in self._buckets]
        self._sent, self._watching, self._used = [], True, None
        if outputs is not None:
            self._used = _leaves_of(outputs) & self._bucket_of.keys()
            for waiting in self._left:
                waiting &= self._used
            self._send_full()

    def _ready(self, parameter: Tensor) -> None:
        if self._watching:
            self._begun = True
            self._left[self._bucket_of[id(parameter)]].discard(id(parameter))
            self._send_full()

    def _send_full(self) -> None:
        with no_grad():
            while len(self._sent) < len(self._left) and not self._left[len(self._sent)]:
                self._sent.append(
                    self._send(len(self._sent), [p.grad for p in self._buckets[len(self._sent)]])
                )
            if len(self._sent) == len(self._left):
                self._finish()

    def _send(self, index: int, grads: list[Tensor | None]) -> Any:
        """A Future of the bucket's mean."""
        like = self._buckets[index]
        if any(g is not None and g.is_sparse for g in grads):
            raise RuntimeError(
                "[DistributedDataParallel] a gradient is sparse, dense ones are sent; use "
                "sparse=False"
            )
        flat = _core.zeros(sum(p.numel() for p in like), dtype=like[0].dtype)
        for view, g in zip(_views(flat, like), grads, strict=True):
            if g is not None:
                view.copy_(g)
        if self.hook is not None:
            return self.hook(GradBucket(index, index + 1 == len(self._buckets), flat, like))
        flat.mul_(1 / self.divisor)
        work = all_reduce(flat, group=self.group, async_op=True)
        assert work is not None
        return work.get_future()

    def _finish(self) -> None:
        self._begun = self._watching = False
        used = self._used_anywhere(self._used)
        for future, like in zip(self._sent, self._buckets, strict=True):
            mean = future.wait()
            for p, view in zip(
                like, _views(mean if isinstance(mean, Tensor) else mean[0], like), strict=True
            ):
                if id(p) not in used:
                    continue
                if p.grad is None:
                    p.grad = view.clone()
                else:
                    p.grad.detach().copy_(view)
        self._sent = []

    def _used_anywhere(self, used: set[int] | None) -> Any:
        if used is None:
            return self._bucket_of
        marks = _core.tensor([int(key in used) for key in self._bucket_of], dtype=_core.int32)
        all_reduce(marks, group=self.group)
        return {key for key, mark in zip(self._bucket_of, marks.tolist(), strict=True) if mark}

    def shadow(self, by_graph: bool) -> None:
        """The part in a step of the others of a process that has none."""
        with no_grad():
            sent = [self._send(i, [None] * len(each)) for i, each in enumerate(self._buckets)]
            if by_graph:
                self._used_anywhere(set())
            for future in sent:
                future.wait()


def _leaves_of(outputs: list[Tensor]) -> set[int]:
    """Ids of the leaves that a graph reaches."""
    found: set[int] = set()
    seen: set[Any] = set()
    nodes: list[Any] = [t.grad_fn for t in outputs]
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (leaf := getattr(node, "variable", None)) is not None:
            found.add(id(leaf))
        nodes.extend(following for following, _ in node.next_functions)
    return found


class Joined:
    """Processes of unequal numbers of steps, of one DistributedDataParallel."""

    def __init__(self, module: Any, divide_by_all: bool, throw: bool) -> None:
        self._module, self._divide_by_all, self._throw = module, divide_by_all, throw
        self._group = module.process_group

    def _active(self, mine: bool) -> list[int]:
        marks = _core.zeros(self._group.size(), dtype=_core.int32)
        own = _core.tensor([int(mine)], dtype=_core.int32)
        all_gather_into_tensor(marks, own, self._group)
        active = [rank for rank, mark in enumerate(marks.tolist()) if mark]
        if self._throw and 0 < len(active) < self._group.size():
            raise RuntimeError(
                f"[join] ranks {active} of {self._group.size()} have a step more, and "
                "throw_on_early_termination is set; leave it out"
            )
        if not self._divide_by_all and active:
            self._module.reducer.divisor = len(active)
        return active

    def go_on(self) -> int:
        """A step begins here. The rank whose buffers count."""
        return self._active(True)[-1]

    def finish(self) -> None:
        """Takes part in the others' steps; then all take the state of who was the last."""
        module, last = self._module, self._group.size() - 1
        while active := self._active(False):
            last = active[-1]
            if (
                module.broadcast_buffers
                and module.require_forward_param_sync
                and module._buffers_kept
            ):
                module._send(module._buffers_kept, last)
            module.require_forward_param_sync = True
            module.reducer.shadow(module.find_unused_parameters or module.static_graph)
        every: list[Any] = [None] * self._group.size()
        all_gather_object(every, last, self._group)
        module._send([*module.module.parameters(), *module._buffers_kept], every[0])
