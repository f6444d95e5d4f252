"""The recorded graph: its nodes, their hooks, and what it keeps for the backward pass."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import _core
from .._core import Node, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "GradientEdge",
    "Node",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]

_local = threading.local()


class saved_tensors_hooks:  # noqa: N801 (PyTorch's name)
    """Inside, pack_hook(x) is kept for the backward pass instead of x; unpack_hook gives x back.

    The innermost pair is used. Hooks run without recording. Raises RuntimeError where
    disable_saved_tensors_hooks is in force, TypeError when unpack_hook returns no Tensor.
    Source: https://docs.pytorch.org/docs/stable/autograd.html#saved-tensors-hooks-doc
    """

    def __init__(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if (message := getattr(_local, "disabled", None)) is not None:
            raise RuntimeError(message)
        _core._push_saved_tensors_hooks(self.pack_hook, self.unpack_hook)
        _local.depth = getattr(_local, "depth", 0) + 1

    def __exit__(self, *exception: object) -> None:
        _core._pop_saved_tensors_hooks()
        _local.depth -= 1


class save_on_cpu(saved_tensors_hooks):  # noqa: N801 (PyTorch's name)
    """Keeps what is saved on the CPU, where it is anyway: nothing is copied."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda x: x, lambda x: x)


class disable_saved_tensors_hooks:  # noqa: N801 (PyTorch's name)
    """Inside, entering saved_tensors_hooks raises RuntimeError(error_message).

    Raises RuntimeError itself when hooks are in force.
    """

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message

    def __enter__(self) -> None:
        if getattr(_local, "depth", 0):
            raise RuntimeError(
                "[disable_saved_tensors_hooks] hooks are in force; leave saved_tensors_hooks first"
            )
        self._earlier = getattr(_local, "disabled", None)
        _local.disabled = self.error_message

    def __exit__(self, *exception: object) -> None:
        _local.disabled = self._earlier


class GradientEdge(NamedTuple):
    """Where a tensor's gradient goes: output `output_nr` of `node`."""

    node: Node
    output_nr: int


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The place of a tensor in the graph. Raises RuntimeError when it does not require grad."""
    if not tensor.requires_grad:
        raise RuntimeError(
            "[get_gradient_edge] the tensor does not require grad, so it has no place in a graph; "
            "call requires_grad_()"
        )
    node, nr = _core._gradient_edge(tensor)
    assert node is not None
    return GradientEdge(node, nr)


def increment_version(tensor: Tensor | Sequence[Tensor]) -> None:
    """Count a write that autograd cannot see, so that a backward pass that needs the old values
    raises."""
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        _core._increment_version(t)


class _Handles:
    """Several hooks, removed together."""

    def __init__(self, handles: list[Any]) -> None:
        self.handles = handles

    def remove(self) -> None:
        """Take all of them off again."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _Handles:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., None], *, mode: str = "all"
) -> _Handles:
    """Runs fn(grads) when a backward pass has the gradients of all `tensors` that it computes.

    grads has None for those that it does not compute. mode="any": fn(grad) of the first one, once
    in each pass. Raises ValueError for another mode.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"[register_multi_grad_hook] mode={mode!r}; pass 'all' or 'any'")
    nodes = [get_gradient_edge(t).node for t in tensors]
    lock = threading.Lock()
    found: dict[int, list[Tensor | None]] = {}
    last = [-1]

    def hook_of(index: int) -> Callable[[Tensor], None]:
        def on_all(grad: Tensor) -> None:
            number = _core._current_pass()
            with lock:
                grads = found.setdefault(number, [None] * len(nodes))
                grads[index] = grad
                expected = sum(map(_core._current_pass_runs, nodes))
                complete = sum(g is not None for g in grads) == expected
                if complete:
                    del found[number]
            if complete:
                fn(grads)

        def on_any(grad: Tensor) -> None:
            number = _core._current_pass()
            with lock:
                first, last[0] = last[0] != number, number
            if first:
                fn(grad)

        return on_all if mode == "all" else on_any

    return _Handles([t.register_hook(hook_of(i)) for i, t in enumerate(tensors)])
