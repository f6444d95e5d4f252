"""A BatchNorm that is done training, folded into the layer before it.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.fuse_conv_bn_eval.html
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from ... import _core
from ..parameter import Parameter

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]


def _fused(
    weight: Tensor, bias: Tensor | None, mean: Tensor, var: Tensor, eps: float,
    gain: Tensor | None, shift: Tensor | None, channels: int,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """gain (W x + b - mean) / sqrt(var + eps) + shift as W' x + b'; W has its channels there."""
    scale = _core.rsqrt(var + eps) if gain is None else gain * _core.rsqrt(var + eps)
    shape = [-1 if k == channels else 1 for k in range(weight.ndim)]
    moved = (-mean if bias is None else bias - mean) * scale
    trained = weight.requires_grad, bias is not None and bias.requires_grad
    return (
        Parameter((weight * scale.reshape(shape)).to(weight.dtype), trained[0]),
        Parameter((moved if shift is None else moved + shift).to(weight.dtype), trained[1]),
    )


def fuse_conv_bn_weights(
    conv_w: Tensor, conv_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float,
    bn_w: Tensor | None, bn_b: Tensor | None, transpose: bool = False,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """(weight, bias) of the convolution that does both; transpose: of a transposed one."""
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, int(bool(transpose)))


def fuse_linear_bn_weights(
    linear_w: Tensor, linear_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float,
    bn_w: Tensor, bn_b: Tensor,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """(weight, bias) of the linear layer that does both."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of the convolution that does both. Raises AssertionError for a module that trains."""
    return _copy_of("fuse_conv_bn_eval", conv, bn, int(bool(transpose)))


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A copy of the linear layer that does both.

    Raises AssertionError for a module that trains, and for another number of features.
    """
    if bn.num_features not in (1, linear.out_features):
        raise AssertionError(
            f"[fuse_linear_bn_eval] {bn.num_features} features normalised of "
            f"{linear.out_features}; pass layers of one width"
        )
    return _copy_of("fuse_linear_bn_eval", linear, bn, 0)


def _copy_of(op: str, layer: Any, bn: Any, channels: int) -> Any:
    if layer.training or bn.training or bn.running_mean is None:
        raise AssertionError(
            f"[{op}] a layer that trains, or has no running statistics; call eval() on both"
        )
    fused = deepcopy(layer)
    fused.weight, fused.bias = _fused(
        layer.weight, layer.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias,
        channels,
    )  # fmt: skip
    return fused
