"""Which class takes the place of which."""

from __future__ import annotations

from typing import Any, Final

from ... import nn
from ...nn.utils.parametrize import type_before_parametrizations
from ..nn import intrinsic as nni
from ..nn import qat as nnqat
from ..nn import quantized as nnq
from ..nn.intrinsic import qat as nniqat
from ..nn.intrinsic import quantized as nniq
from ..nn.quantized import dynamic as nnqd
from .fake_quantize import (
    default_fixed_qparams_range_0to1_fake_quant,
    default_fixed_qparams_range_neg1to1_fake_quant,
)
from .stubs import DeQuantStub, QuantStub

__all__ = [
    "DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS",
    "DEFAULT_MODULE_TO_ACT_POST_PROCESS",
    "DEFAULT_QAT_MODULE_MAPPINGS",
    "DEFAULT_STATIC_QUANT_MODULE_MAPPINGS",
    "get_default_dynamic_quant_module_mappings",
    "get_default_qat_module_mappings",
    "get_default_qconfig_propagation_list",
    "get_default_static_quant_module_mappings",
    "no_observer_set",
]

DEFAULT_STATIC_QUANT_MODULE_MAPPINGS: Final[dict[Any, Any]] = {
    QuantStub: nnq.Quantize,
    DeQuantStub: nnq.DeQuantize,
    nn.Dropout: nnq.Dropout,
    nn.ReLU6: nnq.ReLU6,
    nn.Linear: nnq.Linear,
    nnqat.Linear: nnq.Linear,
    nnq.FloatFunctional: nnq.QFunctional,
    nni.LinearReLU: nniq.LinearReLU,
    nniqat.LinearReLU: nniq.LinearReLU,
    nniqat.LinearBn1d: nnq.Linear,
}
DEFAULT_QAT_MODULE_MAPPINGS: Final[dict[Any, Any]] = {
    nn.Conv2d: nnqat.Conv2d,
    nn.Conv3d: nnqat.Conv3d,
    nn.Linear: nnqat.Linear,
    nni.ConvReLU2d: nniqat.ConvReLU2d,
    nni.ConvReLU3d: nniqat.ConvReLU3d,
    nni.LinearReLU: nniqat.LinearReLU,
    nni.LinearBn1d: nniqat.LinearBn1d,
}
DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS: Final[dict[Any, Any]] = {
    nn.Linear: nnqd.Linear,
    nni.LinearReLU: nniq.DynamicLinearReLU,
}
for _d in "123":
    for _name in (f"ConvBn{_d}d", f"ConvBnReLU{_d}d"):
        DEFAULT_QAT_MODULE_MAPPINGS[getattr(nni, _name)] = getattr(nniqat, _name)
    _plain, _relu = getattr(nnq, f"Conv{_d}d"), getattr(nniq, f"ConvReLU{_d}d")
    _pairs = [(nn, f"Conv{_d}d", _plain), (nni, f"ConvReLU{_d}d", _relu)]
    _pairs += [(nniqat, f"ConvBn{_d}d", _plain), (nniqat, f"ConvBnReLU{_d}d", _relu)]
    if _d != "1":
        _pairs += [(nnqat, f"Conv{_d}d", _plain), (nniqat, f"ConvReLU{_d}d", _relu)]
    for _home, _name, _to in _pairs:
        DEFAULT_STATIC_QUANT_MODULE_MAPPINGS[getattr(_home, _name)] = _to
# What PyTorch quantizes and this package does not: observed all the same.
for _name in [
    "BatchNorm2d",
    "BatchNorm3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "ELU",
    "Embedding",
    "EmbeddingBag",
    "GroupNorm",
    "Hardswish",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LeakyReLU",
    "PReLU",
]:
    DEFAULT_STATIC_QUANT_MODULE_MAPPINGS[getattr(nn, _name)] = nnq.Missing(_name)
for _name in ("BNReLU2d", "BNReLU3d", "LinearLeakyReLU", "LinearTanh"):
    DEFAULT_STATIC_QUANT_MODULE_MAPPINGS[getattr(nni, _name)] = nnq.Missing(_name)
for _name in ("EmbeddingBag", "Embedding"):
    DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS[getattr(nn, _name)] = nnq.Missing(_name)
for _name in ("GRUCell", "LSTM", "GRU", "LSTMCell", "RNNCell"):
    DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS[getattr(nn, _name)] = getattr(nnqd, _name)
# Results between fixed ends need no observer.
DEFAULT_MODULE_TO_ACT_POST_PROCESS: Final[dict[Any, Any]] = {
    nn.Hardsigmoid: default_fixed_qparams_range_0to1_fake_quant,
    nn.Sigmoid: default_fixed_qparams_range_0to1_fake_quant,
    nn.Softmax: default_fixed_qparams_range_0to1_fake_quant,
    nn.Tanh: default_fixed_qparams_range_neg1to1_fake_quant,
}


def no_observer_set() -> set[Any]:
    """Modules that are not observed: none here."""
    return set()


def get_default_static_quant_module_mappings() -> dict[Any, Any]:
    """What `convert` makes of which class."""
    return dict(DEFAULT_STATIC_QUANT_MODULE_MAPPINGS)


def get_default_qat_module_mappings() -> dict[Any, Any]:
    """What `prepare_qat` makes of which class."""
    return dict(DEFAULT_QAT_MODULE_MAPPINGS)


def get_default_dynamic_quant_module_mappings() -> dict[Any, Any]:
    """What `quantize_dynamic` makes of which class."""
    return DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS


def get_default_qconfig_propagation_list() -> set[Any]:
    """The classes whose results `prepare` observes."""
    return {
        *DEFAULT_STATIC_QUANT_MODULE_MAPPINGS,
        *DEFAULT_QAT_MODULE_MAPPINGS,
        *DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS,
        nn.Sequential,
    }


def _get_special_act_post_process(module: Any) -> Any:
    return DEFAULT_MODULE_TO_ACT_POST_PROCESS.get(type_before_parametrizations(module))
