"""Layers with a quantized weight whose input is in float32, and is quantized as it comes.

Source: https://docs.pytorch.org/docs/stable/quantization-support.html
"""

from __future__ import annotations

from typing import Any

from .... import nn
from ...._names import keep_also, missing_from
from ....autograd.grad_mode import no_grad
from ....nn import functional as F
from ..intrinsic import _FusedModule
from ..qat import settings
from . import Weighed
from ._recurrent import GRU, LSTM, GRUCell, LSTMCell, RNNCell, linear, observed

__all__ = ["GRU", "LSTM", "GRUCell", "LSTMCell", "Linear", "RNNCell"]


class Linear(Weighed):
    """y = x A^T + b, x rounded to 128 levels between its extremes, A of qint8."""

    _layer = nn.Linear
    _title = "DynamicQuantizedLinear"
    _version = 4

    def forward(self, x: Any) -> Any:
        with no_grad():
            result = linear(x, *self._held)
        return F.relu(result) if self._relu else result

    def extra_repr(self) -> str:
        sizes = f"in_features={self.in_features}, out_features={self.out_features}"
        return f"{sizes}, dtype=torch.qint8, qscheme={self.weight().qscheme()}"

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """Of a layer in float32. NotImplementedError for float16."""
        layer: Any = mod[0] if isinstance(mod, _FusedModule) else mod
        made = cls(**settings(layer))
        made.set_weight_bias(observed(layer, layer.weight), layer.bias)
        return made


keep_also(
    globals(),
    {
        "modules": "Linear",
        "modules.linear": "Linear",
        "modules.rnn": "GRU GRUCell LSTM LSTMCell RNNCell",
    },
)
__getattr__ = missing_from("torch.ao.nn.quantized.dynamic", globals())
