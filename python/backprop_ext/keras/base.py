"""Layer: a shape, a name, and an nn.Module that does the work once the shape is known.

A layer is made of three things: `make(shape)` creates its weights, `infer(shape)` tells the shape
that comes out, `compute(*tensors)` is the formula. Everything else is here.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .. import _core
from ..nn.modules.module import Module
from ..nn.parameter import Parameter
from . import initializers
from ._keywords import cure
from ._passes import Passes
from ._shapes import Shapes, as_list, as_shapes, fits, plain
from ._weights import Weights
from .topology import Node, Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._core import Tensor
    from .regularizers import Regularizer

__all__ = ["Layer", "LayerModule"]

_L = TypeVar("_L", bound="Layer")
_numbers = count(1)


class LayerModule(Module):
    """The nn.Module of a layer: it holds the weights, and its forward is the layer's formula."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *inputs: Tensor) -> Any:
        return self.layer.compute(*inputs)

    def _get_name(self) -> str:
        return type(self.layer).__name__

    def extra_repr(self) -> str:
        shapes = (self.layer._input_shape, self.layer._output_shape)
        return f"{self.layer.name()}, {shapes[0]} -> {shapes[1]}"


class Layer(Passes, Weights):
    """What all layers share.

    input_shape: the shape of one sample, without the batch; only the first layer of a model needs
    it, the others take what comes before them. name: by default the class and eight hex digits.
    Raises TypeError for a keyword that is unknown. Source: the layer API of Keras 1 and BigDL.
    """

    module: Any  # an nn.Module, that has the weights as attributes
    ranks: ClassVar[tuple[int, ...]] = ()  # the numbers of dimensions it takes, the batch counted
    inputs: ClassVar[int | None] = 1  # how many tensors it takes, None for two or more

    def __init__(
        self,
        *,
        input_shape: Sequence[Any] | None = None,
        name: str | None = None,
        trainable: bool = True,
        **unknown: Any,
    ) -> None:
        op = type(self).__name__
        for keyword in unknown:
            raise TypeError(
                f"[{op}] got an unexpected keyword {keyword!r}; {cure(type(self), keyword)}"
            )
        super().__init__()
        self._name = f"{op}{next(_numbers):08x}"
        if name is not None:
            self.set_name(name)
        self._regularizers: dict[str, Regularizer] = {}
        self._trainable = trainable
        self._input_shape: Shapes | None = None
        self._output_shape: Shapes | None = None
        self._wanted_shape = None if input_shape is None else as_shapes(op, input_shape)

    # What a layer defines

    def make(self, shape: Any) -> None:
        """Create the weights for inputs of a shape (the batch first), with `add_weight`."""

    def infer(self, shape: Any) -> Any:
        """The shape of the output for that of the input."""
        return shape

    def compute(self, *inputs: Any) -> Any:
        """The output for one tensor, or for several."""
        raise NotImplementedError(
            f"[{type(self).__name__}] defines no compute(); define what comes out of its inputs"
        )

    def add_weight(
        self,
        name: str,
        shape: Sequence[int],
        init: Any = "glorot_uniform",
        regularizer: Regularizer | None = None,
    ) -> Parameter:
        """A new float32 parameter of the module, filled by an initializer (a name or function)."""
        weight = Parameter(_core.empty(tuple(shape)))
        initializers.get(type(self).__name__, init)(weight)
        self.module.register_parameter(name, weight)
        if regularizer is not None:
            self._regularizers[name] = regularizer
        return weight

    def own_weights(self) -> dict[str, Parameter]:
        """The weights by name, without those of the layers within."""
        return {n: p for n, p in self.module._parameters.items() if p is not None}

    @property
    def runs_user_code(self) -> bool:
        """Whether it calls functions that are not this package's, and may do anything."""
        values = (*vars(self).values(), *self._regularizers.values())
        return any(callable(v) and not _is_own(v) for v in values)

    # Shapes

    def is_built(self) -> bool:
        """Whether the input's shape is known, and with it the weights made."""
        return self._input_shape is not None

    def build(self, input_shape: Any) -> Shapes:
        """Make the weights for inputs of a shape (the batch first); the shape that comes out.

        A layer that is shared keeps its weights. Raises ValueError for a shape that it cannot
        take, or that differs from the one its weights were made for; it is as before then.
        """
        op = type(self).__name__
        shape = as_shapes(op, input_shape, batch=True)
        self._check_ranks(shape)
        if self._wanted_shape is not None and not _agree(shape, self._wanted_shape):
            raise ValueError(
                f"[{op}] {self.name()} was told that its input is {self._wanted_shape}, and is "
                f"given {shape}; leave input_shape out"
            )
        if self.is_built():
            if any(True for _ in self.module.parameters()) and not _agree(
                shape, self.get_input_shape()
            ):
                raise ValueError(
                    f"[{op}] {self.name()} was built for {self._input_shape} and is given {shape}; "
                    "one layer has one set of weights, make another"
                )
            return self.infer(shape)  # type: ignore[no-any-return]
        output = self.infer(shape)
        regularizers = dict(self._regularizers)
        try:
            self.module = LayerModule(self)
            self.make(shape)
        except Exception:
            self._regularizers = regularizers
            vars(self).pop("module", None)
            raise
        if not self._trainable:
            self.module.requires_grad_(False)
        self._input_shape, self._output_shape = shape, output
        return output  # type: ignore[no-any-return]

    def _check_ranks(self, shape: Shapes) -> None:
        op, shapes = type(self).__name__, as_list(shape)
        if self.inputs is None and len(shapes) < 2:
            raise ValueError(f"[{op}] takes two inputs or more, is given {shape}; pass a list")
        if self.inputs is not None and len(shapes) != self.inputs:
            raise ValueError(
                f"[{op}] the number of inputs is {self.inputs}, {len(shapes)} are given: {shape}; "
                "merge them, or pass a list"
            )
        for one in shapes:
            if self.ranks and len(one) not in self.ranks:
                takes = " or ".join(f"{rank}D" for rank in self.ranks)
                raise ValueError(
                    f"[{op}] takes {takes} inputs with the batch first, is given {one}; reshape it"
                )

    def get_input_shape(self) -> Shapes:
        """The shape of the input, (None, 2) for a batch of pairs; a list where there are more."""
        self._require_built()
        return self._input_shape  # type: ignore[return-value]

    def get_output_shape(self) -> Shapes:
        """The shape of the output."""
        self._require_built()
        return self._output_shape  # type: ignore[return-value]

    def _require_built(self) -> None:
        """Build a layer that was told its input_shape. Raises RuntimeError for one that was not."""
        if self.is_built():
            return
        if self._wanted_shape is None:
            raise RuntimeError(
                f"[{type(self).__name__}] {self.name()} does not know the shape of its input; pass "
                "input_shape=(...) without the batch, or add it to a model"
            )
        self.build(self._wanted_shape)

    def __getstate__(self) -> dict[str, Any]:
        """Without the last forward pass, whose graph cannot be copied."""
        return {**vars(self), "_pass": None}

    def __getattr__(self, name: str) -> Any:
        if name == "module" and "_name" in vars(self):
            self._require_built()
            return vars(self)["module"]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __call__(self, inputs: Variable | Sequence[Variable]) -> Any:
        """The output for the outputs of other layers, which makes a node of a graph (see Model)."""
        variables = [inputs] if isinstance(inputs, Variable) else list(inputs)
        for variable in variables:
            if not isinstance(variable, Variable):
                raise TypeError(
                    f"[{type(self).__name__}] is called on a {type(variable).__name__}; call it on "
                    "Input(shape=...) or the output of a layer, and use forward() for arrays"
                )
        output = self.build(plain([variable.shape for variable in variables]))
        return Node(self, variables, as_list(output)).result()

    # Names

    def name(self) -> str:
        """The name under which parameters() and summary() list it."""
        return self._name

    def set_name(self: _L, name: str) -> _L:
        """Rename it."""
        if not isinstance(name, str) or not name:
            raise TypeError(f"[{type(self).__name__}] the name is {name!r}; pass a text")
        self._name = name
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}[{self.name()}]"

    # Layers within

    def sublayers(self) -> list[Layer]:
        """The layers it is made of."""
        return []

    def walk(self) -> Iterator[Layer]:
        """It and all layers within, each once, in the order in which they compute."""
        seen: set[int] = set()
        stack: list[Layer] = [self]
        while stack:
            layer = stack.pop()
            if id(layer) not in seen:
                seen.add(id(layer))
                yield layer
                stack.extend(reversed(layer.sublayers()))

    def regularization(self) -> Tensor | None:
        """The sum of all penalties on weights that are trained, None where there are none."""
        penalties = [
            penalty(weight)
            for layer in self.walk()
            for name, penalty in layer._regularizers.items()
            if (weight := getattr(layer.module, name)).requires_grad
        ]
        return sum(penalties[1:], start=penalties[0]) if penalties else None


def _agree(shape: Shapes, other: Shapes) -> bool:
    """Whether the shapes of all inputs fit each other."""
    first, second = as_list(shape), as_list(other)
    return len(first) == len(second) and all(map(fits, first, second))


def _is_own(function: Any) -> bool:
    module = str(getattr(function, "__module__", None))
    return module.partition(".")[0] == __name__.partition(".")[0]
