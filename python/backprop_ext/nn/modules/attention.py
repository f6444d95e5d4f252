"""Attention of several heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import _core
from ..._checks import the_tensor
from .. import functional as F
from .. import init
from ..parameter import Parameter
from .linear import Linear
from .module import Module

if TYPE_CHECKING:
    from ..._core import Tensor
    from ...types import Device

__all__ = ["MultiheadAttention"]


class NonDynamicallyQuantizableLinear(Linear):
    """The Linear under a name that models print."""


class MultiheadAttention(Module):
    """concat_h softmax(Q_h K_h^T / sqrt(E / heads) + mask) V_h W^O, Q, K, V = x W + b.

    query (L, N, E), key (S, N, kdim), value (S, N, vdim), N first with batch_first, or no N.
    Matrices start from Xavier's uniform, biases from 0.
    Source: Vaswani et al., arXiv:1706.03762.
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Device = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"[MultiheadAttention] {embed_dim=} and {num_heads=}; pass 1 or more of both"
            )
        super().__init__()
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.batch_first, self.add_zero_attn = batch_first, add_zero_attn
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError(
                f"[MultiheadAttention] embed_dim={embed_dim} must be divisible by "
                f"num_heads={num_heads}; change one of them"
            )

        def declare(name: str, wanted: bool, *shape: int) -> None:
            value = _core.empty(shape, dtype=dtype, device=device) if wanted else None
            self.register_parameter(name, None if value is None else Parameter(value))

        same = self._qkv_same_embed_dim
        declare("q_proj_weight", not same, embed_dim, embed_dim)
        declare("k_proj_weight", not same, embed_dim, self.kdim)
        declare("v_proj_weight", not same, embed_dim, self.vdim)
        declare("in_proj_weight", same, 3 * embed_dim, embed_dim)
        declare("in_proj_bias", bias, 3 * embed_dim)
        self.out_proj = NonDynamicallyQuantizableLinear(
            embed_dim, embed_dim, bias=bias, device=device, dtype=dtype
        )
        declare("bias_k", add_bias_kv, 1, 1, embed_dim)
        declare("bias_v", add_bias_kv, 1, 1, embed_dim)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            weight = getattr(self, name)
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        if self.bias_k is not None and self.bias_v is not None:
            init.xavier_normal_(self.bias_k)
            init.xavier_normal_(self.bias_v)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        swap = self.batch_first and the_tensor("MultiheadAttention", query).ndim == 3
        if swap:
            # The same object where it was the same: one product then makes all three.
            given = {id(t): t.transpose(0, 1) for t in (query, key, value)}
            query, key, value = (given[id(t)] for t in (query, key, value))
        out, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            self.training,
            key_padding_mask,
            need_weights,
            attn_mask,
            not self._qkv_same_embed_dim,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (out.transpose(0, 1) if swap else out), weights
