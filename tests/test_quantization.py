"""Quantization in eager mode: observers, training with rounded weights, quantized layers."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from copy import deepcopy
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.ao import quantization as bq

VALUES = np.random.default_rng(0).normal(0.3, 2, (5, 4, 6)).astype(np.float32)
FUSED = [["0", "1", "2"], ["4", "5"], ["6", "7"]]


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def net(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(),
        nn.Linear(108, 8), nn.BatchNorm1d(8), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3),
    )  # fmt: skip


def text(shown: object) -> str:
    return str(shown).replace("backprop_ext", "torch")


def test_the_range_of_all_inputs_makes_scale_and_zero_point() -> None:
    observer = bq.MinMaxObserver()
    for part in VALUES:
        observer(bx.tensor(part))
    low, high = min(0.0, VALUES.min()), VALUES.max()
    scale, zero = observer.calculate_qparams()
    np.testing.assert_allclose(scale.item(), (high - low) / 255, rtol=1e-6)
    assert zero.item() == round(-low / scale.item())


def test_a_symmetric_range_of_each_channel() -> None:
    observer = bq.default_per_channel_weight_observer()
    observer(bx.tensor(VALUES))
    scale, zero = observer.calculate_qparams()
    reach = np.abs(VALUES).max((1, 2))
    np.testing.assert_allclose(scale.numpy(), reach / 127.5, rtol=1e-6)
    assert zero.tolist() == [0] * 5


def test_rounding_follows_the_moving_average_and_can_be_switched_off() -> None:
    rounding = bq.FakeQuantize(averaging_constant=0.5)
    first, second = bx.tensor([0.0, 2.55]), bx.tensor([0.0, 5.1])
    assert np.isclose(rounding(first)[1].item(), 2.55)
    rounding(second)
    assert np.isclose(rounding.scale.item(), (2.55 + 5.1) / 2 / 255)
    bq.disable_observer(rounding)
    assert np.isclose(rounding(second)[1].item(), (2.55 + 5.1) / 2)  # clamped
    bq.disable_fake_quant(rounding)
    assert rounding(second) is second


def test_evaluation_fuses_into_the_same_function() -> None:
    model = net(bx)
    model(bx.randn(8, 1, 6, 6))
    model.eval()
    fused = bq.fuse_modules(model, FUSED)
    x = bx.randn(2, 1, 6, 6)
    np.testing.assert_allclose(fused(x).detach(), model(x).detach(), atol=1e-5)
    assert type(fused[0]).__name__ == "ConvReLU2d"
    with pytest.raises(AssertionError, match=r"\['Linear', 'Conv2d'\] are not fused"):
        bq.fuse_modules(model, ["8", "0"])


def test_a_prepared_model_is_saved_and_copied() -> None:
    model = net(bx)
    model.qconfig = bq.get_default_qat_qconfig()
    made = [bq.prepare_qat(model) for _ in range(2)]
    x = bx.randn(8, 1, 6, 6)
    made[0](x)
    file = io.BytesIO()
    bx.save(made[0].state_dict(), file)
    file.seek(0)
    made[1].load_state_dict(bx.load(file))
    shown = [m.eval()(x).tolist() for m in (*made, deepcopy(made[1]))]
    assert shown[0] == shown[1] == shown[2]


def test_what_does_not_go_says_so() -> None:
    model = bx.nn.Sequential(bx.nn.Linear(2, 2))
    model.qconfig = bq.default_qat_qconfig
    with pytest.raises(NotImplementedError, match="no quantized Linear; use the prepared model"):
        bq.convert(bq.prepare_qat(model))
    with pytest.raises(NotImplementedError, match="no quantized Linear"):
        bq.quantize_dynamic(model)
    with pytest.raises(AssertionError, match=r"in evaluation; call model.train\(\)"):
        bq.prepare_qat(model.eval())
    with pytest.raises(ValueError, match=r"pass classes"):
        bq.QConfig(bq.MinMaxObserver(), bq.MinMaxObserver)
    with pytest.raises(NotImplementedError, match="take one of"):
        bq.MinMaxObserver(qscheme=bx.per_channel_affine)


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, backprop_ext as t; assert 'backprop_ext.ao' not in sys.modules; "
    code += "from backprop_ext.quantization.observer import MinMaxObserver as a; "
    code += "import backprop_ext.nn.intrinsic.qat as b; assert t.quantization.MinMaxObserver is a; "
    code += "assert b.ConvBn2d is t.ao.nn.intrinsic.qat.ConvBn2d"
    subprocess.run([sys.executable, "-c", code], check=True)


def in_both(run: Any) -> list[Any]:
    """What run(library, its quantization) gives with this package and with PyTorch."""
    torch = pytest.importorskip("torch")
    found = []
    for lib in (bx, torch):
        lib.manual_seed(0)
        found.append(run(lib, import_module(f"{lib.__name__}.ao.quantization")))
    return found


@pytest.mark.parametrize("name", [n for n in dir(bq) if n.endswith(("MaxObserver", "amObserver"))])
@pytest.mark.parametrize("kind", ["qint8", "quint8"])
def test_observers_are_pytorchs(name: str, kind: str) -> None:
    def run(lib: Any, q: Any) -> Any:
        observer = getattr(q, name)(dtype=getattr(lib, kind))
        for k, part in enumerate(VALUES):
            observer(lib.tensor(part * (1 + k)))
        return [t.numpy() for t in (*observer.calculate_qparams(), *observer.buffers())]

    for ours, theirs in zip(*in_both(run), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("backend", ["x86", "qnnpack", "onednn"])
@pytest.mark.parametrize("version", [0, 1])
def test_training_with_rounded_weights_is_pytorchs(backend: str, version: int) -> None:
    def run(lib: Any, q: Any) -> Any:
        model = q.QuantWrapper(q.fuse_modules_qat(net(lib), FUSED))
        model.qconfig = q.get_default_qat_qconfig(backend, version)
        shown = [text(model.qconfig)]
        model = q.prepare_qat(model)
        shown += [text(model), *model.state_dict()]
        optimizer = lib.optim.SGD(model.parameters(), 0.05, momentum=0.9)
        draws, losses = np.random.default_rng(1), []
        for _ in range(4):
            x = lib.tensor(draws.normal(size=(8, 1, 6, 6)).astype(np.float32))
            loss = lib.nn.functional.cross_entropy(model(x), lib.arange(8) % 3)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        numbers = [t.numpy() for t in model.state_dict().values()]
        return shown, losses, numbers, model.eval()(x).detach().numpy()

    ours, theirs = in_both(run)
    assert ours[0] == theirs[0]
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-4)
    for one, other in zip(ours[2], theirs[2], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(ours[3], theirs[3], rtol=1e-3, atol=1e-5)


def test_default_settings_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    theirs = import_module("torch.ao.quantization")
    names = [n for n in theirs.__all__ if n.startswith("default_") and n != "default_eval_fn"]
    for name in [*names, "per_channel_weight_observer_range_neg_127_to_127"]:
        assert text(getattr(bq, name)) == text(getattr(theirs, name)), name
    assert torch.qint8 is not None
