"""Models: layers one after the other (Sequential), or in any graph (Model)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

from .._choice import nearest
from ..serialization import load, save
from . import _summary
from ._shapes import Shapes, as_list, plain
from ._weights import by_name
from .base import Layer
from .layers.inputs import Input
from .topology import Chain, Graph, Variable, plan
from .training import Trainable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Input", "KerasNet", "Model", "Sequential"]

_S = TypeVar("_S", bound="Sequential")


class KerasNet(Trainable, Layer):
    """What models share. A model is a layer too: it can be part of another one."""

    inputs = None
    module: Any

    @property
    def layers(self) -> list[Layer]:
        """The layers, in the order in which they compute."""
        return self.sublayers()

    def flattened_layers(self, include_container: bool = False) -> list[Layer]:
        """All layers at every depth; models and wrappers too with include_container."""
        found = list(self.walk())[1:]
        return [layer for layer in found if include_container or not layer.sublayers()]

    def get_layer(self, name: str) -> Layer:
        """The layer of a name, at any depth. Raises ValueError that names the nearest."""
        layers = by_name("get_layer", self.walk())
        if name not in layers:
            raise ValueError(f"[get_layer] no layer is named {name!r}; {nearest(name, layers)}")
        return layers[name]

    def summary(self, line_length: int = 100) -> None:
        """Print the layers: class, output shape, number of weights, and what they follow."""
        print(_summary.table(self, self._rows(), line_length))

    def save_weights(self, path: str | os.PathLike[str], over_write: bool = False) -> None:
        """Write weights and running statistics into a file, by the places of the layers.

        Raises FileExistsError unless over_write.
        """
        if os.path.exists(path) and not over_write:
            raise FileExistsError(f"[save_weights] {path} exists; pass over_write=True")
        save(self.module.state_dict(), path)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read them into a model of the same layers.

        Raises RuntimeError for another model's, which changes nothing.
        """
        self.module.load_state_dict(load(path))

    def _rows(self) -> list[tuple[Layer, str]]:
        """The layers, each with the names of those before it."""
        raise NotImplementedError(f"[{type(self).__name__}] defines no rows; define _rows()")

    def _check_ranks(self, shape: Any) -> None:
        """The layers within check."""


class Sequential(KerasNet):
    """y = f_n(... f_1(x)); the first layer is told its input_shape, the others infer theirs."""

    def __init__(self, layers: Sequence[Layer] = (), name: str | None = None) -> None:
        super().__init__(name=name)
        self.module = Chain()
        self._layers: list[Layer] = []
        for layer in layers:
            self.add(layer)

    def sublayers(self) -> list[Layer]:
        return self._layers

    def add(self: _S, layer: Layer) -> _S:
        """Append a layer, which makes its weights; the model itself, so that calls can be chained.

        Raises ValueError for a first layer without input_shape, for one that cannot take the
        shape before it, and for a name that is taken; the model is as before then.
        """
        if not isinstance(layer, Layer):
            raise TypeError(
                f"[Sequential] add() takes a layer, is given {layer!r}; KerasLayerWrapper makes "
                "one of an nn.Module"
            )
        by_name("Sequential", [*self.walk(), *layer.walk()])
        if any(layer is other for other in self._layers):
            raise ValueError(
                f"[Sequential] {layer.name()} is in the model already; make another one, or share "
                "it in a Model"
            )
        shape = self._output_shape
        if shape is None:
            shape = layer._input_shape if layer.is_built() else layer._wanted_shape
        if shape is None:
            raise ValueError(
                f"[Sequential] the first layer, {layer.name()}, needs to know its input; pass "
                f"{type(layer).__name__}(..., input_shape=(...)), without the batch"
            )
        output = layer.build(shape)
        layer.training(self.is_training())
        self.module.append(layer.module)
        self._layers.append(layer)
        self._input_shape = self._input_shape or shape
        self._output_shape = output
        self._pass = None
        return self

    def infer(self, shape: Any) -> Any:
        for layer in self._layers:
            shape = layer.infer(shape)
        return shape

    def _require_built(self) -> None:
        if not self._layers:
            raise RuntimeError(f"[Sequential] {self.name()} has no layers; add() one first")

    def build(self, input_shape: Any) -> Shapes:
        self._require_built()
        return super().build(input_shape)

    def _rows(self) -> list[tuple[Layer, str]]:
        before = ["", *(layer.name() for layer in self._layers)]
        return list(zip(self._layers, before, strict=False))


class Model(KerasNet):
    """The graph of layers from inputs to outputs, variables or lists of them.

    A layer that is called twice has one set of weights. Raises ValueError for an output that needs
    another input, and for an input that no output needs.
    """

    def __init__(
        self,
        input: Variable | Sequence[Variable],
        output: Variable | Sequence[Variable],
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        inputs, outputs = _variables("input", input), _variables("output", output)
        self._topology = plan(inputs, outputs)
        by_name("Model", self.walk())
        self.module = Graph(self._topology)
        self._input_shape = plain([variable.shape for variable in inputs])
        self._output_shape = plain([variable.shape for variable in outputs])

    def sublayers(self) -> list[Layer]:
        return self._topology.layers

    def infer(self, shape: Any) -> Any:
        graph, shapes = self._topology, dict(enumerate(as_list(shape)))
        for place, takes, makes in graph.steps:
            found = graph.layers[place].infer(plain([shapes[slot] for slot in takes]))
            shapes.update(zip(makes, as_list(found), strict=True))
        return plain([shapes[slot] for slot in graph.outputs])

    def _rows(self) -> list[tuple[Layer, str]]:
        graph = self._topology
        rows = [(layer, "") for layer in graph.begins]
        names = {slot: layer.name() for slot, layer in enumerate(graph.begins)}
        for place, takes, makes in graph.steps:
            rows.append((graph.layers[place], ", ".join(names[slot] for slot in takes)))
            names.update(dict.fromkeys(makes, graph.layers[place].name()))
        return rows


def _variables(what: str, given: Any) -> list[Variable]:
    variables = list(given) if isinstance(given, (list, tuple)) else [given]
    for variable in variables:
        if not isinstance(variable, Variable):
            raise TypeError(
                f"[Model] {what} is a {type(variable).__name__}; pass what Input(...) or a layer "
                "called on it returned"
            )
    if not variables:
        raise ValueError(f"[Model] there is no {what}; pass one")
    return variables
