"""The graph of a functional model: variables are what layers put out, nodes are their calls."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NamedTuple

from ..nn.modules.module import Module

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._core import Tensor
    from ._shapes import Shape
    from .base import Layer

__all__ = ["Chain", "Graph", "Node", "Plan", "Variable", "applied", "plan"]


class Variable:
    """An output of a layer's call, not computed yet: its shape, and where it comes from."""

    def __init__(self, node: Node, index: int, shape: Shape) -> None:
        self.node, self.index, self.shape = node, index, shape

    def get_output_shape(self) -> Shape:
        """Its shape, None for the batch."""
        return self.shape

    get_input_shape = get_output_shape

    def __add__(self, other: Any) -> Any:
        return applied(operator.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return applied(operator.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return applied(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return applied(operator.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return applied(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return applied(operator.mul, other, self)

    def __truediv__(self, other: Any) -> Any:
        return applied(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return applied(operator.truediv, other, self)

    def __neg__(self) -> Any:
        return applied(operator.neg, self)

    def __repr__(self) -> str:
        return f"Variable({self.shape} from {self.node.layer.name()})"


def applied(function: Callable[..., Any], *values: Any) -> Any:
    """function(*values); the output of a Lambda layer where variables are among the values."""
    places = [place for place, value in enumerate(values) if isinstance(value, Variable)]
    if not places:
        return function(*values)
    from .layers.core import Lambda

    def compute(*tensors: Tensor) -> Any:
        given = list(values)
        for place, tensor in zip(places, tensors, strict=True):
            given[place] = tensor
        return function(*given)

    return Lambda(compute)([values[place] for place in places])


class Node:
    """A call of a layer on variables; a layer that is shared has several."""

    def __init__(self, layer: Layer, inputs: Sequence[Variable], shapes: Sequence[Shape]) -> None:
        self.layer, self.inputs = layer, tuple(inputs)
        self.outputs = tuple(Variable(self, k, shape) for k, shape in enumerate(shapes))

    def result(self) -> Variable | list[Variable]:
        """Its output, a list where there are several."""
        return self.outputs[0] if len(self.outputs) == 1 else list(self.outputs)


class Plan(NamedTuple):
    """A graph without its nodes: values are numbered, the inputs first, then as they are made."""

    begins: list[Layer]  # where the inputs come from
    layers: list[Layer]  # each once, in the order of their first calls
    steps: list[tuple[int, list[int], list[int]]]  # a layer's place, what it takes, what it makes
    outputs: list[int]


def plan(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> Plan:
    """The calls between inputs and outputs, each after those it needs.

    Raises ValueError for an output that needs an Input that was not given, and for an input that
    no output needs.
    """
    nodes = _sorted(inputs, outputs)
    layers = list({id(node.layer): node.layer for node in nodes}.values())
    places = {id(layer): place for place, layer in enumerate(layers)}
    made = (*inputs, *(variable for node in nodes for variable in node.outputs))
    slots = {id(variable): slot for slot, variable in enumerate(made)}
    steps = [
        (
            places[id(node.layer)],
            [slots[id(variable)] for variable in node.inputs],
            [slots[id(variable)] for variable in node.outputs],
        )
        for node in nodes
    ]
    begins = [variable.node.layer for variable in inputs]
    return Plan(begins, layers, steps, [slots[id(variable)] for variable in outputs])


def _sorted(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> list[Node]:
    """The nodes in an order in which they can be computed; found without recursion."""
    given = {id(variable.node) for variable in inputs}
    order: list[Node] = []
    done: set[int] = set()
    needed: set[int] = set()
    stack = [(variable.node, False) for variable in reversed(outputs)]
    while stack:
        node, ready = stack.pop()
        if id(node) in given:
            needed.add(id(node))
        elif ready:
            order.append(node)
        elif id(node) not in done:
            if not node.inputs:
                raise ValueError(
                    f"[Model] the output needs {node.layer.name()}, which is none of the inputs; "
                    "add it to them"
                )
            done.add(id(node))
            stack.append((node, True))
            stack.extend((variable.node, False) for variable in reversed(node.inputs))
    for variable in inputs:
        if id(variable.node) not in needed:
            raise ValueError(
                f"[Model] no output depends on the input {variable.node.layer.name()}; leave it out"
            )
    return order


def _tuple(values: Any) -> tuple[Any, ...]:
    return tuple(values) if isinstance(values, (tuple, list)) else (values,)


class Chain(Module):
    """y = f_n(... f_1(x)): the modules of a Sequential, named by their place."""

    def append(self, module: Module) -> None:
        """Add a module at the end."""
        self.add_module(str(len(self._modules)), module)

    def forward(self, *inputs: Tensor) -> Any:
        values: Any = inputs if len(inputs) > 1 else inputs[0]
        for module in self._modules.values():
            values = module(*_tuple(values))
        return values


class Graph(Module):
    """The modules of a functional model, run in the order of the plan.

    They are named by their place, and a value is held only until its last use.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        for place, layer in enumerate(plan.layers):
            self.add_module(str(place), layer.module)
        self.outputs = plan.outputs
        last = {slot: k for k, (_, takes, _) in enumerate(plan.steps) for slot in takes}
        unused: list[list[int]] = [[] for _ in plan.steps]
        for slot, k in last.items():
            if slot not in plan.outputs:
                unused[k].append(slot)
        self.steps = [
            (str(place), takes, makes, drops)
            for (place, takes, makes), drops in zip(plan.steps, unused, strict=True)
        ]

    def forward(self, *inputs: Tensor) -> Any:
        values: dict[int, Any] = dict(enumerate(inputs))
        for name, takes, makes, drops in self.steps:
            found = vars(self)[name](*[values[slot] for slot in takes])
            values.update(zip(makes, _tuple(found), strict=True))
            for slot in drops:
                del values[slot]
        outputs = tuple(values[slot] for slot in self.outputs)
        return outputs[0] if len(outputs) == 1 else outputs
