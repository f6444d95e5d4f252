"""Transformers: PyTorch's numbers from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

torch = pytest.importorskip("torch")
WIDTH = {"d_model": 8, "nhead": 2, "dim_feedforward": 16}


def assert_same_numbers(build: Any) -> None:
    torch.manual_seed(0)
    bx.manual_seed(0)
    expected, actual = build(torch), build(bx)
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        if isinstance(e, str):
            assert a == e
            continue
        a, e = np.asarray(a.detach().tolist()), np.asarray(e.detach().tolist())
        np.testing.assert_allclose(a, e, 1e-3, 1e-5)


def learn(out: Any, module: Any) -> list[Any]:
    (out * out).sum().backward()
    return [out, *[p.grad for p in module.parameters()], repr(module)]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "options",
    [{}, {"norm_first": True, "activation": "gelu"}, {"batch_first": True, "bias": False}],
)
def test_layers_are_pytorchs(options: Any) -> None:
    def build(lib: Any) -> list[Any]:
        x, memory = lib.randn(4, 3, 8), lib.randn(4, 3, 8)
        n = 3 if options.get("batch_first") else 4
        mask = lib.nn.Transformer.generate_square_subsequent_mask(n)
        encoder = lib.nn.TransformerEncoderLayer(**WIDTH, **options)
        stack = lib.nn.TransformerEncoder(encoder, 2, lib.nn.LayerNorm(8))
        decoder = lib.nn.TransformerDecoder(lib.nn.TransformerDecoderLayer(**WIDTH, **options), 2)
        return [
            mask,
            *learn(stack(x, mask=mask), stack),
            *learn(decoder(x, memory, tgt_mask=mask), decoder),
        ]

    assert_same_numbers(build)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_transformer_is_pytorchs() -> None:
    def build(lib: Any) -> list[Any]:
        module = lib.nn.Transformer(8, 2, 1, 1, 16)
        source, target = lib.randn(5, 3, 8), lib.randn(4, 3, 8)
        trained = learn(module(source, target), module)
        hidden = lib.tensor([[False] * 4 + [True]] * 3)
        module.eval()
        return [*trained, module(source, target, src_key_padding_mask=hidden,
                                 memory_key_padding_mask=hidden)]  # fmt: skip

    assert_same_numbers(build)


def test_wrong_shapes_are_named() -> None:
    module = bx.nn.Transformer(8, 2, 1, 1, 16)
    with pytest.raises(RuntimeError, match="batch number"):
        module(bx.zeros(5, 3, 8), bx.zeros(4, 2, 8))
    with pytest.raises(RuntimeError, match="d_model=8"):
        module(bx.zeros(5, 3, 7), bx.zeros(4, 3, 7))


def test_fused_attention_takes_a_mask_beside_is_causal() -> None:
    attend = bx.nn.functional.scaled_dot_product_attention
    x = bx.randn(2, 1, 4, 3)
    seen = bx.tensor([[True, True, False, True]] * 4)
    both = attend(x, x, x, seen & bx.ones(4, 4, dtype=bx.bool).tril())
    assert bx.equal(attend(x, x, x, seen, is_causal=True), both)
    with pytest.raises(RuntimeError, match="should not be set when is_causal=True"):
        attend(x[0], x[0], x[0], seen, is_causal=True)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_what_is_padded_is_zero_where_pytorch_packs() -> None:
    found = []
    for package in (bx, torch):
        package.manual_seed(0)
        layer = package.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        encoder = package.nn.TransformerEncoder(layer, 2).eval()
        assert (encoder.use_nested_tensor, layer.activation_relu_or_gelu) == (True, 1)
        x = package.arange(24.0).reshape(2, 3, 4).sin()
        for hidden in ([[0, 0, 1], [0, 1, 1]], [[1, 0, 0], [0, 0, 1]]):
            padding = package.tensor(hidden).bool()
            found.append(encoder(x, src_key_padding_mask=padding).detach().numpy())
            with package.no_grad():
                found.append(encoder(x, src_key_padding_mask=padding).numpy())
    for ours, theirs in zip(found[:4], found[4:], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert not found[1][0, 2].any()
    last = bx.nn.TransformerEncoderLayer(4, 2, norm_first=True)
    assert not bx.nn.TransformerEncoder(last, 1).use_nested_tensor


def test_masks_of_two_types_are_deprecated() -> None:
    attention, x = bx.nn.MultiheadAttention(4, 2), bx.zeros(3, 1, 4)
    with pytest.warns(UserWarning, match="two types"):
        attention(x, x, x, key_padding_mask=bx.zeros(1, 3).bool(), attn_mask=bx.zeros(3, 3))
