"""Functions over images, and lookups, whose arguments need more than the compiled op takes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from math import floor, isfinite
from types import NoneType
from typing import TYPE_CHECKING, Any

from .. import _core
from .._checks import the_number, the_tensor
from .._core import Tensor, _nn, cosine_similarity, pairwise_distance
from ._sizes import per_dimension

if TYPE_CHECKING:
    Sizes = int | Sequence[int]

__all__ = [
    "cosine_similarity",
    "embedding_bag",
    "fold",
    "gumbel_softmax",
    "interpolate",
    "local_response_norm",
    "pairwise_distance",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]


def unfold(
    input: Tensor, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Tensor:
    """Every window of an image as a column: (N, C, H, W) or (C, H, W) as (N, C kernel, windows)."""
    settings = (kernel_size, dilation, padding, stride)
    return _nn.im2col(input, *(per_dimension(given, 2) for given in settings))


def fold(
    input: Tensor,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """Adds columns back onto the windows they came from, the transpose of unfold."""
    settings = (output_size, kernel_size, dilation, padding, stride)
    return _nn.col2im(input, *(per_dimension(given, 2) for given in settings))


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """y = x / (k + alpha mean(x^2))^beta, the mean over `size` neighbouring channels.

    Raises ValueError for fewer than three dimensions. Source: Krizhevsky et al., NeurIPS 2012.
    """
    if the_tensor("local_response_norm", input).ndim < 3:
        raise ValueError(
            f"[local_response_norm] the input has shape {tuple(input.shape)}; expected (N, C, ...)"
        )
    if input.numel() == 0:
        return input
    lines = (input * input).flatten(2).unsqueeze(1)
    lines = _nn.pad(lines, (0, 0, size // 2, (size - 1) // 2))
    mean = _nn.avg_pool2d(lines, (size, 1), 1).view(input.shape)
    return input / (mean * alpha + k).pow(beta)


def interpolate(
    input: Tensor,
    size: Sizes | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """The spatial dimensions of input (N, C, ...) resized to `size`, or by `scale_factor`.

    mode: nearest, nearest-exact, linear (3-D input), bilinear, bicubic (4-D), trilinear (5-D), area
    (means). With align_corners the outermost elements stay in place; antialias, for bilinear and
    bicubic, averages over all that an element of a smaller image stands for. Raises ValueError for
    arguments that contradict each other, NotImplementedError for a mode that does not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html
    """
    if not isinstance(mode, str):
        raise NotImplementedError(f"[interpolate] mode={mode!r}; pass a name, as 'nearest'")
    if mode in ("nearest", "area", "nearest-exact") and align_corners is not None:
        raise ValueError(f"[interpolate] align_corners with mode={mode!r}; leave it out")
    if not isinstance(align_corners, (bool, NoneType)):
        raise TypeError(f"[interpolate] align_corners={align_corners!r}; pass True or False")
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"[interpolate] size={size} and scale_factor={scale_factor}; pass one of them"
        )
    if recompute_scale_factor and size is not None:
        raise ValueError("[interpolate] recompute_scale_factor with size; leave it out")
    dims = the_tensor("interpolate", input).ndim - 2
    scales: list[float] = []
    if scale_factor is not None:
        scales = list(_spread("scale_factor", scale_factor, dims))
        if not all(isfinite(s) for s in scales):
            raise _core._NotANumberError(f"[interpolate] {scale_factor=}; pass finite numbers")
        sizes = [floor(float(n) * s) for n, s in zip(input.shape[2:], scales, strict=True)]
        if recompute_scale_factor:
            scales = []
    else:
        sizes = list(_spread("size", size, dims))
    known = [float(s) for s in scales] + [0.0] * (3 - len(scales))
    aligned = bool(align_corners)
    return _nn.resize(input, sizes, mode, aligned, known[0], known[1], known[2], antialias)


def _spread(name: str, value: Any, dims: int) -> Sequence[Any]:
    number = isinstance(value, Tensor) and name == "size" and value.numel() == 1
    several = isinstance(value, (list, tuple))
    values = list(value) if several else [value] * dims
    if several and len(values) != dims:
        raise ValueError(
            f"[interpolate] {name}={tuple(values)} for {dims} spatial dimensions; pass {dims}"
        )
    if (isinstance(value, Tensor) and not number) or not all(
        hasattr(v, "__float__") for v in values
    ):
        raise _core._NotANumberError(
            f"[interpolate] {name}={value!r}; pass a number, or one for each dimension"
        )
    return values


def upsample(
    input: Tensor,
    size: Sizes | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """interpolate, by its older name."""
    warnings.warn("[upsample] the name is deprecated; use interpolate", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor, size: Sizes | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """interpolate(mode="nearest")."""
    warnings.warn("[upsample_nearest] the name is deprecated; use interpolate", stacklevel=2)
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(
    input: Tensor, size: Sizes | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """interpolate(mode="bilinear", align_corners=True)."""
    warnings.warn("[upsample_bilinear] the name is deprecated; use interpolate", stacklevel=2)
    return interpolate(input, size, scale_factor, "bilinear", True)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or maxima of bags of rows of weight (rows, width).

    Bags are the rows of a 2-d input, or begin at `offsets` in a 1-d one. Raises ValueError for
    arguments that contradict each other. With `sparse` the gradient of a leaf weight is sparse.
    """
    if sparse and mode == "max":
        raise ValueError("[embedding_bag] sparse with mode='max'; pass another mode")
    if scale_grad_by_freq and mode == "max":
        raise ValueError("[embedding_bag] scale_grad_by_freq with mode='max'; pass another mode")
    if max_norm is not None:
        bound = float(the_number("embedding_bag", max_norm, "max_norm"))
        order = float(the_number("embedding_bag", norm_type, "norm_type"))
        rows = the_tensor("embedding_bag", weight, "weight").detach()
        _core.embedding_renorm_(rows, input, bound, order)
    rest = (per_sample_weights, include_last_offset, padding_idx, scale_grad_by_freq, sparse)
    return _nn.embedding_bag(input, weight, offsets, mode, *rest)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """softmax((logits + G) / tau) along dim, G ~ Gumbel(0, 1); with hard its one-hot maximum.

    The gradient of the hard form is that of the soft one. Source: Jang et al., ICLR 2017.
    """
    row_major = _core.contiguous_format
    gumbels = -_core.empty_like(logits, memory_format=row_major).exponential_().log()
    soft = _core.softmax((logits + gumbels) / tau, dim)
    if not hard:
        return soft
    best = soft.argmax(dim, keepdim=True)
    line = _core.arange(soft.shape[dim])
    places = line.view([-1 if d == dim % soft.ndim else 1 for d in range(soft.ndim)])
    return (places == best).to(soft.dtype) - soft.detach() + soft
