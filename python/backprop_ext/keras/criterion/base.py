"""Criterion: a loss with an explicit forward and backward; and what losses check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ..._core import Tensor
from ..._interop import from_array
from ...autograd import grad
from ...autograd.grad_mode import enable_grad, no_grad

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Criterion", "averaged", "labels", "like", "pair", "per_class"]


class Criterion:
    """A number for how far an output is from a target.

    Called on tensors it gives a scalar tensor, which a training loop goes back through; `forward`
    and `backward` do the same on arrays, or on lists of arrays where there are several.
    """

    def loss(self, output: Any, target: Any) -> Tensor:
        """The formula, on tensors."""
        raise NotImplementedError(
            f"[{type(self).__name__}] defines no loss(output, target); define it on tensors"
        )

    def __call__(self, output: Any, target: Any) -> Tensor:
        return self.loss(output, target)

    def forward(self, output: Any, target: Any) -> float:
        """The loss, as the shortest decimal number that is the float32."""
        with no_grad():
            found = self.loss(_tensors(output, True), _tensors(target, False))
        return float(str(found.numpy()[()]))

    def backward(self, output: Any, target: Any) -> Any:
        """d loss / d output, of the shape of output; it needs no forward before it."""
        leaves = _tensors(output, True)
        wanted = leaves if isinstance(leaves, list) else [leaves]
        with enable_grad():
            for leaf in wanted:
                leaf.requires_grad_()
            found = self.loss(leaves, _tensors(target, False))
            grads = grad(found, wanted, materialize_grads=True)
        arrays = [g.numpy().copy() for g in grads]
        return arrays if isinstance(leaves, list) else arrays[0]

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _tensors(given: Any, floating: bool) -> Any:
    """Copies of arrays as tensors, of a floating-point type where `floating`."""
    if isinstance(given, (list, tuple)) and any(np.ndim(x) > 0 for x in given):
        return [_tensors(x, floating) for x in given]
    tensor = from_array(np.asarray(given))
    return tensor if tensor.is_floating_point() or not floating else tensor.to(_core.float32)


def like(op: str, output: Tensor, target: Tensor) -> Tensor:
    """The target in the output's type and shape; lengths of 1 may differ, (3,) fits (3, 1).

    Raises ValueError for other shapes: they would be broadcast, which is never meant.
    """
    if target.shape != output.shape:
        shapes = [tuple(n for n in t.shape if n != 1) for t in (output, target)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"[{op}] the output has shape {tuple(output.shape)}, the target "
                f"{tuple(target.shape)}; give one target for each number of the output"
            )
        target = target.reshape(output.shape)
    return target.to(output.dtype)


def pair(op: str, output: Any) -> tuple[Tensor, Tensor]:
    """The two outputs. Raises ValueError for another number of them."""
    if not isinstance(output, (list, tuple)) or len(output) != 2:
        count = len(output) if isinstance(output, (list, tuple)) else 1
        raise ValueError(f"[{op}] takes a list of two outputs, is given {count}")
    return output[0], output[1]


def labels(
    op: str, target: Tensor, classes: int, first: int, padding: int | None = None
) -> tuple[Tensor, Tensor]:
    """(labels from 0, whether each counts); `first` is the least label, `padding` does not count.

    Raises IndexError that names a label out of range and the range, ValueError for one that is not
    whole. While a step is recorded (docs/capture.md) no value can be looked at.
    """
    whole = target.detach().to(_core.int64)
    counts = _core.ones_like(whole, dtype=_core.bool) if padding is None else whole != padding
    if not _core._recording():
        _check_labels(op, target, whole, counts, range(first, first + classes))
    return _core.where(counts, whole - first, 0), counts


def _check_labels(op: str, target: Tensor, whole: Tensor, counts: Tensor, known: range) -> None:
    if target.is_floating_point() and bool((whole != target).any()):
        raise ValueError(f"[{op}] the target holds labels that are not whole numbers; round them")
    wrong = whole[counts & ((whole < known.start) | (whole >= known.stop))]
    if wrong.numel():
        other = "zero_based_label=True" if known.start else "zero_based_label=False"
        raise IndexError(
            f"[{op}] label {wrong[0].item()} is out of range, {len(known)} classes have labels "
            f"{known.start} to {known.stop - 1}; mend the labels, or pass {other} if they start "
            f"from {1 - known.start}"
        )


def averaged(losses: Tensor, size_average: bool) -> Tensor:
    """Their mean, or their sum."""
    return losses.mean() if size_average else losses.sum()


def per_class(op: str, weights: Any, classes: int, output: Tensor) -> Tensor | None:
    """A weight for each class. Raises ValueError for another number of them."""
    if weights is None:
        return None
    given: Sequence[int] = np.shape(weights)
    if tuple(given) != (classes,):
        raise ValueError(
            f"[{op}] weights has shape {tuple(given)} for {classes} classes; pass one for each"
        )
    return from_array(np.asarray(weights), dtype=output.dtype)
