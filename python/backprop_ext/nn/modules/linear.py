"""Layers that map by a matrix, or only change the shape."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from ... import _core
from .. import functional as F
from .. import init
from ..parameter import Parameter
from .module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._core import Tensor
    from ...types import Device

__all__ = ["Bilinear", "Flatten", "Identity", "Linear", "Unflatten"]


class Identity(Module):
    """y = x. Takes and ignores any arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """y = x A^T + b; x (..., in_features), A (out_features, in_features), y (..., out_features).

    A and b start from U(-k, k), k = 1 / sqrt(in_features).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Device = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(
            _core.empty((out_features, in_features), dtype=dtype, device=device)
        )
        self.register_parameter(
            "bias",
            Parameter(_core.empty(out_features, dtype=dtype, device=device)) if bias else None,
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight, then the bias."""
        init.kaiming_uniform_(self.weight, a=sqrt(5))
        if self.bias is not None:
            bound = 1.0 / sqrt(self.in_features) if self.in_features else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


# PyTorch's name for the output of attention, in its files.
NonDynamicallyQuantizableLinear = Linear


class Bilinear(Module):
    """y_k = x1^T A_k x2 + b_k; x1 (..., in1), x2 (..., in2), A (out, in1, in2), y (..., out).

    A and b start from U(-k, k), k = 1 / sqrt(in1).
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Device = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = Parameter(_core.empty(shape, dtype=dtype, device=device))
        self.register_parameter(
            "bias",
            Parameter(_core.empty(out_features, dtype=dtype, device=device)) if bias else None,
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight, then the bias."""
        if self.in1_features <= 0:
            raise ValueError(
                f"[Bilinear] in1_features={self.in1_features} is not positive; pass 1 or more"
            )
        bound = 1.0 / sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Flatten(Module):
    """Dimensions start_dim to end_dim become one; the batch dimension stays by default."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Dimension `dim` becomes the dimensions `unflattened_size`."""

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(
                f"[Unflatten] unflattened_size is a {type(unflattened_size).__name__}; pass a "
                "tuple of sizes"
            )
        for size in unflattened_size:
            if not isinstance(size, int):
                raise TypeError(f"[Unflatten] {unflattened_size=}; pass a tuple of ints")
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, tuple(self.unflattened_size))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
