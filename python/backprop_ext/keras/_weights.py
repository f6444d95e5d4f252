"""The weights of a layer as arrays, which of them are trained, and the mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .._choice import nearest
from .._interop import from_array
from ..autograd.grad_mode import no_grad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..nn.parameter import Parameter
    from .base import Layer

__all__ = ["Weights", "by_name"]

_W = TypeVar("_W", bound="Weights")


class Weights:
    """The weights of a layer and of all layers within, by name and in a row."""

    if TYPE_CHECKING:
        module: Any
        name: Callable[[], str]
        walk: Callable[[], Iterator[Layer]]

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
                weight.copy_(from_array(array, dtype=weight.dtype))

    # Mode

    def freeze(self: _W, names: str | Sequence[str] | None = None) -> _W:
        """Keep the weights as they are: all, or those of the layers of these names."""
        return self._train_weights(names, False)

    def unfreeze(self: _W, names: str | Sequence[str] | None = None) -> _W:
        """Train the weights again: all, or those of the layers of these names."""
        return self._train_weights(names, True)

    def _train_weights(self: _W, names: str | Sequence[str] | None, train: bool) -> _W:
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

    def training(self: _W, is_training: bool = True) -> _W:
        """Set the mode: Dropout drops, and BatchNormalization learns its statistics, in training.

        New layers are in training mode.
        """
        self.module.train(is_training)
        return self

    def evaluate(self: _W) -> _W:
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
