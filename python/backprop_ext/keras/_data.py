"""Arrays of a user as tensors of a model, all of them checked before anything changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._core import Tensor
from .._interop import from_array
from ..nn.modules.module import Module
from ..nn.modules.sparse import Embedding, EmbeddingBag
from ..training.arrays import as_target, check_loss, check_metrics, check_samples, loader, probe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..training.metrics import Metric

__all__ = ["OverAll", "inputs_of", "module_of", "prepared"]


class OverAll:
    """criterion(outputs, [targets]) of outputs and single targets, for a model of several."""

    def __init__(self, criterion: Callable[[Any, Any], Tensor]) -> None:
        self.criterion = criterion

    def __call__(self, output: Any, *targets: Tensor) -> Tensor:
        return self.criterion(output, list(targets))


def module_of(model: Any) -> Module:
    """The nn.Module of a model of keras, or the module itself. Raises TypeError for another."""
    module = model if isinstance(model, Module) else getattr(model, "module", None)
    if not isinstance(module, Module):
        raise TypeError(
            f"[Optimizer] the model is a {type(model).__name__}; pass a model of "
            "backprop_ext.keras or an nn.Module"
        )
    return module


def inputs_of(op: str, model: Any, x: Any) -> list[Tensor]:
    """A tensor for each input, the samples first. Raises ValueError for a single sample."""
    if isinstance(model, Module):
        return _of_module(op, model, x)
    tensors, single = model.tensors(x)
    if single:
        raise ValueError(
            f"[{op}] x has shape {np.shape(x)}, one sample of the model; add a dimension for the "
            "samples: x[None]"
        )
    return list(tensors)


def _of_module(op: str, module: Module, x: Any) -> list[Tensor]:
    floating = [p.dtype for p in module.parameters() if p.is_floating_point()]
    dtype = floating[0] if floating else _core.float32
    tensors = []
    for value in x if isinstance(x, (list, tuple)) else [x]:
        array = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
        if array.dtype.kind not in "fiub" or array.ndim == 0:
            raise TypeError(f"[{op}] x is {value!r:.60}; arrays of numbers are needed")
        tensors.append(from_array(array, dtype=dtype if array.dtype.kind == "f" else _core.int64))
    return tensors


def prepared(
    op: str,
    model: Any,
    x: Any,
    y: Any,
    loss: Callable[..., Tensor],
    batch_size: int,
    metrics: Sequence[Metric] = (),
) -> tuple[list[Tensor], list[Tensor]]:
    """(inputs, targets), both of which model, loss and metrics take.

    Raises TypeError and ValueError for what they do not, for unequal lengths, no samples, and
    values that are not finite; and what the loss raises for a target.
    """
    if y is None:
        raise ValueError(f"[{op}] y is missing; pass the targets")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"[{op}] batch_size={batch_size!r}; an int above 0 is needed")
    inputs = inputs_of(op, model, x)
    check_samples(op, inputs, [])
    module = module_of(model)
    output = probe(module, inputs, batch_size)
    if _has_table(module):
        for batch in loader(inputs, batch_size):
            probe(module, batch, len(batch[0]))
    several = isinstance(output, (tuple, list))
    outputs = list(output) if several else [output]
    given = list(y) if several and isinstance(y, (list, tuple)) else [y]
    if len(given) != len(outputs):
        raise ValueError(
            f"[{op}] the model has {len(outputs)} outputs, y {len(given)} arrays; pass a list with "
            "an array for each"
        )
    if several and metrics:
        raise ValueError(
            f"[{op}] metrics are of one output, the model has {len(outputs)}; leave them out"
        )
    rough = [from_array(np.asarray(t, np.float64)) for t in map(_numbers, given)]
    check_samples(op, inputs, rough)
    targets = [as_target(op, t, o, loss) for t, o in zip(given, outputs, strict=True)]
    check_loss(OverAll(loss) if several else loss, output, targets, batch_size)
    check_metrics(metrics, output, targets, batch_size)
    return inputs, targets


def _has_table(module: Module) -> bool:
    """Whether inputs may be numbers of rows, which each batch could have out of range."""
    from .layers.embeddings import Embedding as Layer

    tables = (Embedding, EmbeddingBag, Layer)
    return any(isinstance(getattr(m, "layer", m), tables) for m in module.modules())


def _numbers(value: Any) -> Any:
    array = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"[fit] y is an array of {array.dtype}; numbers are needed")
    return array
