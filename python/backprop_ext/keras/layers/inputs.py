"""Where a graph of layers begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._shapes import as_list, as_shapes
from ..base import Layer
from ..topology import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._core import Tensor
    from ..topology import Variable

__all__ = ["Input", "InputLayer"]


class InputLayer(Layer):
    """y = x: it tells a Sequential the shape of its input."""

    def __init__(self, input_shape: Sequence[int | None], **options: Any) -> None:
        super().__init__(input_shape=input_shape, **options)
        self.build(self._wanted_shape)

    def compute(self, x: Tensor) -> Tensor:
        return x


def Input(shape: Sequence[int | None], name: str | None = None) -> Variable:  # noqa: N802
    """An input of a functional model; shape is that of a sample, without the batch.

    Raises TypeError for what is no shape, ValueError for a length below 1.
    """
    if name is None:
        layer = InputLayer(shape)
        layer.set_name(layer.name().replace("InputLayer", "Input"))
    else:
        layer = InputLayer(shape, name=name)
    (found,) = as_list(as_shapes("Input", shape))
    return Node(layer, [], [found]).outputs[0]
