"""Layers without weights: activations, shapes, masks, and functions of your own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import activations
from .._shapes import Shape, as_shape, total
from ..base import Layer
from ._common import positive, tried, with_dim

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..._core import Tensor

__all__ = [
    "Activation",
    "Flatten",
    "Lambda",
    "Masking",
    "Permute",
    "RepeatVector",
    "Reshape",
]


class Activation(Layer):
    """y = f(x), f by name ("relu", "SoftMax", ...) or a function of a tensor."""

    def __init__(self, activation: Any, **options: Any) -> None:
        super().__init__(**options)
        self.activation = activations.get("Activation", activation)

    def compute(self, x: Tensor) -> Tensor:
        return self.activation(x)


class Flatten(Layer):
    """(batch, a, b, ...) becomes (batch, a b ...)."""

    def infer(self, shape: Shape) -> Shape:
        return (shape[0], total(shape[1:]))

    def compute(self, x: Tensor) -> Tensor:
        return x.flatten(1)


class Reshape(Layer):
    """(batch, ...) becomes (batch, *target_shape); one length may be -1, and is found."""

    def __init__(self, target_shape: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        if list(target_shape).count(-1) > 1:
            raise ValueError(f"[Reshape] target_shape={target_shape} leaves more than one -1 open")
        self.target = as_shape("Reshape", tuple(n for n in target_shape if n != -1))[1:]
        self.target_shape = tuple(target_shape)

    def infer(self, shape: Shape) -> Shape:
        have, fixed = total(shape[1:]), total(self.target) or 1
        if have is None:
            return (shape[0], *(None if n == -1 else n for n in self.target_shape))
        open_length = have // fixed
        if have != fixed * (open_length if -1 in self.target_shape else 1):
            raise ValueError(
                f"[Reshape] {have} numbers of the shape {shape} do not fill {self.target_shape}; "
                "their products must agree"
            )
        return (shape[0], *(open_length if n == -1 else n for n in self.target_shape))

    def compute(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self.target_shape)


class Permute(Layer):
    """Dimension k of the output is dimension dims[k] of the input; both count from 1."""

    def __init__(self, dims: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        if sorted(dims) != list(range(1, len(dims) + 1)):
            raise ValueError(
                f"[Permute] dims={tuple(dims)} is no order of 1 to {len(dims)}; name each once"
            )
        self.dims = tuple(dims)

    def infer(self, shape: Shape) -> Shape:
        if len(shape) != len(self.dims) + 1:
            raise ValueError(
                f"[Permute] dims={self.dims} for an input of shape {shape}; the batch is not "
                "counted, the others each once"
            )
        return (shape[0], *(shape[d] for d in self.dims))

    def compute(self, x: Tensor) -> Tensor:
        return x.permute(0, *self.dims)


class RepeatVector(Layer):
    """(batch, features) becomes (batch, n, features)."""

    ranks = (2,)

    def __init__(self, n: int, input_dim: int | None = None, **options: Any) -> None:
        super().__init__(**with_dim(input_dim, options))
        positive("RepeatVector", n=n)
        self.n = n

    def infer(self, shape: Shape) -> Shape:
        return (shape[0], self.n, shape[1])

    def compute(self, x: Tensor) -> Tensor:
        return x.unsqueeze(1).expand(x.shape[0], self.n, x.shape[1])


class Masking(Layer):
    """Steps whose features all equal mask_value become 0; x (batch, steps, ...)."""

    def __init__(self, mask_value: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.mask_value = mask_value

    def compute(self, x: Tensor) -> Tensor:
        return x * (x != self.mask_value).any(-1, keepdim=True).to(x.dtype)


class Lambda(Layer):
    """y = function(x), or function(x1, x2, ...), of tensors; it has no weights.

    The shape that comes out is found by a trial on zeros, unless output_shape (without the batch)
    is given.
    """

    inputs = None

    def __init__(
        self,
        function: Callable[..., Tensor],
        output_shape: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not callable(function):
            raise TypeError(f"[Lambda] function is {function!r}; pass a function of tensors")
        self.function = function
        self.output = None if output_shape is None else as_shape("Lambda", output_shape)

    def _check_ranks(self, shape: Any) -> None:
        """Any number of inputs of any shape."""

    def infer(self, shape: Any) -> Any:
        return self.output if self.output is not None else tried("Lambda", self.function, shape)

    def compute(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)
