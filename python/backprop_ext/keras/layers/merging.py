"""Several inputs become one."""

from __future__ import annotations

from functools import reduce
from operator import add, mul
from typing import TYPE_CHECKING, Any

from ... import _core
from ..._choice import choose
from .._shapes import Shape, as_list, fits
from ..base import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..._core import Tensor
    from ..topology import Variable

__all__ = ["Merge", "merge"]


def _average(tensors: Sequence[Tensor]) -> Tensor:
    return reduce(add, tensors) / len(tensors)


def _dot(tensors: Sequence[Tensor]) -> Tensor:
    return (tensors[0] * tensors[1]).sum(1, keepdim=True)


def _cosine(tensors: Sequence[Tensor]) -> Tensor:
    a, b = tensors
    norms = ((a * a).sum(1, keepdim=True) * (b * b).sum(1, keepdim=True)).clamp_min(1e-24).sqrt()
    return (_dot(tensors) / norms).unsqueeze(2)


MODES: dict[str, Callable[[Sequence[Tensor]], Tensor]] = {
    "sum": lambda tensors: reduce(add, tensors),
    "mul": lambda tensors: reduce(mul, tensors),
    "ave": _average,
    "max": lambda tensors: reduce(_core.maximum, tensors),
    "dot": _dot,
    "cos": _cosine,
}


class Merge(Layer):
    """y from x1, x2, ...: their sum, mul, ave(rage), max, concat, or dot or cos of two.

    All have one shape, but for concat_axis (the batch is 0), along which "concat" joins them. dot
    (batch, 1) and cos (batch, 1, 1) are of vectors. Given `layers`, models or layers whose shapes
    are known, each takes an input of its own: the head of a Sequential with several inputs.
    """

    inputs = None

    def __init__(
        self,
        layers: Sequence[Layer] | None = None,
        mode: str = "sum",
        concat_axis: int = -1,
        **options: Any,
    ) -> None:
        branches = list(layers or [])
        if len(branches) == 1:
            raise ValueError("[Merge] is given one layer, it takes two or more; leave it out")
        super().__init__(**options)
        self.mode = choose("Merge", "mode", mode, {m: m for m in (*MODES, "concat")})
        self.branches, self.concat_axis = branches, concat_axis
        if branches:
            self._wanted_shape = [
                shape for branch in branches for shape in as_list(branch.get_input_shape())
            ]

    def sublayers(self) -> list[Layer]:
        return self.branches

    def make(self, shape: Any) -> None:
        for place, branch in enumerate(self.branches):
            self.module.add_module(str(place), branch.module)

    def infer(self, shape: Any) -> Shape:
        shapes: list[Shape] = shape
        if self.branches:
            shapes = [one for branch in self.branches for one in as_list(branch.get_output_shape())]
        if self.mode == "concat":
            return self._joined(shapes)
        for other in shapes[1:]:
            if not fits(other, shapes[0]):
                raise ValueError(
                    f"[Merge] mode {self.mode!r} of shapes {shapes[0]} and {other}; they must be "
                    "the same, reshape one or use mode='concat'"
                )
        if self.mode not in ("dot", "cos"):
            return shapes[0]
        if len(shapes) != 2 or len(shapes[0]) != 2:
            raise ValueError(
                f"[Merge] mode {self.mode!r} of shapes {shapes}; it takes two vectors, (None, n)"
            )
        return (shapes[0][0], 1) if self.mode == "dot" else (shapes[0][0], 1, 1)

    def _joined(self, shapes: list[Shape]) -> Shape:
        rank = len(shapes[0])
        axis = self.concat_axis % rank if -rank <= self.concat_axis < rank else 0
        rest = [shape[:axis] + shape[axis + 1 :] for shape in shapes]
        if axis == 0 or any(len(s) != rank or not fits(r, rest[0]) for s, r in zip(shapes, rest)):  # noqa: B905
            raise ValueError(
                f"[Merge] cannot join {shapes} along concat_axis={self.concat_axis}; the other "
                "lengths must agree, and 0 is the batch"
            )
        lengths = [shape[axis] for shape in shapes]
        joined = None if None in lengths else sum(n for n in lengths if n is not None)
        return (*shapes[0][:axis], joined, *shapes[0][axis + 1 :])

    def compute(self, *inputs: Tensor) -> Tensor:
        values: list[Any] = list(inputs)
        if self.branches:
            values, rest = [], list(inputs)
            for branch in self.branches:
                count = len(as_list(branch.get_input_shape()))
                found = branch.module(*rest[:count])
                values += found if isinstance(found, (tuple, list)) else [found]
                del rest[:count]
        if self.mode == "concat":
            return _core.cat(values, self.concat_axis)
        return MODES[self.mode](values)


def merge(
    inputs: Sequence[Variable], mode: str = "sum", concat_axis: int = -1, name: str | None = None
) -> Any:
    """Merge(mode=mode)(inputs): the outputs of several layers become one."""
    return Merge(mode=mode, concat_axis=concat_axis, name=name)(inputs)
