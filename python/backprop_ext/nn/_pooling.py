"""Pooling, whose sizes and second results need more than the compiled ops take."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from .._checks import the_tensor, whole
from .._core import Tensor, _nn
from ._sizes import per_dimension

if TYPE_CHECKING:
    Sizes = int | Sequence[int]

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


def _max_pool(function: Any, dims: int) -> Any:
    def max_pool(
        input: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        """The maximum of every window; with return_indices also its place in the flattened input.

        input (N, C, ...) or (C, ...). The gradient goes to the first maximum. Raises RuntimeError
        for windows that do not fit, or padding over half of one.
        """
        both = function(input, kernel_size, stride, padding, dilation, ceil_mode)
        if dims == 1 and not return_indices and not both[0].is_floating_point():
            raise NotImplementedError(
                f"[max_pool1d] not implemented for {input.dtype}; use .float(), or return_indices"
            )
        return tuple(both) if return_indices else both[0]

    max_pool.__name__ = max_pool.__qualname__ = f"max_pool{dims}d"
    return max_pool


max_pool1d = _max_pool(_nn.max_pool1d_with_indices, 1)
max_pool2d = _max_pool(_nn.max_pool2d_with_indices, 2)
max_pool3d = _max_pool(_nn.max_pool3d_with_indices, 3)


def _whole_size(op: str, input: Tensor, output_size: Any, dims: int) -> Any:
    """One size for all dimensions, or one for each: the input's own where that is None."""
    if dims == 1 or isinstance(output_size, int):
        return output_size
    count = len(output_size)
    if the_tensor(op, input).ndim <= count:
        raise ValueError(
            f"[{op}] {count} output sizes for an input of shape {tuple(input.shape)}; (C, ...) or "
            "(N, C, ...) is needed"
        )
    own = input.shape[-count:]
    sizes = [n if size is None else size for size, n in zip(output_size, own, strict=False)]
    if count != dims and all(whole(size) is not None for size in sizes):
        raise RuntimeError(f"[{op}] output_size={output_size}; expected one number, or {dims}")
    return sizes


def _adaptive_max_pool(function: Any, dims: int) -> Any:
    op = f"adaptive_max_pool{dims}d"

    def adaptive_max_pool(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        """Maxima over windows that split the input evenly; None keeps a dimension's size."""
        both = function(input, _whole_size(op, input, output_size, dims))
        return tuple(both) if return_indices else both[0]

    adaptive_max_pool.__name__ = adaptive_max_pool.__qualname__ = op
    return adaptive_max_pool


adaptive_max_pool1d = _adaptive_max_pool(_nn.adaptive_max_pool1d_with_indices, 1)
adaptive_max_pool2d = _adaptive_max_pool(_nn.adaptive_max_pool2d_with_indices, 2)
adaptive_max_pool3d = _adaptive_max_pool(_nn.adaptive_max_pool3d_with_indices, 3)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows that split the image evenly; None keeps a dimension's size."""
    sizes = _whole_size("adaptive_avg_pool2d", input, output_size, 2)
    return _nn.adaptive_avg_pool2d(input, sizes)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows that split the volume evenly; None keeps a dimension's size."""
    sizes = _whole_size("adaptive_avg_pool3d", input, output_size, 3)
    return _nn.adaptive_avg_pool3d(input, sizes)


def _lp_pool(average: Any, dims: int) -> Any:
    op = f"lp_pool{dims}d"

    def lp_pool(
        input: Tensor,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ) -> Any:
        """(sum of x^p over every window)^(1 / p), the sum as an average times the window's size."""
        sizes = (kernel_size,) if dims == 1 else per_dimension(kernel_size, dims)
        if len(sizes) != dims:
            raise ValueError(f"[{op}] kernel_size={kernel_size!r}; pass a number, or {dims}")
        if norm_type == 0:
            raise ZeroDivisionError(f"[{op}] norm_type is 0; pass 1, 2 or another")
        mean = average(the_tensor(op, input).pow(norm_type), kernel_size, stride, 0, ceil_mode)
        positive = mean.sign() * mean.abs().relu()
        return (positive * prod(sizes)).pow(1.0 / norm_type)

    lp_pool.__name__ = lp_pool.__qualname__ = op
    return lp_pool


lp_pool1d = _lp_pool(_nn.avg_pool1d, 1)
lp_pool2d = _lp_pool(_nn.avg_pool2d, 2)
lp_pool3d = _lp_pool(_nn.avg_pool3d, 3)


def _checked_size(op: str, output_size: Any, usual: list[Any], steps: Sequence[Any]) -> Any:
    """output_size without batch and channels; ValueError where pooling cannot lead from it."""
    dims = len(usual)
    wanted = output_size[2:] if len(output_size) == dims + 2 else output_size
    if len(wanted) != dims:
        raise ValueError(f"[{op}] output_size={output_size}; expected {dims} or {dims + 2}")
    for d, (size, n, step) in enumerate(zip(wanted, usual, steps, strict=False)):
        if isinstance(size, Tensor):
            raise TypeError(f"[{op}] {output_size=}; pass a list of ints")
        if not n - step < size < n + step:
            raise ValueError(
                f"[{op}] output_size={output_size}: dimension {d} must lie between "
                f"{n - step + 1} and {n + step - 1}"
            )
    return wanted


def _max_unpool(function: Any, dims: int) -> Any:
    op = f"max_unpool{dims}d"

    def max_unpool(
        input: Tensor,
        indices: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        output_size: Sequence[int] | None = None,
    ) -> Any:
        """Zeros with the maxima at the places that max_pool found.

        Raises ValueError for an output_size that pooling with these windows cannot come from.
        """
        windows = per_dimension(kernel_size, dims)
        steps = windows if stride is None else per_dimension(stride, dims)
        pads = per_dimension(padding, dims)
        shape = the_tensor(op, input).shape
        if any(isinstance(n, str) for n in (*windows, *steps, *pads)):
            raise TypeError(f"[{op}] {kernel_size=}, {stride=}, {padding=}; pass numbers")
        if min(len(shape), len(steps), len(pads)) < len(windows):
            raise IndexError(
                f"[{op}] input of shape {tuple(shape)}, kernel_size={windows}, stride={steps}, "
                f"padding={pads}; pass a number for each of {dims} dimensions"
            )
        usual = [
            (n - 1) * step + window - 2 * pad
            for n, window, step, pad in zip(
                shape[len(shape) - len(windows) :], windows, steps, pads, strict=False
            )
        ]
        wanted: Any = usual
        if output_size is not None:
            wanted = _checked_size(op, output_size, usual, steps)
        # The last of them is C++ in PyTorch, which takes no part of a number.
        if dims == 3 and any(whole(n) is None for n in (*steps, *pads)):
            raise TypeError(f"[{op}] {stride=}, {padding=}; pass whole numbers")
        return function(input, indices, wanted)

    max_unpool.__name__ = max_unpool.__qualname__ = op
    return max_unpool


max_unpool1d = _max_unpool(_nn.max_unpool1d_to, 1)
max_unpool2d = _max_unpool(_nn.max_unpool2d_to, 2)
max_unpool3d = _max_unpool(_nn.max_unpool3d_to, 3)
