"""What is beside the network: data, memory shared with other libraries, checkpoints."""

from __future__ import annotations

from weakref import getweakrefs

from .. import _core
from .._core import Tensor
from .._names import missing_from
from . import checkpoint, data, dlpack, hooks

__all__ = ["checkpoint", "data", "dlpack", "hooks", "swap_tensors"]


def swap_tensors(t1: Tensor, t2: Tensor) -> None:
    """Two tensors change values, place in the graph, attributes and class; the objects stay.

    RuntimeError where a weak reference points to one.
    """
    for name, t in (("t1", t1), ("t2", t2)):
        if getweakrefs(t):
            raise RuntimeError(f"[swap_tensors] Cannot swap {name} because it has a weakref")
    if type(t1) is not type(t2):
        t1.__class__, t2.__class__ = t2.__class__, t1.__class__
    _core._swap(t1, t2)


_lazy = {
    name: f".{name}"
    for name in (
        "_python_dispatch",
        "_pytree",
        "benchmark",
        "flop_counter",
        "model_zoo",
    )
}
__getattr__ = missing_from("torch.utils", globals(), _lazy)
