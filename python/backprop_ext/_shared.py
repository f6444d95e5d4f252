"""Names that PyTorch has twice: functions of nn.functional, and windows of signal, in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _core
from ._checks import the_bool, the_tensor
from ._core import Tensor
from .nn import functional as F
from .nn.functional import (
    adaptive_avg_pool1d,
    avg_pool1d,
    bilinear,
    channel_shuffle,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    group_norm,
    layer_norm,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    pixel_shuffle,
    pixel_unshuffle,
    rms_norm,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "adaptive_avg_pool1d",
    "avg_pool1d",
    "bartlett_window",
    "batch_norm",
    "bilinear",
    "blackman_window",
    "channel_shuffle",
    "clamp_",
    "clamp_max_",
    "clamp_min_",
    "clip_",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolution",
    "detach_",
    "embedding",
    "get_device",
    "group_norm",
    "hamming_window",
    "hann_window",
    "index_put_",
    "instance_norm",
    "is_inference",
    "is_nonzero",
    "is_same_size",
    "is_signed",
    "kaiser_window",
    "layer_norm",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "nan_to_num_",
    "pixel_shuffle",
    "pixel_unshuffle",
    "rms_norm",
    "xlogy_",
]


def embedding(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """weight[indices], nn.functional.embedding with the table first; padding_idx -1: none."""
    padding = padding_idx if padding_idx >= 0 else None
    return F.embedding(indices, weight, padding, None, 2.0, scale_grad_by_freq, sparse)


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """nn.functional.batch_norm, its arguments in another order and all of them given."""
    return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """nn.functional.instance_norm, its arguments in another order and all of them given."""
    return F.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor:
    """conv1d to conv3d, or where transposed conv_transpose1d to 3d, by the dimensions of weight.

    RuntimeError for a weight of other dimensions than 3 to 5.
    """
    dims = weight.ndim - 2
    if not 1 <= dims <= 3:
        raise RuntimeError(f"[convolution] weight has {weight.ndim} dimensions; pass 3, 4 or 5")
    if not transposed:
        forward: Any = (conv1d, conv2d, conv3d)[dims - 1]
        return forward(input, weight, bias, stride, padding, dilation, groups)  # type: ignore[no-any-return]
    backward: Any = (conv_transpose1d, conv_transpose2d, conv_transpose3d)[dims - 1]
    return backward(  # type: ignore[no-any-return]
        input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def by_method(name: str) -> Any:
    """A function that calls a method of its first argument."""
    method = getattr(Tensor, name)

    def call(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        return method(input, *args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"input.{name}(...)"
    return call


clamp_, clamp_max_, clamp_min_, clip_ = map(
    by_method, ("clamp_", "clamp_max_", "clamp_min_", "clip_")
)
detach_, index_put_ = by_method("detach_"), by_method("index_put_")
nan_to_num_, xlogy_ = by_method("nan_to_num_"), by_method("xlogy_")


def _window(name: str, length: int, periodic: bool, options: Any, **shape: Any) -> Tensor:
    from .signal import windows  # imported when a window is asked for

    if isinstance(length, int) and length < 0:
        raise RuntimeError(f"[{name}_window] window_length is {length}; pass 0 or more")
    the_bool(f"{name}_window", periodic, "periodic")
    dtype = _core.empty(0, **options).dtype  # who knows the options tells what is wrong with them
    if not dtype.is_floating_point:
        raise RuntimeError(f"[{name}_window] dtype is {dtype}; pass a floating-point type")
    options.pop("pin_memory", None)
    window: Tensor = getattr(windows, name)(length, sym=not periodic, **shape, **options)
    return window


def bartlett_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """w_k = 1 - |2 k / N - 1|, N the length, or the length - 1 unless periodic."""
    return _window("bartlett", window_length, periodic, options)


def blackman_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """w_k = 0.42 - 0.5 cos(2 pi k / N) + 0.08 cos(4 pi k / N)."""
    return _window("blackman", window_length, periodic, options)


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    **options: Any,
) -> Tensor:
    """w_k = alpha - beta cos(2 pi k / N)."""
    return _window("general_cosine", window_length, periodic, options, a=(alpha, beta))


def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """w_k = (1 - cos(2 pi k / N)) / 2."""
    return _window("hann", window_length, periodic, options)


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any
) -> Tensor:
    """w_k = I_0(beta sqrt(1 - (2 k / N - 1)^2)) / I_0(beta)."""
    return _window("kaiser", window_length, periodic, options, beta=beta)


def get_device(input: Tensor) -> int:
    """-1: the CPU."""
    return the_tensor("get_device", input).get_device()


def is_signed(input: Tensor) -> bool:
    """Whether the type has negative numbers: all but bool."""
    return input.is_signed()


def is_inference(input: Tensor) -> bool:
    """Whether it was made in inference_mode."""
    return input.is_inference()


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not 0. Raises RuntimeError for none or several."""
    if input.numel() != 1:
        raise RuntimeError(
            f"[is_nonzero] a tensor of {input.numel()} elements is neither zero nor not; "
            "use any() or all()"
        )
    return bool(input)


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two shapes are equal. TypeError for what is no tensor."""
    return input.shape == the_tensor("is_same_size", other, "other").shape
