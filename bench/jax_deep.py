"""The deeper models as functions of their parameters, images with their channels last."""

from __future__ import annotations

from typing import Any

from jax_like import Array, Jax, Tree, linear
from problems_deep import Gpt, LeNet, Lstm


def lenet(jax: Jax, _: LeNet, params: Tree, x: Array) -> Array:
    """LeNet-5."""
    lax, relu = jax.lax, jax.nn.relu

    def convolve(name: str, x: Array) -> Array:
        x = lax.conv_general_dilated(
            x,
            params[f"{name}.weight"],
            window_strides=(1, 1),
            padding="VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return pooled(relu(x + params[f"{name}.bias"]))

    def pooled(x: Array) -> Array:
        batch, height, width, channels = x.shape
        return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))

    x = convolve("3", convolve("0", x.transpose(0, 2, 3, 1)))
    # The linear layer's columns are in the order channels, height, width.
    x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
    return linear(params, "11", relu(linear(params, "9", relu(linear(params, "7", x)))))


def lstm(jax: Jax, problem: Lstm, params: Tree, x: Array) -> Array:
    """The products with the inputs at once, then a scan over time."""
    jnp, sigmoid = jax.numpy, jax.nn.sigmoid
    bias = params["lstm.bias_ih_l0"] + params["lstm.bias_hh_l0"]
    inputs = (x @ params["lstm.weight_ih_l0"] + bias).swapaxes(0, 1)

    def cell(carry: tuple[Array, Array], z: Array) -> tuple[tuple[Array, Array], None]:
        h, c = carry
        i, f, g, o = jnp.split(z + h @ params["lstm.weight_hh_l0"], 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
        return (sigmoid(o) * jnp.tanh(c), c), None

    zeros = jnp.zeros((x.shape[0], problem.hidden))
    (h, _), _ = jax.lax.scan(cell, (zeros, zeros), inputs)
    return linear(params, "head", h)


def gpt(jax: Jax, problem: Gpt, params: Tree, tokens: Array) -> Array:
    """Embeddings, blocks of causal attention and a perceptron, a norm and a head."""
    batch, length = tokens.shape
    by_head = (batch, length, problem.heads, -1)
    x = params["tokens.weight"][tokens] + params["positions.weight"]
    for layer in range(problem.layers):
        block = f"blocks.{layer}"
        parts = _norm(jax, params, f"{block}.norm1", x) @ params[f"{block}.qkv.weight"]
        q, k, v = (part.reshape(by_head) for part in jax.numpy.split(parts, 3, axis=2))
        seen: Any = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        x = x + linear(params, f"{block}.out", seen.reshape(x.shape))
        hidden = linear(params, f"{block}.up", _norm(jax, params, f"{block}.norm2", x))
        x = x + linear(params, f"{block}.down", jax.nn.gelu(hidden, approximate=False))
    logits = _norm(jax, params, "norm", x) @ params["head.weight"]
    return logits.reshape(-1, problem.vocabulary)


def _norm(jax: Jax, params: Tree, name: str, x: Array) -> Array:
    mean = x.mean(axis=-1, keepdims=True)
    centred = x - mean
    scale = jax.lax.rsqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5)
    return centred * scale * params[f"{name}.weight"] + params[f"{name}.bias"]
