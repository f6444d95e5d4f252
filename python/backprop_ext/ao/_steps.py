"""From a model to one that observes, or rounds, and from there to a quantized one.

Source: https://docs.pytorch.org/docs/stable/quantization.html
"""

from __future__ import annotations

import warnings
from copy import deepcopy
from inspect import signature
from typing import TYPE_CHECKING, Any, Final

from .. import nn
from .._core import qint8
from ..nn.modules.module import Module
from ..nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from ..nn.utils.parametrize import is_parametrized, type_before_parametrizations
from ._layers import ROUNDED, ROUNDED_ROWS, ROWS, FusedModule
from ._observers import ObserverBase
from ._quantized_layers import (
    DYNAMIC,
    MISSING,
    QUANTIZED,
    QUANTIZED_ROWS,
    DynamicLinearReLU,
    FloatFunctional,
)
from ._rounding import (
    FakeQuantizeBase,
    _activation_is_memoryless,
    default_dynamic_qconfig,
    default_fixed_qparams_range_0to1_fake_quant,
    default_fixed_qparams_range_neg1to1_fake_quant,
)

if TYPE_CHECKING:
    from .._core import Tensor


class _Stub(Module):
    def __init__(self, qconfig: Any = None) -> None:
        super().__init__()
        if qconfig:
            self.qconfig = qconfig

    def forward(self, x: Tensor) -> Tensor:
        return x


class QuantStub(_Stub):
    """y = x, observed; after `convert` y is x quantized."""


class DeQuantStub(_Stub):
    """y = x; after `convert` y is x in float32."""


class QuantWrapper(Module):
    """A module between a QuantStub and a DeQuantStub."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        qconfig = getattr(module, "qconfig", None)
        self.add_module("quant", QuantStub(qconfig))
        self.add_module("dequant", DeQuantStub(qconfig))
        self.add_module("module", module)
        self.train(module.training)

    def forward(self, X: Tensor) -> Any:
        return self.dequant(self.module(self.quant(X)))  # type: ignore[attr-defined]


def _of(name: str, layer: Any) -> Any:
    """The row of this name with as many dimensions as the layer has."""
    kind = type(layer).__name__
    if kind not in ("Conv1d", "Conv2d", "Conv3d"):
        raise NotImplementedError(f"[fuse_modules] a {kind}; pass a Conv1d, Conv2d or Conv3d")
    return ROWS[name + kind[4:]]


def _check(is_qat: bool, layer: Any, bn: Any, *more: Any) -> None:
    if any(layer.training != other.training for other in (bn, *more)):
        raise AssertionError(
            "[fuse_modules] one layer trains and another does not; call train() or eval() on all"
        )
    width = getattr(layer, "out_features", getattr(layer, "out_channels", None))
    if is_qat and not (bn.num_features == width and bn.affine and bn.track_running_stats):
        raise AssertionError(
            f"[fuse_modules] {width} outputs before {bn}; its num_features must be that, affine "
            "and track_running_stats True"
        )


def fuse_conv_bn(is_qat: bool, conv: Any, bn: Any) -> Any:
    """A convolution and its BatchNorm: a row for training, one convolution in evaluation."""
    _check(is_qat, conv, bn)
    return _of("ConvBn", conv)(conv, bn) if is_qat else fuse_conv_bn_eval(conv, bn)


def fuse_conv_bn_relu(is_qat: bool, conv: Any, bn: Any, relu: Any) -> Any:
    """A convolution, its BatchNorm and a ReLU."""
    _check(is_qat, conv, bn, relu)
    if is_qat:
        return _of("ConvBnReLU", conv)(conv, bn, relu)
    return _of("ConvReLU", conv)(fuse_conv_bn_eval(conv, bn), relu)


def fuse_linear_bn(is_qat: bool, linear: Any, bn: Any) -> Any:
    """A linear layer and its BatchNorm."""
    _check(is_qat, linear, bn)
    return ROWS["LinearBn1d"](linear, bn) if is_qat else fuse_linear_bn_eval(linear, bn)


def fuse_convtranspose_bn(is_qat: bool, convt: Any, bn: Any) -> Any:
    """A transposed convolution and its BatchNorm, in evaluation."""
    _check(False, convt, bn)
    if is_qat:
        raise Exception(
            "[fuse_modules] a transposed convolution for training with rounding; fuse it in eval()"
        )
    return fuse_conv_bn_eval(convt, bn, transpose=True)


def _row(kind: Any) -> Any:
    return lambda is_qat, *modules: kind(*modules)


_METHODS: Final[dict[tuple[Any, ...], Any]] = {(nn.Linear, nn.BatchNorm1d): fuse_linear_bn}
for _d in "123":
    _conv, _bn = getattr(nn, f"Conv{_d}d"), getattr(nn, f"BatchNorm{_d}d")
    _METHODS[_conv, _bn] = fuse_conv_bn
    _METHODS[_conv, _bn, nn.ReLU] = fuse_conv_bn_relu
    _METHODS[getattr(nn, f"ConvTranspose{_d}d"), _bn] = fuse_convtranspose_bn
for _name in ("ConvReLU1d", "ConvReLU2d", "ConvReLU3d", "LinearReLU", "BNReLU2d", "BNReLU3d"):
    _METHODS[ROWS[_name]._parts] = _row(ROWS[_name])


def get_fuser_method(op_list: Any, additional_fuser_method_mapping: Any = None) -> Any:
    """What makes one layer of layers of these classes. AssertionError where nothing does."""
    found = {**_METHODS, **(additional_fuser_method_mapping or {})}.get(tuple(op_list))
    if found is None:
        names = [getattr(kind, "__name__", kind) for kind in op_list]
        raise AssertionError(
            f"[fuse_modules] {names} are not fused; pass a convolution or a Linear with BatchNorm, "
            "ReLU or both"
        )
    return found


def fuse_known_modules(
    mod_list: Any, is_qat: bool, additional_fuser_method_mapping: Any = None
) -> list[Any]:
    """The layer that does what those of the list do, and Identity for the others."""
    kinds = tuple(map(type_before_parametrizations, mod_list))
    fused = get_fuser_method(kinds, additional_fuser_method_mapping)(is_qat, *mod_list)
    for hooks, enter in (
        (mod_list[0]._forward_pre_hooks, fused.register_forward_pre_hook),
        (mod_list[-1]._forward_hooks, fused.register_forward_hook),
    ):
        for hook in [*hooks.values()]:
            enter(hook)
        hooks.clear()
    rest = [nn.Identity().train(mod_list[0].training) for _ in mod_list[1:]]
    return [fused, *rest]


def _fuse(model: Any, names: Any, is_qat: bool, inplace: bool, fuser_func: Any, config: Any) -> Any:
    model = model if inplace else deepcopy(model)
    more = (config or {}).get("additional_fuser_method_mapping", {})
    for row in [names] if all(isinstance(name, str) for name in names) else names:
        found = [model.get_submodule(name) for name in row]
        for name, new in zip(row, fuser_func(found, is_qat, more), strict=True):
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, new)
    return model


def fuse_modules(
    model: Any,
    modules_to_fuse: Any,
    inplace: bool = False,
    fuser_func: Any = fuse_known_modules,
    fuse_custom_config_dict: Any = None,
) -> Any:
    """The model with layers fused that are named in a list, or in lists.

    Convolution or Linear with BatchNorm, ReLU or both, BatchNorm with ReLU; in evaluation.
    """
    return _fuse(model, modules_to_fuse, False, inplace, fuser_func, fuse_custom_config_dict)


def fuse_modules_qat(
    model: Any,
    modules_to_fuse: Any,
    inplace: bool = False,
    fuser_func: Any = fuse_known_modules,
    fuse_custom_config_dict: Any = None,
) -> Any:
    """The same for training: BatchNorm stays, beside the layer that it will be folded into."""
    return _fuse(model, modules_to_fuse, True, inplace, fuser_func, fuse_custom_config_dict)


DEFAULT_STATIC_QUANT_MODULE_MAPPINGS: Final[dict[Any, Any]] = {
    QuantStub: QUANTIZED["Quantize"],
    DeQuantStub: QUANTIZED["DeQuantize"],
    FloatFunctional: QUANTIZED["QFunctional"],
    ROUNDED_ROWS["LinearBn1d"]: QUANTIZED["Linear"],
}
DEFAULT_QAT_MODULE_MAPPINGS: Final[dict[Any, Any]] = {
    ROWS[name]: kind for name, kind in ROUNDED_ROWS.items() if name in ROWS and name != "ConvReLU1d"
}
DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS: Final[dict[Any, Any]] = {
    getattr(nn, name): kind for name, kind in DYNAMIC.items()
} | {ROWS["LinearReLU"]: DynamicLinearReLU}
for _name in ("Conv2d", "Conv3d", "Linear"):
    DEFAULT_QAT_MODULE_MAPPINGS[getattr(nn, _name)] = ROUNDED[_name]
    DEFAULT_STATIC_QUANT_MODULE_MAPPINGS[ROUNDED[_name]] = QUANTIZED[_name]
for _name in ("Conv1d", "Conv2d", "Conv3d", "Linear", "Dropout", "ReLU6"):
    DEFAULT_STATIC_QUANT_MODULE_MAPPINGS[getattr(nn, _name)] = QUANTIZED[_name]
for _name, _kind in QUANTIZED_ROWS.items():
    DEFAULT_STATIC_QUANT_MODULE_MAPPINGS[ROWS[_name]] = _kind
    if _name != "ConvReLU1d" and _name in ROUNDED_ROWS:
        DEFAULT_STATIC_QUANT_MODULE_MAPPINGS[ROUNDED_ROWS[_name]] = _kind
for _d in "123":
    for _name, _kind in ((f"ConvBn{_d}d", QUANTIZED), (f"ConvBnReLU{_d}d", QUANTIZED_ROWS)):
        _to = _kind[_name.replace("Bn", "")]
        DEFAULT_STATIC_QUANT_MODULE_MAPPINGS[ROUNDED_ROWS[_name]] = _to
# What PyTorch quantizes and this package does not: observed all the same.
for _name in MISSING:
    DEFAULT_STATIC_QUANT_MODULE_MAPPINGS[getattr(nn, _name)] = QUANTIZED[_name]
for _name in ("EmbeddingBag", "Embedding"):
    DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS[getattr(nn, _name)] = QUANTIZED[_name]
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
        elif issubclass(kind, FusedModule) or kind in whole:
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
        if not isinstance(child, FusedModule) and type_before_parametrizations(child) not in custom:
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


def default_eval_fn(model: Any, calib_data: Any) -> None:
    """Run the model on the inputs of pairs."""
    for data, _ in calib_data:
        model(data)
