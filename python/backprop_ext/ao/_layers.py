"""Layers in a row that become one, and layers that round their weight in the forward pass.

ROWS, ROUNDED and ROUNDED_ROWS are the classes of PyTorch's ao.nn.intrinsic, ao.nn.qat and
ao.nn.intrinsic.qat. Source: Krishnamoorthi, arXiv:1806.08342.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .. import _core, nn
from ..nn import functional as F
from ..nn import init
from ..nn.modules.container import Sequential
from ..nn.modules.module import Module
from ..nn.parameter import Parameter
from ..nn.utils.fusion import fuse_conv_bn_weights
from ..nn.utils.parametrize import type_before_parametrizations

if TYPE_CHECKING:
    from .._core import Tensor

__all__ = ["ROUNDED", "ROUNDED_ROWS", "ROWS", "FusedModule", "settings"]


class FusedModule(Sequential):
    """What is taken for one layer."""


FusedModule.__name__ = FusedModule.__qualname__ = "_FusedModule"


class _Row(FusedModule):
    _parts: ClassVar[tuple[type[Module], ...]]

    def __init__(self, *modules: Module) -> None:
        kinds = tuple(map(type_before_parametrizations, modules))
        if kinds != self._parts:
            names = [[kind.__name__ for kind in row] for row in (kinds, self._parts)]
            raise AssertionError(f"[{type(self).__name__}] of {names[0]}; pass {names[1]}")
        super().__init__(*modules)


ROWS: Final[dict[str, Any]] = {}


def _row(name: str, *parts: Any) -> None:
    doc = f"{', '.join(part.__name__ for part in parts)}, one after the other."
    ROWS[name] = type(name, (_Row,), {"_parts": parts, "__doc__": doc})


_CONVS = ((nn.Conv1d, nn.BatchNorm1d), (nn.Conv2d, nn.BatchNorm2d), (nn.Conv3d, nn.BatchNorm3d))
for _d, (_conv, _bn) in enumerate(_CONVS, 1):
    _row(f"ConvReLU{_d}d", _conv, nn.ReLU)
    _row(f"ConvBn{_d}d", _conv, _bn)
    _row(f"ConvBnReLU{_d}d", _conv, _bn, nn.ReLU)
    if _d > 1:
        _row(f"BNReLU{_d}d", _bn, nn.ReLU)
_row("LinearReLU", nn.Linear, nn.ReLU)
_row("LinearBn1d", nn.Linear, nn.BatchNorm1d)
_row("LinearLeakyReLU", nn.Linear, nn.LeakyReLU)
_row("LinearTanh", nn.Linear, nn.Tanh)


def _needed(op: str, mod: Any, kind: type) -> Any:
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


class _Rounded(Module):
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
        qconfig = _needed(cls.__name__, mod, cls._FLOAT_MODULE)
        layer: Any = mod[0] if isinstance(mod, FusedModule) else mod
        made = cls(**settings(layer), qconfig=qconfig)
        made.weight, made.bias = layer.weight, layer.bias
        return made

    def to_float(self) -> Any:
        """The layer without rounding."""
        layer = self._FLOAT_CONV_MODULE(**settings(self))
        _copy_parameters(self, layer)
        made = self._FLOAT_MODULE(layer, nn.ReLU()) if self._relu else layer
        return made.train(self.training)


def _copy_parameters(source: Any, target: Any) -> None:
    """New parameters on the memory of another layer's."""
    target.weight = Parameter(source.weight.detach())
    if source.bias is not None:
        target.bias = Parameter(source.bias.detach())


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
        qconfig = _needed(cls.__name__, mod, cls._FLOAT_MODULE)
        layer, bn = mod[0], mod[1]
        made = cls(**settings(layer), eps=bn.eps, momentum=bn.momentum, qconfig=qconfig)
        made.weight, made.bias = layer.weight, layer.bias
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            setattr(made.bn, name, getattr(bn, name))
        return made

    def to_float(self) -> Any:
        """The layer without rounding, with bn folded into it."""
        layer, bn = self._layer(**settings(self)), self.bn
        _copy_parameters(self, layer)
        layer.weight, layer.bias = fuse_conv_bn_weights(
            layer.weight, layer.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
        )
        made = self._fused(layer, nn.ReLU()) if self._fused else layer
        return made.train(self.training)


def _made(name: str, bases: tuple[Any, ...], **members: Any) -> Any:
    doc = f"{name} with a rounded weight; made with qconfig=, or by from_float."
    return type(name, bases, {"__doc__": doc, **members})


def _rounded(layer: Any, row: Any = None) -> Any:
    bases = (_Rounded, layer, FusedModule) if row else (_Rounded, layer)
    made = {"_FLOAT_MODULE": row or layer, "_FLOAT_CONV_MODULE": layer, "_relu": row is not None}
    return _made((row or layer).__name__, bases, **made)


ROUNDED: Final[dict[str, Any]] = {
    layer.__name__: _rounded(layer) for layer in (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
}
ROUNDED_ROWS: Final[dict[str, Any]] = {}
for _name, _kind in ROWS.items():
    _layer, _norm, *_ = _kind._parts
    _end = _name.removeprefix("ConvBnReLU")
    if _name.startswith(("ConvReLU", "LinearReLU")):
        ROUNDED_ROWS[_name] = _rounded(_layer, _kind)
    elif _name.startswith(("ConvBn", "LinearBn")):
        _more = {"_FLOAT_MODULE": _kind, "_layer": _layer, "_norm": _norm, "_version": 2}
        _bases: tuple[Any, ...] = (_Normed, _layer, FusedModule)
        if _end != _name:
            _bases, _more["_fused"] = (ROUNDED_ROWS[f"ConvBn{_end}"],), ROWS[f"ConvReLU{_end}"]
        ROUNDED_ROWS[_name] = _made(_name, _bases, **_more)


def update_bn_stats(mod: Module) -> None:
    """Statistics of the batches from now on, for `model.apply`."""
    if isinstance(mod, _Normed) and mod._layer is not nn.Linear:
        mod.update_bn_stats()


def freeze_bn_stats(mod: Module) -> None:
    """Running statistics from now on, for `model.apply`."""
    if isinstance(mod, _Normed) and mod._layer is not nn.Linear:
        mod.freeze_bn_stats()


ROUNDED_ROWS.update(update_bn_stats=update_bn_stats, freeze_bn_stats=freeze_bn_stats)
