"""torch's lower-level functions and control flow, beside what they are made of and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import backprop_ext as bx


def _tensors(package: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    make = {
        "x": rng.normal(size=(4, 6)),
        "y": rng.normal(size=(4, 6)),
        "image": rng.normal(size=(2, 4, 5, 5)),
        "line": rng.normal(size=(2, 4, 9)),
        "w": rng.normal(size=(6,)),
        "b": rng.normal(size=(6,)),
        "c": rng.normal(size=(4,)),
        "theta": rng.normal(size=(2, 2, 3)),
        "table": rng.normal(size=(7, 3)),
        "kernel": rng.normal(size=(3, 9, 2)),
        "bias": rng.normal(size=(2,)),
        "sign": np.sign(rng.normal(size=(4,))),
        "unit": rng.uniform(0.1, 0.9, size=(4, 6)),
    }
    found = {k: package.tensor(v.astype(np.float32)) for k, v in make.items()}
    found["index"] = package.tensor([0, 3, 3, 6, 1])
    found["offsets"] = package.tensor([0, 2, 2])
    found["ints"] = package.tensor([[12, 18], [7, 49]])
    return found


CALLS = {
    "adaptive_max_pool1d": lambda t, a: t.adaptive_max_pool1d(a["line"], 4),
    "max_pool1d_with_indices": lambda t, a: t.max_pool1d_with_indices(a["line"], 2),
    "affine_grid_generator": lambda t, a: t.affine_grid_generator(a["theta"], (2, 1, 3, 4), False),
    "grid_sampler": lambda t, a: t.grid_sampler(
        a["image"], t.affine_grid_generator(a["theta"], (2, 4, 3, 4), False), 0, 1, True
    ),
    "alias_copy": lambda t, a: t.alias_copy(a["x"]),
    "detach_copy": lambda t, a: t.detach_copy(a["x"]),
    "slice_copy": lambda t, a: t.slice_copy(a["x"], 1, 1, 6, 2),
    "as_strided_": lambda t, a: t.as_strided_(a["x"].clone(), (2, 2), (1, 3)),
    "addmv_": lambda t, a: t.addmv_(a["c"].clone(), a["x"], a["w"]),
    "gcd_": lambda t, a: t.gcd_(a["ints"].clone(), t.tensor(6)),
    "lcm_": lambda t, a: t.lcm_(a["ints"].clone(), t.tensor(6)),
    "ldexp_": lambda t, a: t.ldexp_(a["x"].clone(), t.tensor(2)),
    "logit_": lambda t, a: t.logit_(a["unit"].clone()),
    "rrelu_": lambda t, a: t.rrelu_(a["x"].clone()),
    "dropout_": lambda t, a: t.dropout_(a["x"].clone(), 0.5, True),
    "alpha_dropout_": lambda t, a: t.alpha_dropout_(a["x"].clone(), 0.5, True),
    "feature_dropout_": lambda t, a: t.feature_dropout_(a["image"].clone(), 0.5, True),
    "binary_cross_entropy_with_logits": lambda t, a: t.binary_cross_entropy_with_logits(
        a["x"], a["unit"], None, None, 2
    ),
    "conv_tbc": lambda t, a: t.conv_tbc(a["line"], a["kernel"], a["bias"], 1),
    "cosine_embedding_loss": lambda t, a: t.cosine_embedding_loss(
        a["x"], a["y"], a["sign"], 0.1, 0
    ),
    "ctc_loss": lambda t, a: t.ctc_loss(
        a["line"].log_softmax(2), t.tensor([[1, 2], [3, 3], [5, 8], [1, 1]]), [2] * 4, [1] * 4
    ),
    "embedding_bag": lambda t, a: t.embedding_bag(a["table"], a["index"], a["offsets"])[0],
    "embedding_bag mean": lambda t, a: t.embedding_bag(
        a["table"], a["index"], a["offsets"], False, 1
    )[0],
    "hinge_embedding_loss": lambda t, a: t.hinge_embedding_loss(a["c"], a["sign"], 1.0, 2),
    "kl_div": lambda t, a: t.kl_div(a["x"], a["unit"], 0),
    "margin_ranking_loss": lambda t, a: t.margin_ranking_loss(a["c"], a["c"] * 2, a["sign"]),
    "poisson_nll_loss": lambda t, a: t.poisson_nll_loss(a["x"], a["unit"], True, True, 1e-8, 1),
    "triplet_margin_loss": lambda t, a: t.triplet_margin_loss(
        a["x"], a["y"], a["unit"], 1.0, 2, 1e-6, True, 0
    ),
    "native_dropout": lambda t, a: t.native_dropout(a["x"], 0.5, True),
    "native_dropout off": lambda t, a: t.native_dropout(a["x"], 0.5, False),
    "native_layer_norm": lambda t, a: t.native_layer_norm(a["x"], (6,), a["w"], a["b"], 1e-5),
    "native_group_norm": lambda t, a: t.native_group_norm(
        a["image"], a["c"], None, 2, 4, 25, 2, 1e-5
    ),
    "native_batch_norm": lambda t, a: t.native_batch_norm(
        a["image"], a["c"], a["c"], None, None, True, 0.1, 1e-5
    ),
    "kl_div by default": lambda t, a: t.kl_div(a["x"], a["unit"]),
    "norm_except_dim": lambda t, a: t.norm_except_dim(a["image"], 2, 1),
    "norm_except_dim all": lambda t, a: t.norm_except_dim(a["image"], 2, -1),
    "cond": lambda t, a: t.cond(a["x"].sum() > 0, lambda v: v + 1, lambda v: v - 1, (a["x"],)),
    "while_loop": lambda t, a: t.while_loop(
        lambda n, v: n < 4, lambda n, v: (n + 1, v * 2), (t.tensor(0), a["x"])
    ),
    "sym_max": lambda t, a: (t.sym_max(1, 2.0), t.sym_max(3, 2.0), t.sym_min(1, 2.0)),
    "sym": lambda t, a: (t.sym_int(-1.5), t.sym_float(2), t.sym_sqrt(4), t.sym_sum([1, 2])),
    "is": lambda t, a: (t.is_conj(a["x"]), t.is_neg(a["x"]), t.is_distributed(a["x"])),
}


def _plain(found: Any) -> list[Any]:
    if isinstance(found, (tuple, list)):
        return [part for one in found for part in _plain(one)]
    return [found.detach().numpy() if hasattr(found, "detach") else found]


@pytest.mark.parametrize("name", CALLS)
def test_a_lower_function_is_pytorchs(name: str) -> None:
    there = pytest.importorskip("torch")
    results = []
    for package in (there, bx):
        package.manual_seed(0)
        results.append(_plain(CALLS[name](package, _tensors(package))))
    expected, found = results
    assert len(expected) == len(found)
    for a, b in zip(expected, found, strict=True):
        assert type(a) is type(b)
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=2e-6)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype


def test_losses_take_their_reduction_as_a_number() -> None:
    a = _tensors(bx)
    every = bx.kl_div(a["x"], a["unit"], 0)
    assert every.shape == a["x"].shape
    np.testing.assert_allclose(bx.kl_div(a["x"], a["unit"], 2).numpy(), every.sum().numpy(), 1e-5)
    with pytest.warns(UserWarning, match="batchmean"):
        mean = bx.kl_div(a["x"], a["unit"], 1)
    np.testing.assert_allclose(mean.numpy(), every.mean().numpy(), 1e-5)
    with pytest.raises(ValueError, match=r"\[kl_div\] reduction is 3; pass 0"):
        bx.kl_div(a["x"], a["unit"], 3)


def test_native_dropout_keeps_what_its_mask_says() -> None:
    x = bx.ones(1000, requires_grad=True)
    out, mask = bx.native_dropout(x, 0.25, True)
    assert mask.dtype == bx.bool
    np.testing.assert_allclose(out.detach().numpy(), mask.numpy() / np.float32(0.75))
    out.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), mask.numpy() / np.float32(0.75))


def test_a_branch_and_a_loop_are_differentiated() -> None:
    x = bx.tensor(3.0, requires_grad=True)
    y = bx.cond(x > 2, lambda v: v**2, lambda v: v, (x,))
    assert bx.while_loop(lambda v: v < 100, lambda v: v * y, (bx.tensor(1.0),)).item() == 729
    z = bx.while_loop(lambda v: v < 100, lambda v: v * y, (bx.tensor(1.0),))
    (slope,) = bx.autograd.grad(z, x)
    assert slope.item() == 6 * 3.0**5  # z = x^6


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: bx.cond(bx.ones(2), abs, abs, (1,)),
            RuntimeError,
            r"\[cond\] the condition has 2 elements; pass one",
        ),
        (lambda: bx.cond(True, 3, 4, (1,)), TypeError, "not callable"),
        (
            lambda: bx.while_loop(lambda v: v < 3, lambda v: (v, v), (bx.tensor(1),)),
            RuntimeError,
            r"\[while_loop\] body_fn returns 2 values of 1; return all",
        ),
        (
            lambda: bx.grid_sampler(bx.ones(1, 1, 2, 2), bx.ones(1, 2, 2, 2), 5, 0, True),
            RuntimeError,
            r"\[grid_sampler\] interpolation_mode 5, padding_mode 0; pass 0 to 2",
        ),
        (
            lambda: bx.conv_tbc(bx.ones(2, 2), bx.ones(1, 2, 2), bx.ones(2)),
            RuntimeError,
            r"\[conv_tbc\] input is \(2, 2\), weight \(1, 2, 2\); pass three dimensions",
        ),
        (
            lambda: bx.embedding_bag(bx.ones(2, 2), bx.tensor([0]), bx.tensor([0]), mode=7),
            RuntimeError,
            r"\[embedding_bag\] mode is 7; pass 0",
        ),
    ],
)
def test_what_they_reject(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_gpus_of_other_makers_are_absent_as_nvidias() -> None:
    for gpu in (bx.xpu, bx.mps):
        assert not gpu.is_available()
        assert gpu.device_count() == 0
        gpu.manual_seed(0)
    assert bx.xpu.memory_allocated() == 0
    with pytest.raises(AssertionError, match=r"\[device\] xpu was asked for, cpu is what there is"):
        bx.xpu.synchronize()
    with pytest.raises(RuntimeError, match=r"\[device\] mps was asked for, cpu is what there is"):
        bx.mps.empty_cache()
