"""Mixed precision: where there is no GPU nothing changes, and the scaler scales."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext import nn


def test_autocast_warns_and_changes_nothing() -> None:
    x = bx.ones(2, 2)
    for device, dtype, missing in (
        ("cuda", None, "GPU here"),
        ("cpu", bx.float64, "product in torch.float64"),
    ):
        with pytest.warns(UserWarning, match=f"there is no {missing}"):
            block = bx.autocast(device, dtype)
        with block:
            assert (x @ x).dtype == bx.float32
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with bx.amp.autocast("cuda", enabled=False):
            assert (x @ x).dtype == bx.float32

        @bx.autocast("cpu", enabled=False)
        def doubled(t: bx.Tensor) -> bx.Tensor:
            return t * 2

    with pytest.warns(FutureWarning, match=r"use torch.amp.autocast\('cuda'\)"):
        older = bx.cuda.amp.autocast(enabled=False)
    with older:
        assert doubled(x).tolist() == [[2.0, 2.0], [2.0, 2.0]]
    with pytest.raises(RuntimeError, match="device_type is 'tpu'; one of"):
        bx.autocast("tpu")
    with pytest.raises(ValueError, match="device_type is 3; pass a string"):
        bx.autocast(3)  # type: ignore[arg-type]


def test_a_scaler_for_gpus_does_nothing() -> None:
    older = pytest.warns(FutureWarning, match="deprecated")
    with older, pytest.warns(UserWarning, match="there is no GPU here"):
        scaler = bx.cuda.amp.GradScaler()
    assert not scaler.is_enabled()
    assert scaler.get_scale() == 1.0
    w = bx.ones(1, requires_grad=True)
    optimizer = bx.optim.SGD([w], lr=0.5)
    scaler.scale((w * 2).sum()).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert w.item() == 0.0
    assert scaler.state_dict() == {}


def run(module: Any) -> list[Any]:
    """Ten steps of which some have infinite gradients: weights and scales."""
    scaler = module.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    w = module.ones(3, requires_grad=True)
    optimizer = module.optim.SGD([w], lr=0.1, momentum=0.9)
    found = []
    for k in range(10):
        optimizer.zero_grad()
        loss = (w**2).sum() * (float("inf") if k in (3, 4) else 1.0)
        scaler.scale(loss).backward()
        if k % 2:
            scaler.unscale_(optimizer)
            module.nn.utils.clip_grad_norm_([w], 1.0)
        scaler.step(optimizer)
        scaler.update()
        found += [*w.detach().tolist(), scaler.get_scale()]
    return [*found, scaler.state_dict()]


def test_scaled_steps_are_torchs() -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = run(bx), run(torch)
    assert ours[:-1] == pytest.approx(theirs[:-1], rel=1e-6)
    assert ours[-1] == theirs[-1]
    again = bx.GradScaler("cpu")
    again.load_state_dict(theirs[-1])
    assert again.state_dict() == theirs[-1]


def test_infinite_gradients_leave_a_step_out() -> None:
    scaler = bx.GradScaler("cpu", init_scale=4.0)
    w = bx.ones(1, requires_grad=True)
    optimizer = bx.optim.SGD([w], lr=0.1)
    scaler.scale((w * float("inf")).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert w.item() == 1.0
    assert scaler.get_scale() == 2.0
    assert [t.item() for t in scaler.scale([w, w])] == [2.0, 2.0]


def test_a_scaler_refuses_the_wrong_order() -> None:
    scaler = bx.GradScaler("cpu")
    w = bx.ones(1, requires_grad=True)
    optimizer = bx.optim.SGD([w], lr=0.1)
    with pytest.raises(AssertionError, match=r"no step\(\) since"):
        scaler.update()
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="it was called twice"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) was called twice"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"called after step\(\)"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="a closure cannot be scaled"):
        scaler.step(optimizer, closure=lambda: None)
    with pytest.raises(ValueError, match="a int was given"):
        scaler.scale(3)
    with pytest.raises(AssertionError, match=r"growth_factor=0\.5"):
        bx.GradScaler("cpu", growth_factor=0.5)
    with pytest.raises(RuntimeError, match="the state is empty"):
        scaler.load_state_dict({})


def test_data_parallel_is_the_module_under_a_name() -> None:
    model = nn.DataParallel(nn.Linear(3, 2))
    x = bx.ones(1, 3)
    assert bx.equal(model(x), model.module(x))
    assert list(model.state_dict()) == ["module.weight", "module.bias"]
    assert bx.equal(nn.parallel.data_parallel(model, x), model.module(x))
    with pytest.raises(RuntimeError, match=r"device_ids is \[0\], there is no GPU"):
        nn.DataParallel(nn.Linear(1, 1), device_ids=[0])


def test_new_makes_tensors_of_a_dtype_as_old_scripts_do() -> None:
    t = bx.ones(1, dtype=bx.float64)
    assert (t.new(2, 3).shape, t.new(2, 3).dtype) == ((2, 3), bx.float64)
    assert t.new(bx.Size([4])).zero_().tolist() == [0.0] * 4
    assert t.new([1, 2]).tolist() == [1.0, 2.0]
    assert t.new().shape == (0,)
    assert bx.FloatTensor(bx.Size([2, 2])).shape == (2, 2)


def test_old_names_of_initializers_warn_and_work() -> None:
    w = bx.empty(3, 4)
    for name in ("xavier_uniform", "kaiming_normal", "orthogonal", "normal", "uniform"):
        bx.manual_seed(0)
        with pytest.warns(FutureWarning, match=rf"\[{name}\] the name is deprecated; use {name}_"):
            first = getattr(nn.init, name)(w).tolist()
        bx.manual_seed(0)
        assert getattr(nn.init, f"{name}_")(w).tolist() == first
    with pytest.warns(FutureWarning, match="constant_"):
        assert nn.init.constant(w, 2.0).sum() == 24
    p = bx.ones(2, requires_grad=True)
    p.grad = bx.ones(2) * 10
    with pytest.warns(FutureWarning, match="clip_grad_norm_"):
        nn.utils.clip_grad_norm([p], 1.0)
    assert p.grad.norm().item() == pytest.approx(1.0)


def test_the_settings_of_a_scaler_are_read_and_set() -> None:
    scaler = bx.amp.GradScaler("cpu")
    for name, value in (("growth_factor", 3.0), ("backoff_factor", 0.25), ("growth_interval", 7)):
        assert scaler.state_dict()[name] == getattr(scaler, f"get_{name}")()
        getattr(scaler, f"set_{name}")(value)
        assert scaler.state_dict()[name] == value
    other = bx.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.get_growth_factor() == 3.0


def test_products_of_all_kinds_are_narrow_in_a_block() -> None:
    x, series = bx.ones(3, 3), bx.ones(4, 1, 3)
    with bx.autocast("cpu", dtype=bx.bfloat16):
        found = [
            bx.inner(x, x), bx.tensordot(x, x, 1), bx.linalg.multi_dot([x, x]),
            bx.matrix_power(x, 2), bx.nn.PReLU()(x), bx.nn.RNN(3, 2)(series)[0],
            bx.nn.LSTM(3, 2)(series)[0], bx.nn.RNNCell(3, 2)(x),
        ]  # fmt: skip
        assert {t.dtype for t in found} == {bx.bfloat16}
        assert bx.nn.GRU(3, 2)(series)[0].dtype == bx.float32  # as in PyTorch
