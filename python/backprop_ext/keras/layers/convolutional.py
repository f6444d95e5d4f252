"""Convolutions. Kernels are (nb_filter, channels, *window), whatever the order of the images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...nn import functional as F
from .. import activations, initializers
from .._shapes import fits, scaled
from ._common import add_bias, features, per_dimension, positive
from ._spatial import Windowed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._core import Tensor
    from .._shapes import Shape
    from ..regularizers import Regularizer

__all__ = [
    "AtrousConvolution1D",
    "AtrousConvolution2D",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "Convolution1D",
    "Convolution2D",
    "Convolution3D",
    "Deconv2D",
    "Deconvolution2D",
    "SeparableConv2D",
    "SeparableConvolution2D",
]


class _Convolution(Windowed):
    """y = activation(W * x + b), * the correlation; kernels and images as the module says."""

    def _set(
        self,
        nb_filter: int,
        size: Sequence[int],
        init: Any,
        activation: Any,
        border_mode: str,
        stride: Any,
        penalties: tuple[Regularizer | None, Regularizer | None],
        bias: bool,
    ) -> None:
        op = type(self).__name__
        positive(op, nb_filter=nb_filter)
        self.nb_filter, self.bias, self.penalties = nb_filter, bias, penalties
        self.size = per_dimension(op, "the window", tuple(size), self.dims)
        self.stride = per_dimension(op, "the stride", stride, self.dims)
        self.dilation = (1,) * self.dims
        self.init = initializers.get(op, init)
        self.activation = activations.get(op, activation)
        self.set_border(border_mode)

    def make(self, shape: Shape) -> None:
        channels = features(type(self).__name__, shape, 1 if self.first else -1)
        size = (self.nb_filter, channels, *self.size)
        self.add_weight("weight", size, self.init, self.penalties[0])
        add_bias(self, size[:1])

    def infer(self, shape: Shape) -> Shape:
        return self.join(shape[0], self.nb_filter, self.lengths_after(self.split(shape)[1]))

    def compute(self, x: Tensor) -> Tensor:
        convolve: Any = getattr(F, f"conv{self.dims}d")
        x = self.padded(self.to_first(x))
        y = convolve(x, self.module.weight, self.module.bias, self.stride, 0, self.dilation)
        return self.activation(self.from_first(y))


class Convolution1D(_Convolution):
    """Convolution over steps; x (batch, steps, features), y (batch, steps', nb_filter).

    W (nb_filter, features, filter_length).
    """

    dims = 1

    def __init__(
        self,
        nb_filter: int,
        filter_length: int,
        init: Any = "glorot_uniform",
        activation: Any = None,
        border_mode: str = "valid",
        subsample_length: int = 1,
        W_regularizer: Regularizer | None = None,
        b_regularizer: Regularizer | None = None,
        bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._set(
            nb_filter, (filter_length,), init, activation, border_mode, subsample_length,
            (W_regularizer, b_regularizer), bias,
        )  # fmt: skip


class Convolution2D(_Convolution):
    """Convolution of images; x (batch, channels, rows, columns), y (batch, nb_filter, ...).

    W (nb_filter, channels, nb_row, nb_col).
    """

    dims = 2

    def __init__(
        self,
        nb_filter: int,
        nb_row: int,
        nb_col: int,
        init: Any = "glorot_uniform",
        activation: Any = None,
        border_mode: str = "valid",
        subsample: Any = (1, 1),
        dim_ordering: str = "th",
        W_regularizer: Regularizer | None = None,
        b_regularizer: Regularizer | None = None,
        bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(dim_ordering, **options)
        self._set(
            nb_filter, (nb_row, nb_col), init, activation, border_mode, subsample,
            (W_regularizer, b_regularizer), bias,
        )  # fmt: skip


class Convolution3D(_Convolution):
    """Convolution of volumes; x (batch, channels, d1, d2, d3), W (nb_filter, channels, ...)."""

    dims = 3

    def __init__(
        self,
        nb_filter: int,
        kernel_dim1: int,
        kernel_dim2: int,
        kernel_dim3: int,
        init: Any = "glorot_uniform",
        activation: Any = None,
        border_mode: str = "valid",
        subsample: Any = (1, 1, 1),
        dim_ordering: str = "th",
        W_regularizer: Regularizer | None = None,
        b_regularizer: Regularizer | None = None,
        bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(dim_ordering, **options)
        self._set(
            nb_filter, (kernel_dim1, kernel_dim2, kernel_dim3), init, activation, border_mode,
            subsample, (W_regularizer, b_regularizer), bias,
        )  # fmt: skip


class AtrousConvolution1D(Convolution1D):
    """Convolution1D whose window takes every atrous_rate-th step."""

    def __init__(
        self,
        nb_filter: int,
        filter_length: int,
        init: Any = "glorot_uniform",
        activation: Any = None,
        border_mode: str = "valid",
        subsample_length: int = 1,
        atrous_rate: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(
            nb_filter, filter_length, init, activation, border_mode, subsample_length, **options
        )
        self.dilation = per_dimension("AtrousConvolution1D", "atrous_rate", atrous_rate, 1)


class AtrousConvolution2D(Convolution2D):
    """Convolution2D whose window takes every atrous_rate-th row and column."""

    def __init__(
        self,
        nb_filter: int,
        nb_row: int,
        nb_col: int,
        init: Any = "glorot_uniform",
        activation: Any = None,
        border_mode: str = "valid",
        subsample: Any = (1, 1),
        atrous_rate: Any = (1, 1),
        **options: Any,
    ) -> None:
        super().__init__(
            nb_filter, nb_row, nb_col, init, activation, border_mode, subsample, **options
        )
        self.dilation = per_dimension("AtrousConvolution2D", "atrous_rate", atrous_rate, 2)


class Deconvolution2D(Convolution2D):
    """The transpose of a Convolution2D in its input, + b; rows' = (rows - 1) stride + nb_row.

    W (channels, nb_filter, nb_row, nb_col). output_shape is taken for the sake of Keras 1 and
    checked against what comes out. Raises ValueError for border_mode="same".
    """

    def __init__(
        self,
        nb_filter: int,
        nb_row: int,
        nb_col: int,
        output_shape: Sequence[int | None] | None = None,
        init: Any = "glorot_uniform",
        activation: Any = None,
        border_mode: str = "valid",
        subsample: Any = (1, 1),
        **options: Any,
    ) -> None:
        if border_mode != "valid":
            raise ValueError(f"[Deconvolution2D] border_mode={border_mode!r}; only 'valid' exists")
        super().__init__(
            nb_filter, nb_row, nb_col, init, activation, border_mode, subsample, **options
        )
        self.expected = None if output_shape is None else tuple(output_shape)

    def make(self, shape: Shape) -> None:
        channels = features("Deconvolution2D", shape, 1 if self.first else -1)
        size = (channels, self.nb_filter, *self.size)
        self.add_weight("weight", size, self.init, self.penalties[0])
        add_bias(self, (self.nb_filter,))

    def infer(self, shape: Shape) -> Shape:
        grown = zip(self.split(shape)[1], self.size, self.stride, strict=True)
        found = self.join(shape[0], self.nb_filter, [scaled(n, s, k - s) for n, k, s in grown])
        if self.expected is not None and not fits(self.expected, found):
            raise ValueError(
                f"[Deconvolution2D] output_shape={self.expected}, but {found} comes out; leave it "
                "out, or change the window or the stride"
            )
        return found

    def compute(self, x: Tensor) -> Tensor:
        y = F.conv_transpose2d(self.to_first(x), self.module.weight, self.module.bias, self.stride)
        return self.activation(self.from_first(y))


class SeparableConvolution2D(Convolution2D):
    """A convolution of each channel by itself, then one across channels with a window of 1.

    depthwise (channels depth_multiplier, 1, nb_row, nb_col), pointwise (nb_filter, channels
    depth_multiplier, 1, 1). Source: Chollet, arXiv:1610.02357.
    """

    def __init__(
        self,
        nb_filter: int,
        nb_row: int,
        nb_col: int,
        init: Any = "glorot_uniform",
        activation: Any = None,
        border_mode: str = "valid",
        subsample: Any = (1, 1),
        depth_multiplier: int = 1,
        dim_ordering: str = "th",
        depthwise_regularizer: Regularizer | None = None,
        pointwise_regularizer: Regularizer | None = None,
        b_regularizer: Regularizer | None = None,
        bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(
            nb_filter, nb_row, nb_col, init, activation, border_mode, subsample, dim_ordering,
            depthwise_regularizer, b_regularizer, bias, **options,
        )  # fmt: skip
        positive("SeparableConvolution2D", depth_multiplier=depth_multiplier)
        self.depth_multiplier, self.pointwise_penalty = depth_multiplier, pointwise_regularizer

    def make(self, shape: Shape) -> None:
        channels = features("SeparableConvolution2D", shape, 1 if self.first else -1)
        depth = channels * self.depth_multiplier
        self.add_weight("depthwise", (depth, 1, *self.size), self.init, self.penalties[0])
        self.add_weight(
            "pointwise", (self.nb_filter, depth, 1, 1), self.init, self.pointwise_penalty
        )
        add_bias(self, (self.nb_filter,))

    def compute(self, x: Tensor) -> Tensor:
        m = self.module
        x = self.padded(self.to_first(x))
        deep = F.conv2d(x, m.depthwise, None, self.stride, 0, 1, x.shape[1])
        y = F.conv2d(deep, m.pointwise, m.bias)
        return self.activation(self.from_first(y))


Conv1D, Conv2D, Conv3D = Convolution1D, Convolution2D, Convolution3D
Deconv2D, SeparableConv2D = Deconvolution2D, SeparableConvolution2D
