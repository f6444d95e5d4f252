"""Layers whose weight is rounded in the forward pass, for training.

Source: https://docs.pytorch.org/docs/stable/quantization-support.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .... import nn
from ...._names import keep_also, missing_from
from ....nn import functional as F
from ....nn.modules.module import Module
from ....nn.parameter import Parameter
from ....nn.utils.parametrize import type_before_parametrizations
from ..intrinsic import _FusedModule

if TYPE_CHECKING:
    from ...._core import Tensor

__all__ = ["Conv1d", "Conv2d", "Conv3d", "Linear"]


def needed(op: str, mod: Any, kind: type) -> Any:
    """The qconfig of a module that is to be of this class. AssertionError where there is none."""
    if type_before_parametrizations(mod) is not kind:
        raise AssertionError(f"[{op}.from_float] a {type(mod).__name__}; pass a {kind.__name__}")
    if not getattr(mod, "qconfig", None):
        raise AssertionError(f"[{op}.from_float] {kind.__name__} has no qconfig; set it")
    return mod.qconfig


def settings(layer: Any) -> dict[str, Any]:
    """The arguments that make such a layer again."""
    names = ["in_features", "out_features"]
    if not isinstance(layer, nn.Linear):
        names = ["in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation"]
        names += ["groups", "padding_mode"]
    return {name: getattr(layer, name) for name in names} | {"bias": layer.bias is not None}


class Rounded(Module):
    """What these layers share: weight_fake_quant, and the way from the layer and back to it."""

    _FLOAT_MODULE: ClassVar[Any]
    _FLOAT_CONV_MODULE: ClassVar[Any]
    _relu = False
    weight: Any
    bias: Any
    _conv_forward: Any

    def __init__(
        self, *args: Any, qconfig: Any = None, device: Any = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        factory = {"device": device, "dtype": dtype}
        base: Any = super()
        base.__init__(*args, **kwargs, **factory)
        if not qconfig:
            raise AssertionError(f"[{type(self).__name__}] there is no qconfig; pass one")
        self.qconfig = qconfig
        self.weight_fake_quant = qconfig.weight(factory_kwargs=factory)

    def forward(self, input: Tensor) -> Tensor:
        weight, bias = self.weight_fake_quant(self.weight), self.bias
        if isinstance(self, nn.Linear):
            result = F.linear(input, weight, bias)
        else:
            result = self._conv_forward(input, weight, bias)
        return F.relu(result) if self._relu else result

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The layer that rounds, of the parameters of mod. AssertionError for another class."""
        qconfig = needed(cls.__name__, mod, cls._FLOAT_MODULE)
        layer: Any = mod[0] if isinstance(mod, _FusedModule) else mod
        made = cls(**settings(layer), qconfig=qconfig)
        made.weight, made.bias = layer.weight, layer.bias
        return made

    def to_float(self) -> Any:
        """The layer without rounding."""
        layer = self._FLOAT_CONV_MODULE(**settings(self))
        copy_parameters(self, layer)
        made = self._FLOAT_MODULE(layer, nn.ReLU()) if self._relu else layer
        return made.train(self.training)


def copy_parameters(source: Any, target: Any) -> None:
    """New parameters on the memory of another layer's."""
    target.weight = Parameter(source.weight.detach())
    if source.bias is not None:
        target.bias = Parameter(source.bias.detach())


def rounded(name: str, layer: Any, row: Any = None, home: str = __name__) -> Any:
    """The class that rounds, of a class of layers; row: of one of layers with a ReLU."""
    members = {
        "__doc__": f"{name} with a rounded weight; made with qconfig=, or by from_float.",
        "__module__": home,
        "_FLOAT_MODULE": row or layer,
        "_FLOAT_CONV_MODULE": layer,
        "_relu": row is not None,
    }
    return type(name, (Rounded, layer, *((_FusedModule,) if row else ())), members)


Conv1d, Conv2d, Conv3d, Linear = (
    rounded(layer.__name__, layer) for layer in (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
)
keep_also(
    globals(),
    {
        "modules": " ".join(__all__),
        "modules.linear": "Linear",
        "modules.conv": "Conv1d Conv2d Conv3d",
    },
)
__getattr__ = missing_from("torch.ao.nn.qat", globals())
