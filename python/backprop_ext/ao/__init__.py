"""Training with the rounding of int8 in the forward pass, and what it leads to, in eager mode.

The names stand where PyTorch has them: ao.quantization, ao.nn.qat and so on are modules that are
made here, and known under their old names too.
Source: https://docs.pytorch.org/docs/stable/quantization.html
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from types import FunctionType
from typing import Any

from .._names import missing_from
from . import _layers, _observers, _quantized_layers, _rounding, _steps

__all__ = ["nn", "quantization"]


def _place(path: str, names: dict[str, Any]) -> Any:
    """The module of this path below ao, with these names; and under the path it had before."""
    home = f"{__name__}.{path}"
    if home not in sys.modules:
        module = sys.modules[home] = module_from_spec(ModuleSpec(home, None, is_package=True))
        old = home.replace(".ao.", ".", 1)
        if path != "nn":
            sys.modules[old] = module
        known = f"torch.ao.{path}"
        vars(module)["__getattr__"] = missing_from(known, vars(module))
        parent, _, own = path.rpartition(".")
        above = _place(parent, {}) if parent else sys.modules[__name__]
        vars(above).setdefault(own, module)  # fuse_modules is a function first
    for name, value in names.items():
        setattr(sys.modules[home], name, value)
        if isinstance(value, (type, FunctionType)):
            value.__module__ = home  # type(x) prints it
    return sys.modules[home]


def _public(module: Any, *starts: str) -> dict[str, Any]:
    """The classes, functions and settings of a module; of these beginnings, if there are some."""
    settings = (_observers._PartialWrapper, _rounding.QConfig)
    return {
        name: value
        for name, value in vars(module).items()
        if name.startswith(starts or "")
        and name[0] != "_"
        and (
            getattr(value, "__module__", "") == module.__name__
            or isinstance(value, settings)
            or name.startswith("DEFAULT")
        )
    }


_observing = _public(_observers)
_rounded = {n: v for n, v in _public(_rounding).items() if n not in _observing}
_qconfigs = {n: v for n, v in _rounded.items() if "onfig" in n}
_qconfigs["QConfigAny"] = _rounding.QConfigAny
_rounded = {n: v for n, v in _rounded.items() if n not in _qconfigs}
_mappings = ("DEFAULT", "get_default_", "no_observer")
for _path, _names in {
    "quantization": _public(_steps) | _observing | _rounded | _qconfigs,
    "quantization.observer": _observing,
    "quantization.fake_quantize": _rounded,
    "quantization.qconfig": _qconfigs,
    "quantization.stubs": _public(_steps, "Quant", "DeQuant"),
    "quantization.fuse_modules": _public(_steps, "fuse_"),
    "quantization.fuser_method_mappings": _public(_steps, "fuse_conv", "fuse_lin", "get_fuser"),
    "quantization.quantization_mappings": _public(_steps, *_mappings),
    "quantization.quantize": _public(
        _steps, "add_", "convert", "prepare", "propagate", "quantize", "swap"
    ),
    "nn.intrinsic": _layers.ROWS,
    "nn.intrinsic.modules.fused": {"_FusedModule": _layers.FusedModule, **_layers.ROWS},
    "nn.intrinsic.qat": _layers.ROUNDED_ROWS,
    "nn.intrinsic.qat.modules.linear_relu": {"LinearReLU": _layers.ROUNDED_ROWS["LinearReLU"]},
    "nn.intrinsic.qat.modules.conv_fused": {
        n: v for n, v in _layers.ROUNDED_ROWS.items() if n[0] != "L"
    },
    "nn.qat": _layers.ROUNDED,
    "nn.qat.modules.linear": {"Linear": _layers.ROUNDED["Linear"]},
    "nn.qat.modules.conv": {n: v for n, v in _layers.ROUNDED.items() if n[0] == "C"},
    "nn.quantized": _quantized_layers.QUANTIZED,
    "nn.quantized.modules": _quantized_layers.QUANTIZED,
    "nn.quantized.modules.functional_modules": {
        n: v for n, v in _quantized_layers.QUANTIZED.items() if n.endswith("Functional")
    },
    "nn.quantized.dynamic": _quantized_layers.DYNAMIC,
    "nn.quantized.dynamic.modules": _quantized_layers.DYNAMIC,
    "nn.intrinsic.quantized": _quantized_layers.QUANTIZED_ROWS,
}.items():
    _place(_path, _names)
sys.modules[f"{__name__}.quantization.observer"]._PartialWrapper = (  # type: ignore[attr-defined]
    _observers._PartialWrapper
)
__getattr__ = missing_from("torch.ao", globals())
