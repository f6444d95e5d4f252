"""Arithmetic element by element, which BigDL takes over from Torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..base import Layer
from ._common import per_dimension

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._core import Tensor
    from .._shapes import Shape
    from ..regularizers import Regularizer

__all__ = [
    "AddConstant",
    "BinaryThreshold",
    "CAdd",
    "CMul",
    "Exp",
    "Identity",
    "Log",
    "Mul",
    "MulConstant",
    "Negative",
    "Power",
    "Scale",
    "Sqrt",
    "Square",
]


class Identity(Layer):
    """y = x."""

    def compute(self, x: Tensor) -> Tensor:
        return x


class Exp(Layer):
    """y = exp(x)."""

    def compute(self, x: Tensor) -> Tensor:
        return x.exp()


class Log(Layer):
    """y = log(x)."""

    def compute(self, x: Tensor) -> Tensor:
        return x.log()


class Sqrt(Layer):
    """y = sqrt(x)."""

    def compute(self, x: Tensor) -> Tensor:
        return x.sqrt()


class Square(Layer):
    """y = x^2."""

    def compute(self, x: Tensor) -> Tensor:
        return x.square()


class Negative(Layer):
    """y = -x."""

    def compute(self, x: Tensor) -> Tensor:
        return -x


class AddConstant(Layer):
    """y = x + constant."""

    def __init__(self, constant: float, **options: Any) -> None:
        super().__init__(**options)
        self.constant = constant

    def compute(self, x: Tensor) -> Tensor:
        return x + self.constant


class MulConstant(Layer):
    """y = x constant."""

    def __init__(self, constant: float, **options: Any) -> None:
        super().__init__(**options)
        self.constant = constant

    def compute(self, x: Tensor) -> Tensor:
        return x * self.constant


class Power(Layer):
    """y = (shift + scale x)^power."""

    def __init__(
        self, power: float, scale: float = 1.0, shift: float = 0.0, **options: Any
    ) -> None:
        super().__init__(**options)
        self.power, self.scale, self.shift = power, scale, shift

    def compute(self, x: Tensor) -> Any:
        return (self.shift + self.scale * x) ** self.power


class BinaryThreshold(Layer):
    """y = 1 where x > value, 0 elsewhere; its derivative is 0."""

    def __init__(self, value: float = 1e-6, **options: Any) -> None:
        super().__init__(**options)
        self.value = value

    def compute(self, x: Tensor) -> Tensor:
        return (x > self.value).to(x.dtype)


class Mul(Layer):
    """y = w x, one number w for all, that starts from U(-1, 1)."""

    def make(self, shape: Shape) -> None:
        self.add_weight("weight", (1,), lambda w: w.uniform_(-1.0, 1.0))

    def compute(self, x: Tensor) -> Any:
        return x * self.module.weight


class _Broadcast(Layer):
    """A weight of a size that is broadcast against a sample."""

    def __init__(self, size: Sequence[int], penalty: Regularizer | None, options: Any) -> None:
        super().__init__(**options)
        self.size = per_dimension(type(self).__name__, "size", tuple(size), len(size))
        self.penalty = penalty

    def infer(self, shape: Shape) -> Shape:
        pairs = zip(reversed(shape[1:]), reversed(self.size), strict=False)
        if len(self.size) >= len(shape) or any(w not in (1, n) for n, w in pairs):
            raise ValueError(
                f"[{type(self).__name__}] size={self.size} does not broadcast to {shape}; its "
                "lengths are 1 or those of the input, from the last"
            )
        return shape


class CAdd(_Broadcast):
    """y = x + b, b of `size`, which is broadcast; it starts from 0."""

    def __init__(
        self, size: Sequence[int], b_regularizer: Regularizer | None = None, **options: Any
    ) -> None:
        super().__init__(size, b_regularizer, options)

    def make(self, shape: Shape) -> None:
        self.add_weight("bias", self.size, "zero", self.penalty)

    def compute(self, x: Tensor) -> Any:
        return x + self.module.bias


class CMul(_Broadcast):
    """y = w x, w of `size`, which is broadcast; it starts from 1."""

    def __init__(
        self, size: Sequence[int], W_regularizer: Regularizer | None = None, **options: Any
    ) -> None:
        super().__init__(size, W_regularizer, options)

    def make(self, shape: Shape) -> None:
        self.add_weight("weight", self.size, "one", self.penalty)

    def compute(self, x: Tensor) -> Any:
        return x * self.module.weight


class Scale(_Broadcast):
    """y = w x + b, both of `size`, which is broadcast; they start from 1 and 0."""

    def __init__(self, size: Sequence[int], **options: Any) -> None:
        super().__init__(size, None, options)

    def make(self, shape: Shape) -> None:
        self.add_weight("weight", self.size, "one")
        self.add_weight("bias", self.size, "zero")

    def compute(self, x: Tensor) -> Any:
        return x * self.module.weight + self.module.bias
