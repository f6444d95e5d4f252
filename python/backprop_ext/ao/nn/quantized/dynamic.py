"""Layers with a quantized weight whose input is in float32, and is quantized as it comes."""

from __future__ import annotations

from typing import Any

from .... import nn
from ...._core import qint8, quint8
from ...._names import keep_also, missing_from
from ...._quantized import quantize_per_tensor_dynamic
from ....autograd.grad_mode import no_grad
from ..intrinsic import _FusedModule
from ..qat import settings
from . import Weighed, quantized_weight

__all__ = ["Linear"]


class Linear(Weighed):
    """y = x A^T + b, x rounded to 128 levels between its extremes, A of qint8."""

    _layer = nn.Linear
    _title = "DynamicQuantizedLinear"
    _version = 4

    def forward(self, x: Any) -> Any:
        with no_grad():
            return self._computed(quantize_per_tensor_dynamic(x, quint8, True).dequantize())

    def extra_repr(self) -> str:
        sizes = f"in_features={self.in_features}, out_features={self.out_features}"
        return f"{sizes}, dtype=torch.qint8, qscheme={self.weight().qscheme()}"

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """Of a layer in float32. NotImplementedError for float16."""
        layer: Any = mod[0] if isinstance(mod, _FusedModule) else mod
        observer = mod.qconfig.weight()
        if observer.dtype is not qint8:
            raise NotImplementedError(
                f"[quantize_dynamic] a weight of {observer.dtype}; take dtype=torch.qint8"
            )
        observer(layer.weight)
        made = cls(**settings(layer))
        made.set_weight_bias(quantized_weight(layer.weight, observer), layer.bias)
        return made


keep_also(globals(), {"modules": "Linear", "modules.linear": "Linear"})
__getattr__ = missing_from("torch.ao.nn.quantized.dynamic", globals())
