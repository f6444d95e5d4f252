"""Layers made of another layer."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from ...nn.modules.module import Module
from ...nn.parameter import Parameter
from .._shapes import Shape, Shapes, as_list
from ..base import Layer
from ._common import tried
from .merging import Merge
from .recurrent import Recurrent

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = ["Bidirectional", "KerasLayerWrapper", "TimeDistributed"]


class TimeDistributed(Layer):
    """y[:, t] = layer(x[:, t]), the same layer for every step; x (batch, steps, ...)."""

    def __init__(self, layer: Layer, **options: Any) -> None:
        super().__init__(**options)
        self.layer = layer

    def sublayers(self) -> list[Layer]:
        return [self.layer]

    def make(self, shape: Shape) -> None:
        self.module.add_module("0", self.layer.module)

    def infer(self, shape: Shape) -> Shape:
        if len(shape) < 3:
            raise ValueError(
                f"[TimeDistributed] takes (batch, steps, ...), is given {shape}; add a dimension"
            )
        (inner,) = as_list(self.layer.build((shape[0], *shape[2:])))
        return (inner[0], shape[1], *inner[1:])

    def compute(self, x: Tensor) -> Tensor:
        y = self.layer.module(x.flatten(0, 1))
        return y.unflatten(0, x.shape[:2])  # type: ignore[no-any-return]


class Bidirectional(Layer):
    """A recurrent layer on the steps and a twin of it on the steps backwards, merged.

    merge_mode is "concat" (of features), "sum", "mul" or "ave". The twin's outputs are put back
    into the order of time; its weights start by themselves.
    """

    ranks = (3,)

    def __init__(self, layer: Recurrent, merge_mode: str = "concat", **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(layer, Recurrent):
            raise TypeError(
                f"[Bidirectional] takes a recurrent layer, is given {type(layer).__name__}; pass "
                "LSTM, GRU or SimpleRNN"
            )
        if layer.is_built():
            raise ValueError(
                f"[Bidirectional] {layer.name()} has weights already; pass a layer without a shape"
            )
        self.merge = Merge(mode=merge_mode)
        if self.merge.mode not in ("concat", "sum", "mul", "ave"):
            raise ValueError(
                f"[Bidirectional] merge_mode={merge_mode!r}; take 'concat', 'sum', 'mul' or 'ave'"
            )
        self.ahead, self.back = layer, deepcopy(layer)
        self.back.go_backwards = not layer.go_backwards
        self.back.set_name(f"{layer.name()}_backward")

    def sublayers(self) -> list[Layer]:
        return [self.ahead, self.back]

    def make(self, shape: Shape) -> None:
        self.module.add_module("ahead", self.ahead.module)
        self.module.add_module("back", self.back.module)

    def infer(self, shape: Shape) -> Shape:
        return self.merge.infer([self.ahead.build(shape), self.back.build(shape)])

    def compute(self, x: Tensor) -> Tensor:
        back = self.back.module(x)
        if self.back.return_sequences:
            back = back.flip(1)
        return self.merge.compute(self.ahead.module(x), back)


class KerasLayerWrapper(Layer):
    """An nn.Module as a layer; the shape that comes out is found by a trial on zeros."""

    inputs = None

    def __init__(self, torch_layer: Module, **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(torch_layer, Module):
            raise TypeError(
                f"[KerasLayerWrapper] takes an nn.Module, is given {type(torch_layer).__name__}"
            )
        self.wrapped = torch_layer

    def own_weights(self) -> dict[str, Parameter]:
        return dict(self.wrapped.named_parameters())

    def _check_ranks(self, shape: Shapes) -> None:
        """Any number of inputs of any shape."""

    def make(self, shape: Shapes) -> None:
        self.module.add_module("0", self.wrapped)

    def infer(self, shape: Shapes) -> Any:
        mode = self.wrapped.training
        self.wrapped.eval()  # a trial leaves no trace in running statistics
        try:
            return tried("KerasLayerWrapper", self.wrapped, shape)
        finally:
            self.wrapped.train(mode)

    def compute(self, *inputs: Tensor) -> Any:
        return self.wrapped(*inputs)
