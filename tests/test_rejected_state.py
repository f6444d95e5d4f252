"""Mistakes in making, loading and stepping: what is rejected leaves everything as it was, and what
PyTorch accepts, such as files from before a setting existed, is accepted."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import nn, optim
from backprop_ext.optim import lr_scheduler as schedulers


def linear() -> nn.Linear:
    layer = nn.Linear(3, 2)
    for p in layer.parameters():
        p.grad = bx.ones_like(p)
    return layer


@pytest.mark.parametrize("target", ["x", None, 1.5])
def test_a_cast_to_no_type_keeps_the_gradients(target: Any) -> None:
    layer = linear()
    with pytest.raises((TypeError, ValueError)):
        layer.type(target)
    assert layer.weight.grad is not None
    assert layer.weight.dtype == bx.float32


@pytest.mark.parametrize(
    "make",
    [
        lambda o: schedulers.MultiplicativeLR(o, 0.5),
        lambda o: schedulers.LambdaLR(o, [0.5]),
        lambda o: schedulers.CosineAnnealingWarmRestarts(o, 5, eta_min=bx.ones(1)),
        lambda o: schedulers.OneCycleLR(o, 0.2, total_steps=10, pct_start=None),
    ],
)
def test_a_scheduler_that_is_refused_leaves_the_groups(make: Any) -> None:
    optimizer = optim.SGD(linear().parameters(), lr=0.1, momentum=0.9)
    before = [{**group} for group in optimizer.param_groups]
    with pytest.raises((TypeError, ValueError)):
        make(optimizer)
    assert [{**group} for group in optimizer.param_groups] == before


def test_a_sequence_takes_no_scheduler_that_needs_a_metric() -> None:
    optimizer = optim.SGD(linear().parameters(), lr=0.1)
    parts = [schedulers.StepLR(optimizer, 2), schedulers.ReduceLROnPlateau(optimizer)]
    with pytest.raises(ValueError, match="needs a metric"):
        schedulers.SequentialLR(optimizer, parts, [1])


@pytest.mark.parametrize("value", [None, [], "", 0, [1], "yes"])
def test_a_switch_of_an_optimizer_counts_by_its_truth(value: Any) -> None:
    found = []
    for given in (value, bool(value)):
        bx.manual_seed(0)
        layer = linear()
        optimizer = optim.Adam(layer.parameters(), amsgrad=given, maximize=given)
        optimizer.step()
        found.append(layer.weight.tolist())
    assert found[0] == found[1]


def test_a_setting_that_is_no_number_is_named() -> None:
    layer = linear()
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    optimizer.param_groups[0]["lr"] = [0.1]
    before = layer.weight.tolist()
    with pytest.raises(TypeError, match=r"\[SGD\] the setting lr is a list; set a number"):
        optimizer.step()
    assert layer.weight.tolist() == before


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop])
def test_a_state_from_before_a_switch_existed_is_loaded(kind: Any) -> None:
    layer = linear()
    optimizer = kind(layer.parameters(), lr=0.1)
    optimizer.step()
    state = optimizer.state_dict()
    for name in ("maximize", "foreach", "capturable", "differentiable", "fused", "nesterov"):
        state["param_groups"][0].pop(name, None)
    optimizer = kind(layer.parameters(), lr=0.2)
    optimizer.load_state_dict(state)
    optimizer.step()
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.param_groups[0]["maximize"] is False


def test_setstate_of_a_subclass_sees_what_is_loaded() -> None:
    class Own(optim.SGD):
        def __setstate__(self, state: dict[str, Any]) -> None:
            super().__setstate__(state)
            for group in self.param_groups:
                group.setdefault("extra", 3)

    optimizer = Own(linear().parameters(), lr=0.1)
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.param_groups[0]["extra"] == 3


def test_batch_norm_takes_a_state_without_the_count() -> None:
    layer = nn.BatchNorm1d(3)
    plain = {k: v for k, v in nn.BatchNorm1d(3).state_dict().items() if k[:3] != "num"}
    layer.load_state_dict(plain)
    assert layer.num_batches_tracked == 0
    assert layer.state_dict()._metadata[""]["version"] == 2
    with pytest.raises(RuntimeError, match="running_var"):
        layer.load_state_dict({k: v for k, v in plain.items() if k != "running_var"})


def test_a_number_that_overflows_is_not_written() -> None:
    x = bx.ones(2)
    for write in (
        lambda: x.fill_(1e40),
        lambda: x.masked_fill_(x > 0, -1e40),
        lambda: x.__setitem__(0, 1e40),
        lambda: bx.full((2,), 1e40),
    ):
        with pytest.raises(RuntimeError, match="overflows in float32"):
            write()
    assert x.tolist() == [1, 1]
    assert x.fill_(float("inf")).tolist() == [float("inf")] * 2
    assert bx.full((1,), 1e40, dtype=bx.float64).item() == 1e40
    assert (bx.ones(1) * 1e40).item() == float("inf")


@pytest.mark.filterwarnings("ignore:.*Initializing zero-element tensors")
def test_no_channels_and_no_kernel_are_refused() -> None:
    image = bx.ones(2, 3, 8, 8)
    for layer in (nn.Conv2d(3, 0, 2), nn.ConvTranspose2d(3, 0, 2), nn.ConvTranspose2d(3, 2, 0)):
        with pytest.raises(RuntimeError, match="below 1"):
            layer(image)


def test_hardtanh_takes_its_old_names_with_a_warning() -> None:
    with pytest.warns(FutureWarning, match="pass min_val, max_val"):
        layer = nn.Hardtanh(max_value=2.0)
    assert layer.max_val == 2.0


def test_randomness_of_another_name_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"randomness=.some.; pass"):
        bx.func.vmap(bx.sin, randomness="some")


def test_step_of_an_epoch_jumps_there() -> None:
    optimizer = optim.SGD(linear().parameters(), lr=1.0)
    scheduler = schedulers.MultiplicativeLR(optimizer, lambda epoch: 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler.step(7)
    assert scheduler.get_last_lr() == [0.5]
    assert scheduler.last_epoch == 7


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    three = np.int64(3)
    data = bx.utils.data.TensorDataset(bx.arange(6))
    assert [len(part) for part in bx.utils.data.random_split(data, [three, three])] == [3, 3]
    assert len([*bx.utils.data.DataLoader(data, num_workers=np.int64(0))]) == 6
    optim.LBFGS(linear().parameters(), history_size=three)
    assert bx.hann_window(three).shape == (3,)
