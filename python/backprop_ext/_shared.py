"""Names that PyTorch has twice: functions of nn.functional, and windows of signal, in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    from ._core import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "avg_pool1d",
    "bartlett_window",
    "bilinear",
    "blackman_window",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "group_norm",
    "hamming_window",
    "hann_window",
    "is_nonzero",
    "is_same_size",
    "kaiser_window",
    "layer_norm",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "pixel_shuffle",
    "pixel_unshuffle",
    "rms_norm",
]


def _window(name: str, length: int, periodic: bool, **options: Any) -> Tensor:
    from .signal import windows  # imported when a window is asked for

    window: Tensor = getattr(windows, name)(length, sym=not periodic, **options)
    return window


def bartlett_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """w_k = 1 - |2 k / N - 1|, N the length, or the length - 1 unless periodic."""
    return _window("bartlett", window_length, periodic, **options)


def blackman_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """w_k = 0.42 - 0.5 cos(2 pi k / N) + 0.08 cos(4 pi k / N)."""
    return _window("blackman", window_length, periodic, **options)


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    **options: Any,
) -> Tensor:
    """w_k = alpha - beta cos(2 pi k / N)."""
    return _window("general_cosine", window_length, periodic, a=(alpha, beta), **options)


def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """w_k = (1 - cos(2 pi k / N)) / 2."""
    return _window("hann", window_length, periodic, **options)


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any
) -> Tensor:
    """w_k = I_0(beta sqrt(1 - (2 k / N - 1)^2)) / I_0(beta)."""
    return _window("kaiser", window_length, periodic, beta=beta, **options)


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not 0. Raises RuntimeError for none or several."""
    if input.numel() != 1:
        raise RuntimeError(
            f"[is_nonzero] a tensor of {input.numel()} elements is neither zero nor not; "
            "use any() or all()"
        )
    return bool(input)


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two shapes are equal."""
    return input.shape == other.shape
