"""Rows of layers whose weight is rounded in the forward pass, as the fused layer's would be.

Source: Krishnamoorthi, arXiv:1806.08342.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import TYPE_CHECKING, Any, ClassVar

from .... import _core, nn
from ...._names import keep_also, missing_from
from ....nn import functional as F
from ....nn import init
from ....nn.modules.module import Module
from ....nn.parameter import Parameter
from ....nn.utils.fusion import fuse_conv_bn_weights
from .. import intrinsic as rows
from ..qat import copy_parameters, needed, rounded, settings
from . import _FusedModule

if TYPE_CHECKING:
    from ...._core import Tensor

__all__ = [
    "ConvBn1d",
    "ConvBn2d",
    "ConvBn3d",
    "ConvBnReLU1d",
    "ConvBnReLU2d",
    "ConvBnReLU3d",
    "ConvReLU1d",
    "ConvReLU2d",
    "ConvReLU3d",
    "LinearBn1d",
    "LinearReLU",
    "freeze_bn_stats",
    "update_bn_stats",
]


class _Normed(Module):
    """bn(A x + b), A rounded as it would be with bn folded into it by its running statistics."""

    _FLOAT_MODULE: ClassVar[Any]
    _layer: ClassVar[Any]
    _norm: ClassVar[Any]
    _fused: ClassVar[Any] = None
    weight: Any
    bias: Any
    _conv_forward: Any

    def __init__(
        self,
        *args: Any,
        bias: bool = False,
        eps: float = 1e-05,
        momentum: float = 0.1,
        freeze_bn: bool = False,
        qconfig: Any = None,
        **kwargs: Any,
    ) -> None:
        linear = self._layer is nn.Linear
        base: Any = super()
        base.__init__(*args, **kwargs, bias=bool(bias) and linear)
        if not qconfig:
            raise AssertionError(f"[{type(self).__name__}] there is no qconfig; pass one")
        self.qconfig = qconfig
        width = len(self.weight)
        self.bn = self._norm(width, eps, momentum, True, True)
        self.weight_fake_quant = qconfig.weight()
        if bias:
            self.bias = Parameter(_core.empty(width))
        self.reset_bn_parameters()
        if freeze_bn:
            self.freeze_bn_stats()
        else:
            self.update_bn_stats()
        self._enable_slow_path_for_better_numerical_stability = False

    def reset_running_stats(self) -> None:
        """Running mean 0 and variance 1."""
        self.bn.reset_running_stats()

    def reset_bn_parameters(self) -> None:
        """Draw the weight of bn, and the bias of a convolution."""
        self.bn.reset_running_stats()
        init.uniform_(self.bn.weight)
        init.zeros_(self.bn.bias)
        if self.bias is not None and self._layer is not nn.Linear:
            bound = 1 / sqrt(prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound)

    def update_bn_stats(self) -> Any:
        """Statistics of the batches from now on."""
        self.freeze_bn, self.bn.training = False, True
        return self

    def freeze_bn_stats(self) -> Any:
        """Running statistics from now on, as they are."""
        self.freeze_bn, self.bn.training = True, False
        return self

    def forward(self, input: Tensor) -> Tensor:
        bn, weight = self.bn, self.weight
        across = (1, -1, *[1] * (weight.dim() - 2))
        scale = bn.weight / (bn.running_var + bn.eps).sqrt()
        scaled = self.weight_fake_quant(weight * scale.reshape(-1, *[1] * (weight.dim() - 1)))
        zero = _core.zeros(len(weight), dtype=input.dtype)
        if self._layer is nn.Linear:
            result = F.linear(input, scaled, zero)
        else:
            result = self._conv_forward(input, scaled, zero)
        result = result / scale.reshape(across)
        if self.bias is not None:
            result = result + self.bias.reshape(across)
        result = bn(result)
        return F.relu(result) if self._fused else result

    def train(self, mode: bool = True) -> Any:
        """Switch to training, or to evaluation; frozen statistics stay frozen."""
        self.training = mode
        if not self.freeze_bn:
            for module in self.children():
                module.train(mode)
        return self

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The layer that rounds, of the parameters of mod. AssertionError for another class."""
        qconfig = needed(cls.__name__, mod, cls._FLOAT_MODULE)
        layer, bn = mod[0], mod[1]
        made = cls(**settings(layer), eps=bn.eps, momentum=bn.momentum, qconfig=qconfig)
        made.weight, made.bias = layer.weight, layer.bias
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            setattr(made.bn, name, getattr(bn, name))
        return made

    def to_float(self) -> Any:
        """The layer without rounding, with bn folded into it."""
        layer, bn = self._layer(**settings(self)), self.bn
        copy_parameters(self, layer)
        layer.weight, layer.bias = fuse_conv_bn_weights(
            layer.weight, layer.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
        )
        made = self._fused(layer, nn.ReLU()) if self._fused else layer
        return made.train(self.training)


def _normed(row: Any, base: Any = None, fused: Any = None) -> Any:
    name, (layer, norm) = row.__name__, row._parts[:2]
    members = {
        "__doc__": f"{name} with a rounded weight; made with qconfig=, or by from_float.",
        "__module__": __name__,
        "_FLOAT_MODULE": row,
        "_layer": layer,
        "_norm": norm,
        "_fused": fused,
        "_version": 2,
    }
    return type(name, (base,) if base else (_Normed, layer, _FusedModule), members)


ConvReLU1d, ConvReLU2d, ConvReLU3d, LinearReLU = (
    rounded(row.__name__, row._parts[0], row, __name__)
    for row in (rows.ConvReLU1d, rows.ConvReLU2d, rows.ConvReLU3d, rows.LinearReLU)
)
ConvBn1d, ConvBn2d, ConvBn3d, LinearBn1d = (
    _normed(row) for row in (rows.ConvBn1d, rows.ConvBn2d, rows.ConvBn3d, rows.LinearBn1d)
)
ConvBnReLU1d, ConvBnReLU2d, ConvBnReLU3d = (
    _normed(row, base, fused)
    for row, base, fused in (
        (rows.ConvBnReLU1d, ConvBn1d, rows.ConvReLU1d),
        (rows.ConvBnReLU2d, ConvBn2d, rows.ConvReLU2d),
        (rows.ConvBnReLU3d, ConvBn3d, rows.ConvReLU3d),
    )
)


def update_bn_stats(mod: Module) -> None:
    """Statistics of the batches from now on, for `model.apply`."""
    if isinstance(mod, _Normed) and mod._layer is not nn.Linear:
        mod.update_bn_stats()


def freeze_bn_stats(mod: Module) -> None:
    """Running statistics from now on, for `model.apply`."""
    if isinstance(mod, _Normed) and mod._layer is not nn.Linear:
        mod.freeze_bn_stats()


keep_also(
    globals(),
    {
        "modules": " ".join(__all__),
        "modules.linear_relu": "LinearReLU",
        "modules.linear_fused": "LinearBn1d",
        "modules.conv_fused": " ".join(n for n in __all__ if n[0] != "L"),
    },
)
__getattr__ = missing_from("torch.ao.nn.intrinsic.qat", globals())
