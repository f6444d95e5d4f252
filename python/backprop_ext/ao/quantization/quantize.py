"""From a model to one that observes, or rounds, and from there to a quantized one.

Source: https://docs.pytorch.org/docs/stable/quantization.html
"""

from __future__ import annotations

import warnings
from copy import deepcopy
from inspect import signature
from typing import Any

from ... import nn
from ..._core import qint8
from ...nn.utils.parametrize import is_parametrized, type_before_parametrizations
from ..nn.intrinsic import _FusedModule
from ..nn.quantized import FloatFunctional
from .fake_quantize import FakeQuantizeBase
from .observer import ObserverBase
from .qconfig import _activation_is_memoryless, default_dynamic_qconfig
from .quantization_mappings import (
    _get_special_act_post_process,
    get_default_dynamic_quant_module_mappings,
    get_default_qat_module_mappings,
    get_default_qconfig_propagation_list,
    get_default_static_quant_module_mappings,
)
from .stubs import DeQuantStub, QuantWrapper

__all__ = [
    "add_quant_dequant",
    "convert",
    "prepare",
    "prepare_qat",
    "propagate_qconfig_",
    "quantize",
    "quantize_dynamic",
    "quantize_qat",
    "swap_module",
]


def propagate_qconfig_(
    module: Any, qconfig_dict: Any = None, prepare_custom_config_dict: Any = None
) -> None:
    """Set `qconfig` on all modules: their own, the dict's by name or class, or the parent's."""
    _propagate(module, qconfig_dict or {}, None, "", prepare_custom_config_dict or {})


def _propagate(module: Any, given: Any, inherited: Any, prefix: str, custom: Any) -> None:
    qconfig = given.get(type_before_parametrizations(module), inherited)
    module.qconfig = getattr(module, "qconfig", given.get(prefix, qconfig))
    for name, child in module.named_children():
        if name in custom.get("non_traceable_module_name", ()) or type(child) in custom.get(
            "non_traceable_module_class", ()
        ):
            continue
        _propagate(child, given, module.qconfig, f"{prefix}.{name}" if prefix else name, custom)


def _observer_forward_hook(self: Any, input: Any, output: Any) -> Any:
    return self.activation_post_process(output)


def _observer_forward_pre_hook(self: Any, input: Any) -> Any:
    return self.activation_post_process(input[0])


def _observe(module: Any, special: Any = None) -> None:
    if getattr(module, "qconfig", None) is None or isinstance(module, DeQuantStub):
        return
    module.add_module("activation_post_process", (special or module.qconfig.activation)())
    if _activation_is_memoryless(module.qconfig):
        module.register_forward_pre_hook(_observer_forward_pre_hook, prepend=True)
    else:
        module.register_forward_hook(_observer_forward_hook, prepend=True)


def _is_leaf(module: Any) -> bool:
    count = len(module._modules)
    return not count or (is_parametrized(module) and count == 1)


def _add_observer_(
    module: Any, observed: set[Any], whole: set[Any], custom: dict[Any, Any]
) -> None:
    for name, child in module.named_children():
        kind = type_before_parametrizations(child)
        special = _get_special_act_post_process(child) if child.training else None
        qconfig = getattr(child, "qconfig", None)
        if kind is nn.Dropout:
            continue
        if issubclass(kind, FloatFunctional):
            if qconfig is not None:
                child.activation_post_process = qconfig.activation()
        elif issubclass(kind, _FusedModule) or kind in whole:
            _observe(child)
        elif special:
            _observe(child, special)
        elif qconfig is not None and kind in custom:
            setattr(module, name, custom[kind].from_float(child))
            _observe(getattr(module, name))
        elif qconfig is not None and kind in (nn.LSTM, nn.MultiheadAttention):
            raise NotImplementedError(
                f"[prepare] a {kind.__name__} is not observed; set its qconfig = None"
            )
        else:
            _add_observer_(child, observed, whole, custom)
    if type_before_parametrizations(module) in observed and not isinstance(module, nn.Sequential):
        if _is_leaf(module):
            _observe(module)
        if hasattr(module, "weight_fake_quant"):
            _observe(module)


def add_quant_dequant(module: Any) -> Any:
    """The module with each leaf that has a qconfig in a QuantWrapper."""
    if _is_leaf(module) and getattr(module, "qconfig", None):
        return QuantWrapper(module)
    for name, child in module.named_children():
        module._modules[name] = add_quant_dequant(child)
    return module


def prepare(
    model: Any,
    inplace: bool = False,
    allow_list: Any = None,
    observer_non_leaf_module_list: Any = None,
    prepare_custom_config_dict: Any = None,
) -> Any:
    """The model with observers on the results of its layers, for calibration."""
    model = model if inplace else deepcopy(model)
    propagate_qconfig_(model)
    if not any(getattr(m, "qconfig", None) for m in model.modules()):
        warnings.warn(
            "[prepare] none of the submodules has a qconfig; set model.qconfig", stacklevel=2
        )
    observed = get_default_qconfig_propagation_list() if allow_list is None else allow_list
    custom = (prepare_custom_config_dict or {}).get("float_to_observed_custom_module_class", {})
    _add_observer_(model, observed, set(observer_non_leaf_module_list or ()), custom)
    return model


def prepare_qat(model: Any, mapping: Any = None, inplace: bool = False) -> Any:
    """The model with layers that round their weight, and observers that round their results.

    Raises AssertionError unless the model is in training.
    """
    if not model.training:
        raise AssertionError("[prepare_qat] the model is in evaluation; call model.train()")
    mapping = get_default_qat_module_mappings() if mapping is None else mapping
    model = model if inplace else deepcopy(model)
    propagate_qconfig_(model)
    convert(model, mapping, inplace=True, remove_qconfig=False)
    return prepare(model, inplace=True, observer_non_leaf_module_list=set(mapping.values()))


def _clean(module: Any) -> None:
    for child in module.children():
        _clean(child)
    if hasattr(module, "qconfig"):
        del module.qconfig
    held = getattr(module, "activation_post_process", None)
    if isinstance(held, (ObserverBase, FakeQuantizeBase)):
        del module.activation_post_process
    for hooks in (module._forward_pre_hooks, module._forward_hooks):
        for key, hook in [*hooks.items()]:
            if hook in (_observer_forward_hook, _observer_forward_pre_hook):
                hooks.pop(key)


def convert(
    module: Any,
    mapping: Any = None,
    inplace: bool = False,
    remove_qconfig: bool = True,
    is_reference: bool = False,
    convert_custom_config_dict: Any = None,
    use_precomputed_fake_quant: bool = False,
) -> Any:
    """The model with each submodule replaced by what `mapping` has for its class.

    Without one by its quantized form; NotImplementedError where there is none.
    """
    if is_reference:
        raise NotImplementedError("[convert] is_reference=True; there are no reference layers")
    module = module if inplace else deepcopy(module)
    mapping = get_default_static_quant_module_mappings() if mapping is None else mapping
    key = "observed_to_quantized_custom_module_class"
    custom = (convert_custom_config_dict or {}).get(key, {})
    _convert(module, mapping, custom, use_precomputed_fake_quant)
    if remove_qconfig:
        _clean(module)
    return module


def _convert(module: Any, mapping: Any, custom: Any, precomputed: bool) -> None:
    swapped = {}
    for name, child in module.named_children():
        if (
            not isinstance(child, _FusedModule)
            and type_before_parametrizations(child) not in custom
        ):
            _convert(child, mapping, custom, precomputed)
        swapped[name] = swap_module(child, mapping, custom, precomputed)
    for name, new in swapped.items():
        module._modules[name] = new


def swap_module(
    mod: Any,
    mapping: Any,
    custom_module_class_mapping: Any,
    use_precomputed_fake_quant: bool = False,
) -> Any:
    """What the mapping has for the module, made by from_float; its hooks stay, but observers'."""
    kind = type_before_parametrizations(mod)
    if getattr(mod, "qconfig", None) is None:
        return mod
    if kind in custom_module_class_mapping:
        new = custom_module_class_mapping[kind].from_observed(mod)
    elif kind in mapping:
        make = mapping[kind].from_float
        given = {"use_precomputed_fake_quant": use_precomputed_fake_quant}
        new = make(mod, **{n: v for n, v in given.items() if n in signature(make).parameters})
    else:
        return mod
    for hook in mod._forward_pre_hooks.values():
        new.register_forward_pre_hook(hook)
    for hook in mod._forward_hooks.values():
        if hook is not _observer_forward_hook:
            new.register_forward_hook(hook)
    return new


def quantize(
    model: Any, run_fn: Any, run_args: Any, mapping: Any = None, inplace: bool = False
) -> Any:
    """prepare, run_fn(model, *run_args), convert."""
    model = model if inplace else deepcopy(model)
    model.eval()
    prepare(model, inplace=True)
    run_fn(model, *run_args)
    return convert(model, mapping, inplace=True)


def quantize_qat(model: Any, run_fn: Any, run_args: Any, inplace: bool = False) -> Any:
    """prepare_qat, run_fn(model, *run_args), convert."""
    model = model if inplace else deepcopy(model)
    model.train()
    prepare_qat(model, inplace=True)
    run_fn(model, *run_args)
    return convert(model, inplace=True)


def quantize_dynamic(
    model: Any,
    qconfig_spec: Any = None,
    dtype: Any = qint8,
    mapping: Any = None,
    inplace: bool = False,
) -> Any:
    """The model with quantized weights; inputs are quantized as they come.

    qconfig_spec: a set of classes and names, or a dict of their QConfig. Linear and recurrent
    layers by default; NotImplementedError for another dtype than qint8.
    """
    if not isinstance(qconfig_spec, dict):
        if dtype is not qint8:
            raise NotImplementedError(f"[quantize_dynamic] {dtype=}; take torch.qint8")
        kinds = (nn.Linear, nn.LSTM, nn.GRU, nn.LSTMCell, nn.RNNCell, nn.GRUCell)
        chosen = kinds if qconfig_spec is None else qconfig_spec
        qconfig_spec = dict.fromkeys(chosen, default_dynamic_qconfig)
    mapping = get_default_dynamic_quant_module_mappings() if mapping is None else mapping
    model = model if inplace else deepcopy(model)
    model.eval()
    propagate_qconfig_(model, qconfig_spec)
    return convert(model, mapping, inplace=True)
