"""Gradients on their way to the other processes, many in one message.

Source: Li et al., PyTorch Distributed, VLDB 2020.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import no_grad
from ._collectives import all_reduce, broadcast
from ._objects import all_gather_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .distributed_c10d import ProcessGroup

__all__ = ["Buckets", "GradBucket", "broadcast_all", "same_everywhere"]

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
    mine = [(name, tuple(p.shape), p.dtype) for name, p in named.items()]
    every: list[Any] = [mine] * group.size()
    all_gather_object(every, mine, group)
    for rank, other in enumerate(every):
        if other != every[0]:
            raise RuntimeError(f"[{op}] rank {rank} has the parameters {other}, rank 0 {every[0]}")


class GradBucket:
    """Some gradients as one tensor, for a hook of communication."""

    def __init__(self, index: int, last: bool, flat: Tensor, parameters: list[Tensor]) -> None:
        self.index, self.is_last = (lambda: index), (lambda: last)
        self.buffer, self.parameters = (lambda: flat), (lambda: parameters)
        self.gradients = lambda: _views(flat, parameters)


def _views(flat: Tensor, like: list[Tensor]) -> list[Tensor]:
    parts = flat.split([p.numel() for p in like])
    return [part.view(p.shape) for part, p in zip(parts, like, strict=True)]


class Buckets:
    """Watches the gradients of parameters; each bucket leaves once it and those before are full.

    The hook of the last gradient waits for all, so that backward() ends with the means.
    """

    def __init__(self, group: ProcessGroup, parameters: Sequence[Tensor], capacity: int) -> None:
        self.group = group
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

    @no_grad()
    def _send_full(self) -> None:
        while len(self._sent) < len(self._left) and not self._left[len(self._sent)]:
            self._sent.append(self._send(len(self._sent)))
        if len(self._sent) == len(self._left):
            self._finish()

    def _send(self, index: int) -> Any:
        """A Future of the bucket's mean."""
        like = self._buckets[index]
        flat = _core.zeros(sum(p.numel() for p in like), dtype=like[0].dtype)
        for view, p in zip(_views(flat, like), like, strict=True):
            if p.grad is not None:
                view.copy_(p.grad)
        if self.hook is not None:
            return self.hook(GradBucket(index, index + 1 == len(self._buckets), flat, like))
        flat.mul_(1 / self.group.size())
        work = all_reduce(flat, group=self.group, async_op=True)
        assert work is not None
        return work.get_future()

    def _finish(self) -> None:
        self._begun = self._watching = False
        used: Any = self._bucket_of
        if self._used is not None:  # here; what counts is whether anywhere
            marks = _core.tensor([int(key in self._used) for key in used], dtype=_core.int32)
            all_reduce(marks, group=self.group)
            used = {key for key, mark in zip(used, marks.tolist(), strict=True) if mark}
        for future, like in zip(self._sent, self._buckets, strict=True):
            mean = future.wait()
            views = _views(mean if isinstance(mean, Tensor) else mean[0], like)
            for p, view in zip(like, views, strict=True):
                if p.grad is not None and id(p) in used:
                    p.grad.detach().copy_(view)
                elif id(p) in used:
                    p.grad = view.clone()


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
