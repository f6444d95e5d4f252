"""Arrays for training: checked as a whole before anything changes, then cut into batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._core import Tensor
from .._interop import from_array
from ..autograd.grad_mode import no_grad
from ..random import get_rng_state, set_rng_state
from ..utils.data import DataLoader, TensorDataset
from .evaluate import mode
from .losses import LABELS, NamedLoss

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..nn.modules.module import Module
    from .metrics import Metric

__all__ = ["as_target", "check_loss", "check_metrics", "check_samples", "loader", "probe"]


def check_samples(op: str, inputs: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
    """All of them hold as many samples, and numbers.

    Raises ValueError for arrays of unequal lengths, empty ones, and values not finite."""
    named = [(_numbered("x", k, inputs), t) for k, t in enumerate(inputs)]
    named += [(_numbered("y", k, targets), t) for k, t in enumerate(targets)]
    lengths = {name: len(t) if t.ndim else 0 for name, t in named}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{n} in {name}" for name, n in lengths.items())
        raise ValueError(f"[{op}] {told}: numbers of samples differ; pass one target a sample")
    if 0 in lengths.values():
        raise ValueError(f"[{op}] the data has no samples; pass at least one")
    for name, t in named:
        check_finite(op, name, t)


def check_finite(op: str, name: str, values: Tensor) -> None:
    """Raises ValueError that places the first value which is not finite."""
    if not values.is_floating_point():
        return
    wrong = ~np.isfinite(values.detach().numpy())
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        value = float(values.detach().numpy()[place])
        raise ValueError(
            f"[{op}] {name}{list(place)} is {value}, and {int(wrong.sum()) - 1} more are not "
            "finite; drop these samples, or fill them in"
        )


def probe(module: Module, inputs: Sequence[Tensor], samples: int = 1) -> Any:
    """The module's output for the first samples, in evaluation mode, with no draw left behind."""
    generator = get_rng_state()
    try:
        with mode(module, False), no_grad():
            return module(*[t[:samples] for t in inputs])
    finally:
        set_rng_state(generator)


def as_target(op: str, values: Any, output: Tensor, loss: Any) -> Tensor:
    """y as the loss needs it, for an output whose first dimension is the batch.

    Numbers of classes for a loss of labels, else the output's dtype and shape; (n,) beside an
    output of (n, 1) becomes (n, 1). A loss of your own is given whole numbers as int64. Raises
    TypeError for what holds no numbers, ValueError for another shape and for labels out of range.
    """
    array = values.detach().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"[{op}] y is an array of {array.dtype}; numbers are needed")
    if array.ndim == 0:
        raise ValueError(f"[{op}] y is the number {array}; an array with one entry a sample")
    shape = (len(array), *output.shape[1:])
    if array.shape == shape[:-1] and shape[1:] == (1,):
        array = array[:, None]
    if isinstance(loss, NamedLoss) and loss.target == LABELS:
        return _labels(op, array, shape)
    if not isinstance(loss, NamedLoss):
        whole = array.dtype.kind in "iu"
        return from_array(array, dtype=_core.int64 if whole else output.dtype)
    if array.shape != shape:
        raise ValueError(
            f"[{op}] y has shape {array.shape}, the model's output {shape}: {loss.name} needs "
            "equal ones; reshape y, or change the last layer"
        )
    return from_array(array, dtype=output.dtype)


def _labels(op: str, array: Any, shape: tuple[int, ...]) -> Tensor:
    if array.shape == (*shape[:-1], 1):
        array = array[..., 0]
    if array.shape != shape[:-1]:
        raise ValueError(
            f"[{op}] y has shape {array.shape}, labels of shape {shape[:-1]} are needed for an "
            f"output {shape}; pass labels, or take categorical_crossentropy for one-hot rows"
        )
    with np.errstate(invalid="ignore"):
        wrong = (array != np.floor(array)) | (array < 0) | (array >= shape[-1])
    if wrong.any():
        raise ValueError(
            f"[{op}] label {array[wrong][0]:g} is out of range, 0 to {shape[-1] - 1} are the "
            "classes of the last layer; correct the labels, or widen the layer"
        )
    return from_array(array.astype(np.int64))


def check_loss(
    loss: Callable[..., Tensor], output: Any, targets: Sequence[Tensor], batch_size: int
) -> None:
    """Call the loss with every target, for the errors that it raises.

    The output is that of the first samples; for later ones it is the first of these.
    """
    several = isinstance(output, (tuple, list))
    outputs = list(output) if several else [output]
    samples = len(outputs[0])
    with no_grad():
        loss(output, *(t[:samples] for t in targets))
        for start in range(samples, len(targets[0]), batch_size):
            batch = [t[start : start + batch_size] for t in targets]
            wide = [o[:1].expand(len(batch[0]), *o.shape[1:]).clone() for o in outputs]
            loss(type(output)(wide) if several else wide[0], *batch)


def check_metrics(
    metrics: Sequence[Metric], output: Any, targets: Sequence[Tensor], batch_size: int
) -> None:
    """Give the metrics every target with the first output, for the errors that they raise."""
    for metric in metrics:
        metric.reset()
        for start in range(0, len(targets[0]), batch_size):
            target = targets[0][start : start + batch_size]
            metric.update(output[:1].expand(len(target), *output.shape[1:]), target)
        metric.value()
        metric.reset()


def loader(
    tensors: Sequence[Tensor], batch_size: int, shuffle: bool = False
) -> DataLoader[tuple[Any, ...]]:
    """Batches of tensors of one length. Raises ValueError for a batch_size below 1."""
    return DataLoader(TensorDataset(*tensors), batch_size=batch_size, shuffle=shuffle)


def _numbered(name: str, index: int, of: Sequence[Any]) -> str:
    return name if len(of) == 1 else f"{name}[{index}]"
