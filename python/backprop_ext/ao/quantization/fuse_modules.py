"""Layers in a row replaced by one that does the same.

Source: https://docs.pytorch.org/docs/stable/generated/torch.ao.quantization.fuse_modules.fuse_modules.html
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from ... import nn
from ...nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from ...nn.utils.parametrize import type_before_parametrizations
from ..nn import intrinsic as rows

__all__ = [
    "fuse_conv_bn",
    "fuse_conv_bn_relu",
    "fuse_convtranspose_bn",
    "fuse_known_modules",
    "fuse_linear_bn",
    "fuse_modules",
    "fuse_modules_qat",
    "get_fuser_method",
]

_DIMS: Final = range(1, 4)


def _of(name: str, layer: Any) -> Any:
    """The row of this name with as many dimensions as the layer has."""
    kind = type(layer).__name__
    if kind not in ("Conv1d", "Conv2d", "Conv3d"):
        raise NotImplementedError(f"[fuse_modules] a {kind}; pass a Conv1d, Conv2d or Conv3d")
    return getattr(rows, name + kind[4:])


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
    return rows.LinearBn1d(linear, bn) if is_qat else fuse_linear_bn_eval(linear, bn)


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
for _d in _DIMS:
    _conv, _bn = getattr(nn, f"Conv{_d}d"), getattr(nn, f"BatchNorm{_d}d")
    _METHODS[_conv, _bn] = fuse_conv_bn
    _METHODS[_conv, _bn, nn.ReLU] = fuse_conv_bn_relu
    _METHODS[getattr(nn, f"ConvTranspose{_d}d"), _bn] = fuse_convtranspose_bn
for _name in ("ConvReLU1d", "ConvReLU2d", "ConvReLU3d", "LinearReLU", "BNReLU2d", "BNReLU3d"):
    _METHODS[getattr(rows, _name)._parts] = _row(getattr(rows, _name))


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
