"""The explicit passes of a layer: forward on arrays, and the matching backward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from .. import _core
from .._interop import from_array
from ..autograd import grad
from ..autograd.grad_mode import enable_grad
from ._shapes import as_list, fits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .._core import Tensor
    from ._shapes import Shapes
    from .base import Layer

__all__ = ["Passes"]

_P = TypeVar("_P", bound="Passes")


class _Pass(NamedTuple):
    """A forward pass; `weights` tells which ones it used, and how often they had been written."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    single: bool
    weights: list[tuple[int, int]]


class Passes:
    """y = forward(x), then dx = backward(x, dy), with the gradients of the weights kept."""

    if TYPE_CHECKING:
        module: Any
        name: Callable[[], str]
        get_input_shape: Callable[[], Shapes]
        walk: Callable[[], Iterator[Layer]]
        regularization: Callable[[], Tensor | None]

    def __init__(self) -> None:
        self._pass: _Pass | None = None

    def forward(self, input: Any) -> Any:
        """y = layer(x), for an array or a list of them; the graph is kept for `backward`.

        x is a batch, or one sample without the batch dimension, and y is so too. Raises ValueError
        for another shape, TypeError for what holds no numbers.
        """
        tensors, single = self.tensors(input)
        for tensor in tensors:
            tensor.requires_grad_()
        with enable_grad():
            found = self.module(*tensors)
        outputs = list(found) if isinstance(found, (tuple, list)) else [found]
        self._pass = _Pass(tensors, outputs, single, self._used())
        return self._arrays(outputs)

    def backward(self, input: Any, grad_output: Any) -> Any:
        """dx = (dy / dx)^T grad_output for the last forward; adds to the weights' gradients.

        Penalties of regularizers are added too: dw += (dy / dw)^T grad_output + dR / dw. Raises
        RuntimeError without a forward, for another input than its, or where weights have changed
        since; ValueError for a gradient of another shape. Nothing is added then.
        """
        last = self._pass
        if last is None:
            raise RuntimeError(
                f"[backward] {self.name()} has had no forward; call forward(input) first"
            )
        given, single = self.tensors(input)
        same = single == last.single and all(
            np.array_equal(a.numpy(), b.detach().numpy(), equal_nan=True)
            for a, b in zip(given, last.inputs, strict=True)
        )
        if not same:
            shapes = [_shapes(given, single), _shapes(last.inputs, last.single)]
            what = f"the shapes are {shapes[0]} and {shapes[1]}"
            if shapes[0] == shapes[1]:
                what = "the numbers are others"
            raise RuntimeError(
                f"[backward] the input is not that of the last forward of {self.name()}, {what}: "
                "the gradients would be wrong; call forward(input) with this input first"
            )
        if self._used() != last.weights:
            raise RuntimeError(
                f"[backward] weights of {self.name()} were changed after its last forward; call "
                "forward(input) again"
            )
        seeds = self._seeds(grad_output, last)
        pairs = [(y, g) for y, g in zip(last.outputs, seeds, strict=True) if y.requires_grad]
        penalty = self.regularization()
        if penalty is not None:
            pairs.append((penalty, _core.ones_like(penalty)))
        weights = [w for w in self.module.parameters() if w.requires_grad]
        leaves = [*last.inputs, *weights]
        grads: Sequence[Tensor | None] = [None] * len(leaves)
        if pairs:
            roots, slopes = zip(*pairs, strict=True)
            grads = grad(roots, leaves, slopes, retain_graph=True, allow_unused=True)
        count = len(last.inputs)
        for weight, g in zip(weights, grads[count:], strict=True):
            if g is not None:
                weight.grad = g if weight.grad is None else weight.grad + g
        pairs_in = zip(last.inputs, grads[:count], strict=True)
        return self._arrays([_core.zeros_like(x) if g is None else g for x, g in pairs_in])

    def _used(self) -> list[tuple[int, int]]:
        return [(id(weight), weight._version) for weight in self.module.parameters()]

    def tensors(self, input: Any) -> tuple[list[Tensor], bool]:
        """(a tensor with a batch dimension for each input, whether they were single samples).

        They are copies, of the weights' dtype. Raises ValueError for a wrong shape or number of
        arrays, TypeError for what holds no numbers.
        """
        shapes, op = as_list(self.get_input_shape()), "forward"
        several = isinstance(input, (list, tuple)) and (
            len(shapes) > 1 or (len(input) == 1 and np.ndim(input[0]) > 0)
        )
        arrays = [np.asarray(x) for x in (input if several else [input])]
        if len(arrays) != len(shapes):
            raise ValueError(
                f"[{op}] {self.name()} takes {len(shapes)} arrays, is given {len(arrays)}; pass a "
                "list of them"
            )
        singles = set()
        tensors = []
        dtype = next((p.dtype for p in self.module.parameters()), _core.float32)
        for array, shape in zip(arrays, shapes, strict=True):
            if array.dtype.kind not in "biuf":
                raise TypeError(
                    f"[{op}] {self.name()} takes numbers, the array is of {array.dtype}; convert it"
                )
            single = array.ndim == len(shape) - 1
            batch = array[None] if single else array
            if not fits(batch.shape, shape):
                raise ValueError(
                    f"[{op}] {self.name()} takes inputs of shape {shape}, or one of {shape[1:]}, "
                    f"is given {array.shape}; reshape the array, or build the model for it"
                )
            singles.add(single)
            tensors.append(from_array(batch, dtype=dtype))
        if len(singles) > 1:
            raise ValueError(
                f"[{op}] {self.name()} is given batches and single samples at once; add a "
                "dimension to the samples"
            )
        return tensors, singles.pop()

    def _seeds(self, grad_output: Any, last: _Pass) -> list[Tensor]:
        several = len(last.outputs) > 1
        arrays = [np.asarray(g) for g in (grad_output if several else [grad_output])]
        if len(arrays) != len(last.outputs):
            raise ValueError(
                f"[backward] {self.name()} has {len(last.outputs)} outputs, is given {len(arrays)} "
                "gradients; pass one for each"
            )
        seeds = []
        for array, output in zip(arrays, last.outputs, strict=True):
            shape = tuple(output.shape)[1:] if last.single else tuple(output.shape)
            if array.shape != shape:
                raise ValueError(
                    f"[backward] grad_output has shape {array.shape}, the output of "
                    f"{self.name()} {shape}; pass d loss / d output, of the output's shape"
                )
            seeds.append(from_array(array.reshape(output.shape), dtype=output.dtype))
        return seeds

    def _arrays(self, tensors: Sequence[Tensor]) -> Any:
        """Copies as arrays, without the batch where there was none."""
        assert self._pass is not None
        arrays = [t.detach().numpy().copy() for t in tensors]
        found = [a[0] if self._pass.single else a for a in arrays]
        return found[0] if len(found) == 1 else found


def _shapes(tensors: list[Tensor], single: bool) -> Any:
    """The shapes of the arrays that the tensors were made of."""
    shapes = [tuple(t.shape)[1 if single else 0 :] for t in tensors]
    return shapes[0] if len(shapes) == 1 else shapes
