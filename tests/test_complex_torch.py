"""Where PyTorch is installed: complex tensors and transforms give its values, texts and files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

torch = pytest.importorskip("torch")

DTYPES = ["bool", "int32", "int64", "float32", "float64", "complex64", "complex128"]


def draw(*shape: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("b", DTYPES)
def test_promotion_is_pytorchs(a: str, b: str) -> None:
    for shape_a in ((2,), ()):
        for shape_b in ((2,), ()):
            ours = bx.ones(shape_a, dtype=getattr(bx, a)) * bx.ones(shape_b, dtype=getattr(bx, b))
            theirs = torch.ones(shape_a, dtype=getattr(torch, a)) * torch.ones(
                shape_b, dtype=getattr(torch, b)
            )
            assert str(ours.dtype) == str(theirs.dtype), (shape_a, shape_b)
    for number in (True, 2, 0.5, 2j):
        ours = bx.ones(2, dtype=getattr(bx, a)) * number
        assert str(ours.dtype) == str((torch.ones(2, dtype=getattr(torch, a)) * number).dtype)
    assert str(bx.promote_types(getattr(bx, a), getattr(bx, b))) == str(
        torch.promote_types(getattr(torch, a), getattr(torch, b))
    )
    assert bx.can_cast(getattr(bx, a), getattr(bx, b)) == torch.can_cast(
        getattr(torch, a), getattr(torch, b)
    )


@pytest.mark.parametrize("scale", [1.0, 1e-7, 1e5, 1e12])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (40, 30), (2, 1, 9), (0,), (2, 0), (25,)])
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_text_is_pytorchs(shape: tuple[int, ...], scale: float, dtype: str) -> None:
    z = np.asarray(draw(*shape) * scale, dtype)
    assert repr(bx.tensor(z)) == repr(torch.tensor(z))
    whole = np.round(z.real) + 1j * z.imag
    assert repr(bx.tensor(whole)) == repr(torch.tensor(whole))
    assert repr(bx.tensor(z).real) == repr(torch.tensor(z).real)


@pytest.mark.parametrize(
    "options",
    [
        {"n_fft": 8},
        {"n_fft": 8, "hop_length": 3, "center": False, "normalized": True},
        {"n_fft": 9, "win_length": 6, "onesided": False, "pad_mode": "constant"},
        {"n_fft": 8, "window": 8, "pad_mode": "replicate"},
        {"n_fft": 10, "win_length": 7, "window": 7, "hop_length": 2},
    ],
)
@pytest.mark.parametrize("shape", [(40,), (2, 40)])
@pytest.mark.filterwarnings("ignore")
def test_short_time_transforms_are_pytorchs(options: dict[str, Any], shape: Any) -> None:
    x = draw(*shape).real
    window = np.hanning(options["window"]) + 0.1 if "window" in options else None
    results = []
    for lib in (bx, torch):
        given = options | ({"window": lib.tensor(window)} if window is not None else {})
        t = lib.tensor(x, requires_grad=True)
        z = lib.stft(t, return_complex=True, **given)
        pairs = lib.stft(t, return_complex=False, **given)
        inverse = {k: v for k, v in given.items() if k != "pad_mode"}
        parts = [z, pairs]
        if options.get("center", True):
            parts.append(lib.istft(z * 2, length=38, **inverse))
        sum((p * p.conj()).real.sum() for p in parts).backward()
        results.append([*(p.detach().numpy() for p in parts), t.grad.numpy()])
    for ours, theirs in zip(*results, strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_transforms_and_gradients_are_pytorchs(name: str, norm: str | None) -> None:
    z = draw(3, 4, 5)
    z = z.real if name in ("rfft", "ihfft") else z
    for suffix, options in (
        ("", {"n": 7, "dim": 1}), ("", {"n": 3}), ("2", {}), ("2", {"s": (3, 6), "dim": (2, 0)}),
        ("n", {"s": (6, -1)}), ("n", {"dim": (0, 2)}),
    ):  # fmt: skip
        results = []
        for lib in (bx, torch):
            t = lib.tensor(z, requires_grad=True)
            y = getattr(lib.fft, name + suffix)(t, norm=norm, **options)
            (y * y.conj()).real.sum().backward()
            results.append((y.detach().resolve_conj().numpy(), t.grad.resolve_conj().numpy()))
        for ours, theirs in zip(*results, strict=True):
            assert ours.shape == theirs.shape
            assert ours.dtype == theirs.dtype
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "Adam": {"lr": 0.1},
    "AdamW": {"lr": 0.1, "amsgrad": True},
    "RMSprop": {"lr": 0.1, "momentum": 0.5},
    "Adagrad": {"lr": 0.1, "initial_accumulator_value": 0.5},
    "Adadelta": {"lr": 0.5},
    "Rprop": {"lr": 0.1},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_are_pytorchs(name: str) -> None:
    found = []
    for lib in (bx, torch):
        p = lib.nn.Parameter(lib.tensor(draw(3, 2)))
        optimizer = getattr(lib.optim, name)([p], **OPTIMIZERS[name])
        for _ in range(5):
            optimizer.zero_grad()
            ((p - 1j).abs() ** 2 + (p * p).real).sum().backward()
            optimizer.step()
        found.append(p.detach().numpy())
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-9)


def test_pytorchs_files_are_read() -> None:
    stream = io.BytesIO()
    z = torch.tensor(draw(2, 3))
    torch.save({"z": z, "w": z.to(torch.complex64), "n": 1 + 2j}, stream)
    stream.seek(0)
    found = bx.load(stream)
    assert found["z"].dtype == bx.complex128
    assert found["w"].dtype == bx.complex64
    np.testing.assert_array_equal(found["z"].numpy(), z.numpy())
    assert found["n"] == 1 + 2j
    assert bx.from_dlpack(z).tolist() == z.tolist()
    assert torch.from_dlpack(bx.tensor(draw(2))).tolist() == draw(2).tolist()


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_draws_are_pytorchs(dtype: str) -> None:
    for shape in ((5,), (40, 3)):
        for name in ("randn", "rand"):
            bx.manual_seed(1)
            torch.manual_seed(1)
            ours = getattr(bx, name)(*shape, dtype=getattr(bx, dtype))
            theirs = getattr(torch, name)(*shape, dtype=getattr(torch, dtype))
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=2e-6, atol=1e-7)
