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


def test_quantized_numbers_are_rounded_and_limited() -> None:
    x = bx.tensor([-20.0, -0.26, 0.0, 0.24, 20.0])
    q = bx.quantize_per_tensor(x, 0.1, 10, bx.quint8)
    assert q.int_repr().tolist() == [0, 7, 10, 12, 210]
    np.testing.assert_allclose(q.dequantize().numpy(), [-1, -0.3, 0, 0.2, 20], atol=1e-6)
    assert (q.q_scale(), q.q_zero_point(), q.dtype) == (0.1, 10, bx.quint8)
    assert q.is_quantized
    assert q.qscheme() is bx.per_tensor_affine
    assert q[1:3].int_repr().tolist() == [7, 10]
    assert bx.relu(q).int_repr().tolist() == [10, 10, 10, 12, 210]


def test_a_scale_for_each_channel() -> None:
    x = bx.tensor([[1.0, 2.0], [1.0, 2.0]])
    q = bx.quantize_per_channel(x, bx.tensor([0.5, 0.1]), bx.tensor([0, 1]), 0, bx.qint8)
    assert q.int_repr().tolist() == [[2, 4], [11, 21]]
    assert q.q_per_channel_axis() == 0
    with pytest.raises(RuntimeError, match=r"is not defined for torch.per_channel_affine"):
        q.q_scale()


def test_what_has_no_quantized_form_says_so() -> None:
    q = bx.quantize_per_tensor(bx.ones(2), 0.1, 0, bx.qint8)
    with pytest.raises(NotImplementedError, match=r"no quantized exp.*call .dequantize\(\)"):
        q.exp()
    with pytest.raises(TypeError, match="int_repr"):
        q.numpy()
    with pytest.raises(RuntimeError, match=r"of torch.int64; convert it"):
        bx.quantize_per_tensor(bx.ones(2, dtype=bx.int64), 0.1, 0, bx.qint8)
    model = bx.nn.Sequential(bx.nn.LayerNorm(2))
    model.qconfig = bq.default_qconfig
    prepared = bq.prepare(model)
    prepared(bx.randn(2, 2))
    with pytest.raises(NotImplementedError, match="no quantized LayerNorm"):
        bq.convert(prepared)


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


def test_a_converted_model_is_near_the_float_one() -> None:
    model = net(bx)
    model(bx.randn(8, 1, 6, 6))
    x = bx.randn(16, 1, 6, 6)
    model.eval()
    fused = bq.fuse_modules(model, FUSED)
    fused.qconfig = bq.get_default_qconfig()
    prepared = bq.prepare(bq.QuantWrapper(fused))
    prepared(x)
    quantized = bq.convert(prepared)
    np.testing.assert_allclose(quantized(x), model(x).detach(), atol=0.1)


def test_a_state_of_quantized_layers_is_saved() -> None:
    made = [bq.quantize_dynamic(bx.nn.Sequential(bx.nn.Linear(4, 3))) for _ in range(2)]
    file = io.BytesIO()
    bx.save(made[0].state_dict(), file)
    file.seek(0)
    made[1].load_state_dict(bx.load(file))
    x = bx.randn(2, 4)
    assert made[0](x).tolist() == made[1](x).tolist() == deepcopy(made[1])(x).tolist()


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
        quantized = q.convert(model.eval())
        shown += [*quantized.state_dict()]
        return shown, losses, numbers, quantized(x).numpy(), quantized.module[8].scale

    ours, theirs = in_both(run)
    assert ours[0] == theirs[0]
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-4)
    for one, other in zip(ours[2], theirs[2], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(ours[3], theirs[3], atol=2.01 * ours[4])  # two steps


def test_default_settings_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    theirs = import_module("torch.ao.quantization")
    names = [n for n in theirs.__all__ if n.startswith("default_") and n != "default_eval_fn"]
    for name in [*names, "per_channel_weight_observer_range_neg_127_to_127"]:
        assert text(getattr(bq, name)) == text(getattr(theirs, name)), name
    assert torch.qint8 is not None


def test_quantized_tensors_print_as_pytorchs() -> None:
    def run(lib: Any, q: Any) -> Any:
        x = lib.tensor(VALUES[0])
        scales, zeros = lib.tensor([0.1, 0.2, 0.3, 0.4]), lib.arange(4)
        made = [lib.quantize_per_tensor(x, 0.13, 3, kind) for kind in (lib.qint8, lib.qint32)]
        made.append(lib.quantize_per_channel(x, scales, zeros, 0, lib.quint8))
        model = q.quantize_dynamic(lib.nn.Sequential(lib.nn.Linear(6, 3)))
        return [*map(repr, made), repr(model), model[0].weight().int_repr().tolist()]

    ours, theirs = in_both(run)
    assert ours == theirs


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "LSTMCell", "GRUCell", "RNNCell"])
def test_recurrent_layers_with_quantized_weights_are_pytorchs(kind: str) -> None:
    def run(lib: Any, q: Any) -> Any:
        more = {} if kind.endswith("Cell") else {"num_layers": 2, "bidirectional": True}
        layer = getattr(lib.nn, kind)(4, 6, **more)
        model = q.quantize_dynamic(lib.nn.Sequential(layer))
        shape = (3, 4) if kind.endswith("Cell") else (5, 3, 4)
        result = model(lib.randn(shape))
        flat = [t for part in result for t in (part if isinstance(part, tuple) else (part,))]
        return [repr(model), *model.state_dict()], [t.numpy() for t in flat]

    ours, theirs = in_both(run)
    assert ours[0] == theirs[0]
    for one, other in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
