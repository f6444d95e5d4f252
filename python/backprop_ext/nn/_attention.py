"""Attention of several heads, as a function of its weights."""

from __future__ import annotations

import warnings
from math import sqrt
from typing import TYPE_CHECKING, Any

from .. import _core
from .._checks import the_number, the_tensor
from .._core import _nn
from ._masks import dropout

if TYPE_CHECKING:
    from .._core import Tensor

__all__ = ["multi_head_attention_forward"]


def _additive(name: str, mask: Tensor | None, dtype: Any) -> Tensor | None:
    """A mask as numbers to add: a bool True becomes -inf."""
    if mask is None:
        return None
    if the_tensor("multi_head_attention_forward", mask, name).dtype == _core.bool:
        return _core.zeros(mask.shape, dtype=dtype).masked_fill(mask, float("-inf"))
    if not mask.is_floating_point():
        raise AssertionError(
            f"[multi_head_attention_forward] {name} is {mask.dtype}; only bool and floating types "
            "are supported"
        )
    return mask


def _project(
    query: Tensor, key: Tensor, value: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, ...]:
    """Query, key and value through one matrix: in one product where they are the same."""
    if query is key and key is value:
        return tuple(_nn.linear(query, weight, bias).chunk(3, -1))
    weights, biases = _thirds(weight), _thirds(bias)
    return tuple(
        _nn.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)
    )


def _thirds(t: Tensor | None) -> Any:
    parts = (None, None, None) if t is None else t.chunk(3)
    if t is not None and len(parts) < 3:
        raise ValueError(
            f"[multi_head_attention_forward] in_proj_weight or in_proj_bias has shape "
            f"{tuple(t.shape)}, not of three parts; stack those of query, key and value"
        )
    return parts


def _project_apart(
    op: str, x: Tensor, weight: Tensor | None, bias: Tensor | None, width: int
) -> Tensor:
    """x through a matrix of its own."""
    found = [None if t is None else tuple(t.shape) for t in (weight, bias)]
    if found[0] != (width, x.shape[-1]) or found[1] not in (None, (width,)):
        raise AssertionError(
            f"[{op}] a projection has a weight of shape {found[0]} and a part of in_proj_bias of "
            f"{found[1]}; expected {(width, x.shape[-1])} and {(width,)}"
        )
    return _nn.linear(x, weight, bias)  # type: ignore[arg-type]


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """concat_h softmax(Q_h K_h^T / sqrt(E / heads) + mask) V_h, through the output's matrix.

    query (L, N, E), key and value (S, N, E), or without N. attn_mask (L, S) or (N heads, L, S),
    key_padding_mask (N, S): True, or -inf, where nothing is to be seen. Returns the output and,
    with need_weights, the weights (N, L, S), or (N, heads, L, S) when they are not averaged.
    Raises RuntimeError for shapes that do not fit. Source: Vaswani et al., arXiv:1706.03762.
    """
    op = "multi_head_attention_forward"
    dims = {the_tensor(op, t).ndim for t in (query, key, value)}
    batched = query.ndim == 3
    if len(dims) > 1 or query.ndim not in (2, 3):
        raise AssertionError(
            f"[{op}] query, key and value have shapes {tuple(query.shape)}, {tuple(key.shape)} "
            f"and {tuple(value.shape)}; all must have 3 dimensions, or 2 without a batch"
        )
    if is_causal and attn_mask is None:
        raise RuntimeError(f"[{op}] Need attn_mask if specifying the is_causal hint; pass both")
    masks = (key_padding_mask, attn_mask)
    if len({mask.dtype for mask in masks if isinstance(mask, _core.Tensor)}) > 1:
        warnings.warn(
            f"[{op}] key_padding_mask and attn_mask of two types are deprecated; give both one",
            stacklevel=3,
        )
    padding = _additive("key_padding_mask", key_padding_mask, query.dtype)
    if is_causal and padding is None and not need_weights:
        mask = None
    else:
        mask, is_causal = _additive("attn_mask", attn_mask, query.dtype), False
    same = (query is key, key is value)
    if not batched:
        query = query.unsqueeze(1)
        key = query if same[0] else key.unsqueeze(1)
        value = key if same[1] else value.unsqueeze(1)
        padding = None if padding is None else padding.unsqueeze(0)
    length, batch, width = query.shape
    optional = {"in_proj_bias": in_proj_bias, "bias_k": bias_k, "bias_v": bias_v}
    if use_separate_proj_weight:
        optional |= {"q_proj_weight": q_proj_weight, "k_proj_weight": k_proj_weight}
        optional |= {"v_proj_weight": v_proj_weight}
    for name, t in optional.items():
        if t is not None:
            the_tensor(op, t, name)
    if the_number(op, num_heads, "num_heads") == 0:
        raise ZeroDivisionError(f"[{op}] num_heads is 0; pass 1 or more")
    if width != embed_dim_to_check or width % num_heads:
        raise AssertionError(
            f"[{op}] the embedding has size {width}, {embed_dim_to_check} was expected, for "
            f"{num_heads} heads; it must be that size and divisible by the heads"
        )
    along = 2 if use_separate_proj_weight else 3
    if key.shape[:along] != value.shape[:along]:
        raise AssertionError(
            f"[{op}] key has shape {tuple(key.shape)}, value {tuple(value.shape)}; they must agree"
        )
    size = width // num_heads
    if use_separate_proj_weight:
        parts = _thirds(in_proj_bias)
        weights: Any = (q_proj_weight, k_proj_weight, v_proj_weight)
        q, k, v = (
            _project_apart(op, x, w, b, width)
            for x, w, b in zip((query, key, value), weights, parts, strict=True)
        )
    else:
        if in_proj_weight is None:
            raise AssertionError(f"[{op}] in_proj_weight is None; pass it, or the three apart")
        whole_weight = the_tensor(op, in_proj_weight, "in_proj_weight")
        q, k, v = _project(query, key, value, whole_weight, in_proj_bias)
    if mask is not None:
        mask = _checked_mask(op, mask, length, key.shape[0], batch * num_heads)
    extra = 0
    if (bias_k is None) != (bias_v is None):
        raise AssertionError(f"[{op}] one of bias_k and bias_v is given; pass both or none")
    if bias_k is not None and bias_v is not None:
        if any(b.shape[-1:] != (width,) or b.numel() != width for b in (bias_k, bias_v)):
            raise RuntimeError(
                f"[{op}] bias_k and bias_v have shapes {tuple(bias_k.shape)} and "
                f"{tuple(bias_v.shape)}; expected (1, 1, {width})"
            )
        k = _core.cat([k, bias_k.expand(1, batch, width)])
        v = _core.cat([v, bias_v.expand(1, batch, width)])
        extra += 1

    def heads(x: Tensor) -> Tensor:
        """(length, batch, width) as (batch, heads, length, size)."""
        return x.reshape(x.shape[0], batch, num_heads, size).permute(1, 2, 0, 3)

    q = heads(q)
    k = heads(k) if static_k is None else static_k.reshape(batch, num_heads, -1, size)
    v = heads(v) if static_v is None else static_v.reshape(batch, num_heads, -1, size)
    if add_zero_attn:
        nothing = _core.zeros(batch, num_heads, 1, size, dtype=q.dtype)
        k, v = _core.cat([k, nothing], 2), _core.cat([v, nothing], 2)
        extra += 1
    if mask is not None:
        mask = _widen(mask, extra)
        mask = (
            mask.unsqueeze(0).unsqueeze(0)
            if mask.ndim == 2
            else mask.reshape(batch, num_heads, length, -1)
        )
    if padding is not None:
        if tuple(padding.shape) != (batch, k.shape[2] - extra):
            raise AssertionError(
                f"[{op}] key_padding_mask has shape {tuple(padding.shape)}, "
                f"{(batch, k.shape[2] - extra)} is expected: (batch, keys)"
            )
        padding = _widen(padding, extra).unsqueeze(1).unsqueeze(1)
        mask = padding if mask is None else mask + padding
    p = dropout_p if training else 0.0
    attention = None
    if need_weights:
        scores = (q * (1.0 / sqrt(size))) @ k.transpose(-2, -1)
        attention = _core.softmax(scores if mask is None else scores + mask, -1)
        attention = dropout(attention, p)
        out = attention @ v
        attention = attention.mean(1) if average_attn_weights else attention
    else:
        out = _nn.scaled_dot_product_attention(q, k, v, mask, p, is_causal)
    out = out.permute(2, 0, 1, 3).reshape(length * batch, width)
    out = _nn.linear(out, out_proj_weight, out_proj_bias).reshape(length, batch, -1)
    if batched:
        return out, attention
    return out.squeeze(1), None if attention is None else attention.squeeze(0)


def _widen(mask: Tensor, extra: int) -> Tensor:
    """Zeros for the keys that were added at the end."""
    if not extra:
        return mask
    return _core.cat([mask, _core.zeros(*mask.shape[:-1], extra, dtype=mask.dtype)], -1)


def _checked_mask(op: str, mask: Tensor, length: int, keys: int, heads: int) -> Tensor:
    expected = (length, keys) if mask.ndim == 2 else (heads, length, keys)
    if tuple(mask.shape) != expected:
        raise (RuntimeError if mask.ndim in (2, 3) else AssertionError)(
            f"[{op}] attn_mask has shape {tuple(mask.shape)}, {expected} is expected; reshape it"
        )
    return mask
