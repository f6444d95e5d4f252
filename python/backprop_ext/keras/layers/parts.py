"""Parts of tensors, which BigDL takes over from Torch. Dimensions count from 0, the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..base import Layer

if TYPE_CHECKING:
    from ..._core import Tensor
    from .._shapes import Shape

__all__ = ["ExpandDim", "Max", "Narrow", "Select", "SelectTable", "Squeeze"]


class _Part(Layer):
    """dim counts from 0, the batch, which cannot be taken apart."""

    dim: int

    def axis(self, shape: Shape, extra: int = 0) -> int:
        """The dimension from the left. Raises ValueError for the batch, and for one too far."""
        rank = len(shape) + extra
        axis = self.dim + rank if self.dim < 0 else self.dim
        if not 1 <= axis < rank:
            raise ValueError(
                f"[{type(self).__name__}] dim={self.dim} for an input of shape {shape}; take 1 to "
                f"{rank - 1}, 0 is the batch"
            )
        return axis


class Select(_Part):
    """y = x[..., index, ...] at dimension dim, which disappears; both count from 0."""

    def __init__(self, dim: int, index: int, **options: Any) -> None:
        super().__init__(**options)
        self.dim, self.index = dim, index

    def infer(self, shape: Shape) -> Shape:
        axis = self.axis(shape)
        length = shape[axis]
        if length is not None and not -length <= self.index < length:
            raise ValueError(
                f"[Select] index={self.index} in a length of {length}; take 0 to {length - 1}"
            )
        return shape[:axis] + shape[axis + 1 :]

    def compute(self, x: Tensor) -> Tensor:
        return x.select(self.dim, self.index)


class Narrow(_Part):
    """y = x[..., offset : offset + length, ...] at dimension dim; length=-1 takes the rest."""

    def __init__(self, dim: int, offset: int, length: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.dim, self.offset, self.length = dim, offset, length

    def infer(self, shape: Shape) -> Shape:
        axis = self.axis(shape)
        have = shape[axis]
        if have is None:
            return (*shape[:axis], None if self.length == -1 else self.length, *shape[axis + 1 :])
        length = have - self.offset if self.length == -1 else self.length
        if not 0 <= self.offset < have or not 1 <= length <= have - self.offset:
            raise ValueError(
                f"[Narrow] {length} from {self.offset} in a length of {have}; it does not lie in it"
            )
        return (*shape[:axis], length, *shape[axis + 1 :])

    def compute(self, x: Tensor) -> Tensor:
        rest = x.shape[self.dim] - self.offset if self.length == -1 else self.length
        return x.narrow(self.dim, self.offset, rest)


class Squeeze(_Part):
    """Without dimension dim, of length 1; without all such, but the batch, where dim is None."""

    def __init__(self, dim: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.all, self.dim = dim is None, 1 if dim is None else dim

    def infer(self, shape: Shape) -> Shape:
        if self.all:
            return (shape[0], *(n for n in shape[1:] if n != 1))
        axis = self.axis(shape)
        if shape[axis] != 1:
            raise ValueError(f"[Squeeze] dimension {self.dim} of {shape} is not of length 1")
        return shape[:axis] + shape[axis + 1 :]

    def compute(self, x: Tensor) -> Tensor:
        if self.all:
            return x.reshape(x.shape[0], *(n for n in x.shape[1:] if n != 1))
        return x.squeeze(self.dim)


class ExpandDim(_Part):
    """With a dimension of length 1 at dim."""

    def __init__(self, dim: int, **options: Any) -> None:
        super().__init__(**options)
        self.dim = dim

    def infer(self, shape: Shape) -> Shape:
        axis = self.axis(shape, 1)
        return (*shape[:axis], 1, *shape[axis:])

    def compute(self, x: Tensor) -> Tensor:
        return x.unsqueeze(self.dim)


class Max(_Part):
    """The largest along dimension dim, which keeps the length 1; its place with return_value=False.

    Places count from 0 and have no derivative.
    """

    def __init__(self, dim: int, return_value: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.dim, self.return_value = dim, return_value

    def infer(self, shape: Shape) -> Shape:
        axis = self.axis(shape)
        return (*shape[:axis], 1, *shape[axis + 1 :])

    def compute(self, x: Tensor) -> Tensor:
        if self.return_value:
            return x.amax(self.dim, keepdim=True)
        return x.argmax(self.dim, keepdim=True).to(x.dtype)


class SelectTable(Layer):
    """y = x_index of several inputs; index counts from 0."""

    inputs = None

    def __init__(self, index: int, **options: Any) -> None:
        super().__init__(**options)
        self.index = index

    def infer(self, shape: Any) -> Any:
        if not -len(shape) <= self.index < len(shape):
            raise ValueError(
                f"[SelectTable] index={self.index} of {len(shape)} inputs; take 0 to "
                f"{len(shape) - 1}"
            )
        return shape[self.index]

    def compute(self, *inputs: Tensor) -> Tensor:
        return inputs[self.index]
