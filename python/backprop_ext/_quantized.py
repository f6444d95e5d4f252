"""How the numbers of quantized tensors are scaled, for observers to say: there are none yet."""

from __future__ import annotations

from typing import Final

from ._layout import _Named

__all__ = [
    "per_channel_affine",
    "per_channel_affine_float_qparams",
    "per_channel_symmetric",
    "per_tensor_affine",
    "per_tensor_symmetric",
    "qscheme",
]


class qscheme(_Named):  # noqa: N801 (PyTorch's name)
    """Whether there is a scale for each channel, and a zero_point."""


qscheme.__module__ = __package__
per_tensor_affine: Final = qscheme("per_tensor_affine")
per_tensor_symmetric: Final = qscheme("per_tensor_symmetric")
per_channel_affine: Final = qscheme("per_channel_affine")
per_channel_symmetric: Final = qscheme("per_channel_symmetric")
per_channel_affine_float_qparams: Final = qscheme("per_channel_affine_float_qparams")
