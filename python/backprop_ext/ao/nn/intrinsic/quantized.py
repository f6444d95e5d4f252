"""Quantized rows of layers."""

from __future__ import annotations

from .... import nn
from ...._names import missing_from
from ..quantized import weighed
from ..quantized.dynamic import Linear as _Dynamic

__all__ = ["ConvReLU1d", "ConvReLU2d", "ConvReLU3d", "LinearReLU"]

ConvReLU1d, ConvReLU2d, ConvReLU3d = (
    weighed(f"ConvReLU{d}d", layer, True, __name__)
    for d, layer in enumerate((nn.Conv1d, nn.Conv2d, nn.Conv3d), 1)
)
LinearReLU = weighed("LinearReLU", nn.Linear, True, __name__)


class DynamicLinearReLU(_Dynamic):
    """max(x A^T + b, 0), x rounded to 128 levels between its extremes."""

    _relu = True
    _title = "DynamicQuantizedLinearReLU"


__getattr__ = missing_from("torch.ao.nn.intrinsic.quantized", globals())
