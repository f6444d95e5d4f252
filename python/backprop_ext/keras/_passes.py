"""The explicit passes of a layer: forward on arrays, the matching backward, and its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from .. import _core
from .._choice import nearest
from ..autograd import backward as run_backward
from ..autograd.grad_mode import enable_grad, no_grad
from ._shapes import as_list, fits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .._core import Tensor
    from ..nn.parameter import Parameter
    from ._shapes import Shapes
    from .base import Layer

__all__ = ["Passes", "by_name"]

_P = TypeVar("_P", bound="Passes")


class _Pass(NamedTuple):
    """A forward pass: the leaves it began with, what came out, and whether it was one sample."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    single: bool


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
        self._pass = _Pass(tensors, outputs, single)
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
        seeds = self._seeds(grad_output, last)
        for leaf in last.inputs:
            leaf.grad = None
        pairs = [(y, g) for y, g in zip(last.outputs, seeds, strict=True) if y.requires_grad]
        if pairs:
            ys, gs = zip(*pairs, strict=True)
            run_backward(ys, gs, retain_graph=True)
        penalty = self.regularization()
        if penalty is not None:
            penalty.backward()
        grads = [_core.zeros_like(x) if x.grad is None else x.grad for x in last.inputs]
        return self._arrays(grads)

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
            tensors.append(_core.tensor(batch, dtype=dtype))
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
            seeds.append(_core.tensor(array.reshape(output.shape), dtype=output.dtype))
        return seeds

    def _arrays(self, tensors: Sequence[Tensor]) -> Any:
        """Copies as arrays, without the batch where there was none."""
        assert self._pass is not None
        arrays = [t.detach().numpy().copy() for t in tensors]
        found = [a[0] if self._pass.single else a for a in arrays]
        return found[0] if len(found) == 1 else found

    # Weights

    def zero_grad_parameters(self) -> None:
        """dw = 0 for all weights."""
        self.module.zero_grad()

    def update_parameters(self, learning_rate: float) -> None:
        """w -= learning_rate dw, one step of gradient descent."""
        with no_grad():
            for weight in self.module.parameters():
                if weight.grad is not None and weight.requires_grad:
                    weight.sub_(weight.grad, alpha=learning_rate)

    def parameters(self) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
        """{layer: {"weight": w, "bias": b, "gradWeight": dw, "gradBias": db}}, as copies."""
        layers = by_name("parameters", self.walk()).items()
        return {name: _table(own) for name, layer in layers if (own := layer.own_weights())}

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """All weights, as copies: those of the first layer first, a bias after its weight."""
        return [w.detach().numpy().copy() for w in self.module.parameters()]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Copy the weights in, in the order of get_weights(); the only one may stand alone.

        Raises ValueError for another number or another shape, and changes nothing then.
        """
        own = list(self.module.parameters())
        given = [weights] if isinstance(weights, np.ndarray) else weights
        arrays = [np.asarray(w) for w in given]
        shapes = [tuple(w.shape) for w in own]
        if len(arrays) != len(own):
            raise ValueError(
                f"[set_weights] {self.name()} has {len(own)} weights, is given {len(arrays)}; pass "
                f"a list of arrays of shapes {shapes}"
            )
        for place, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
            if array.shape != shape:
                raise ValueError(
                    f"[set_weights] weight {place} of {self.name()} has shape {shape}, is given "
                    f"{array.shape}; transpose or reshape it"
                )
        with no_grad():
            for weight, array in zip(own, arrays, strict=True):
                weight.copy_(_core.tensor(array, dtype=weight.dtype))

    # Mode

    def freeze(self: _P, names: str | Sequence[str] | None = None) -> _P:
        """Keep the weights as they are: all, or those of the layers of these names."""
        return self._train_weights(names, False)

    def unfreeze(self: _P, names: str | Sequence[str] | None = None) -> _P:
        """Train the weights again: all, or those of the layers of these names."""
        return self._train_weights(names, True)

    def _train_weights(self: _P, names: str | Sequence[str] | None, train: bool) -> _P:
        layers = by_name("unfreeze" if train else "freeze", self.walk())
        chosen = [self.name()] if names is None else [names] if isinstance(names, str) else names
        for name in chosen:
            if name not in layers:
                raise ValueError(
                    f"[{'unfreeze' if train else 'freeze'}] no layer is named {name!r}; "
                    f"{nearest(name, layers)}"
                )
        for name in chosen:
            layers[name].module.requires_grad_(train)
        return self

    def training(self: _P, is_training: bool = True) -> _P:
        """Set the mode: Dropout drops, and BatchNormalization learns its statistics, in training.

        New layers are in training mode.
        """
        self.module.train(is_training)
        return self

    def evaluate(self: _P) -> _P:
        """training(False)."""
        return self.training(False)

    def is_training(self) -> bool:
        """The mode."""
        return bool(self.module.training)


def by_name(op: str, layers: Iterable[Layer]) -> dict[str, Layer]:
    """The layers by their names. Raises ValueError where two have the same."""
    found: dict[str, Layer] = {}
    for layer in layers:
        if found.setdefault(layer.name(), layer) is not layer:
            raise ValueError(
                f"[{op}] two layers are named {layer.name()!r}; rename one with set_name()"
            )
    return found


def _shapes(tensors: list[Tensor], single: bool) -> Any:
    """The shapes of the arrays that the tensors were made of."""
    shapes = [tuple(t.shape)[1 if single else 0 :] for t in tensors]
    return shapes[0] if len(shapes) == 1 else shapes


def _table(held: dict[str, Parameter]) -> dict[str, np.ndarray[Any, Any]]:
    """Values, then gradients (0 before the first backward), under names as in BigDL."""
    camel = {name: name[0] + name.title().replace("_", "")[1:] for name in held}
    values = {camel[n]: w.detach().numpy().copy() for n, w in held.items()}
    grads = {
        "grad" + camel[n][0].upper() + camel[n][1:]: (
            np.zeros_like(values[camel[n]]) if w.grad is None else w.grad.numpy().copy()
        )
        for n, w in held.items()
    }
    return values | grads
