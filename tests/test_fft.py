"""Fourier transforms, frequencies and shifts against NumPy, and against what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.autograd import gradcheck, gradgradcheck

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, Any]


def draw(*shape: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
@pytest.mark.parametrize("d", [1.0, 0.25])
def test_frequencies_are_numpys(n: int, d: float) -> None:
    np.testing.assert_allclose(bx.fft.fftfreq(n, d).numpy(), np.fft.fftfreq(n, d), rtol=1e-6)
    np.testing.assert_allclose(bx.fft.rfftfreq(n, d).numpy(), np.fft.rfftfreq(n, d), rtol=1e-6)
    assert bx.fft.fftfreq(n, d, dtype=bx.float64).dtype == bx.float64


@pytest.mark.parametrize("dim", [None, 0, (1,), (0, -1)])
def test_shifts_are_numpys_and_undo_each_other(dim: int | tuple[int, ...] | None) -> None:
    x = bx.arange(30.0).reshape(5, 6)
    shifted = bx.fft.fftshift(x, dim)
    np.testing.assert_array_equal(shifted.numpy(), np.fft.fftshift(x.numpy(), dim))
    assert bx.fft.ifftshift(shifted, dim).equal(x)
    np.testing.assert_array_equal(
        bx.fft.ifftshift(x, dim).numpy(), np.fft.ifftshift(x.numpy(), dim)
    )


# Primes, squares and products of them; 1031 and 4099 have large prime factors.
LENGTHS = [*range(1, 9), 12, 16, 27, 49, 60, 97, 121, 128, 210, 331, 1000, 1031, 2062, 4099]


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize(("dtype", "digits"), [(np.complex64, 2e-6), (np.complex128, 1e-14)])
def test_any_length_is_transformed_to_the_last_digits(n: int, dtype: Any, digits: float) -> None:
    z = draw(2, n).astype(dtype)
    for name in ("fft", "ifft"):
        expected = getattr(np.fft, name)(z.astype(np.complex128))
        found = getattr(bx.fft, name)(bx.from_numpy(z)).numpy()
        assert found.dtype == dtype
        assert np.abs(found - expected).max() <= digits * np.abs(expected).max() * np.log2(n + 2)
    x = np.ascontiguousarray(z.real)
    half = bx.fft.rfft(bx.from_numpy(x))
    expected = np.fft.rfft(x.astype(np.float64))
    assert np.abs(half.numpy() - expected).max() <= 8 * digits * np.abs(expected).max()
    back = bx.fft.irfft(half, n).numpy()
    assert back.dtype == x.dtype
    assert np.abs(back - x).max() <= 8 * digits * np.abs(x).max()


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [6, 7])
def test_inverses_and_parseval(norm: str | None, n: int) -> None:
    z, x = bx.tensor(draw(3, n)), bx.tensor(draw(3, n).real)
    assert bx.allclose(bx.fft.ifft(bx.fft.fft(z, norm=norm), norm=norm), z)
    assert bx.allclose(bx.fft.ifftn(bx.fft.fftn(z, norm=norm), norm=norm), z)
    assert bx.allclose(bx.fft.irfft(bx.fft.rfft(x, norm=norm), n, norm=norm), x)
    assert bx.allclose(bx.fft.irfft2(bx.fft.rfft2(x, norm=norm), (3, n), norm=norm), x)
    assert bx.allclose(bx.fft.hfft(bx.fft.ihfft(x, norm=norm), n, norm=norm), x)
    assert bx.allclose(bx.fft.hfftn(bx.fft.ihfftn(x, norm=norm), (3, n), norm=norm), x)
    energy = bx.fft.fft(z, norm="ortho").abs().square().sum()
    assert bx.allclose(energy, z.abs().square().sum())


def test_layouts_and_types() -> None:
    z = bx.tensor(draw(3, 4, 5))
    moved = bx.fft.fft(z.permute(2, 0, 1), dim=0)
    assert bx.allclose(moved, bx.fft.fft(z).permute(2, 0, 1))
    assert moved.is_contiguous()
    for dtype, expected in (
        (bx.int64, bx.complex64), (bx.bool, bx.complex64), (bx.float32, bx.complex64),
        (bx.float64, bx.complex128), (bx.complex64, bx.complex64),
    ):  # fmt: skip
        assert bx.fft.fft(bx.ones(4, dtype=dtype)).dtype == expected
    assert bx.fft.fft(bx.zeros(0, 4)).shape == (0, 4)
    assert bx.fft.fftn(bx.tensor([1j]), dim=()).tolist() == [1j]
    assert bx.fft.irfft(bx.tensor([1 + 5j, 2, 3 + 7j])).dtype == bx.float32  # ends count as real


@pytest.mark.parametrize("name", ["fft", "ifft", "irfft", "hfft"])
@pytest.mark.parametrize("n", [5, 6])
def test_derivatives_at_complex_input(name: str, n: int) -> None:
    function = getattr(bx.fft, name)
    z = bx.tensor(draw(2, 4), requires_grad=True)
    for call in (lambda z: function(z, n), lambda z: function(z, dim=0, norm="ortho")):
        assert gradcheck(call, [z])
        assert gradgradcheck(call, [z], fast_mode=True)
    many = getattr(bx.fft, name + "n")
    assert gradcheck(lambda z: many(z, (3, n)), [z])


def test_a_convolution_is_a_product_of_spectra() -> None:
    signal, kernel = np.random.default_rng(0).standard_normal((2, 20))
    spectra = bx.fft.rfft(bx.tensor(signal), 40) * bx.fft.rfft(bx.tensor(kernel), 40)
    found = bx.fft.irfft(spectra, 40)[:39]
    np.testing.assert_allclose(found.numpy(), np.convolve(signal, kernel), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: bx.fft.fft(x, 0), RuntimeError, r"number of data points \(0\)"),
        (lambda x: bx.fft.fft(x, dim=2), IndexError, "2"),
        (lambda x: bx.fft.fft(bx.tensor(1.0)), IndexError, "0-d"),
        (lambda x: bx.fft.fft(x, norm="both"), RuntimeError, "normalization mode: 'both'"),
        (lambda x: bx.fft.rfft(x * 1j), RuntimeError, "real input tensor, but got complex64"),
        (lambda x: bx.fft.ihfft(x * 1j), RuntimeError, "real input tensor, but got complex64"),
        (lambda x: bx.fft.irfft(x[:, :1]), RuntimeError, r"data points \(0\)"),
        (lambda x: bx.fft.fftn(x, dim=(0, 0)), RuntimeError, "not unique"),
        (lambda x: bx.fft.fftn(x, (2,), (0, 1)), RuntimeError, "differ in length"),
        (lambda x: bx.fft.fftn(x, (2, 2, 2)), RuntimeError, "fewer dimensions"),
        (lambda x: bx.fft.rfftn(x, dim=()), RuntimeError, "at least one axis"),
        (lambda x: bx.fft.fft("x"), TypeError, "fft"),
    ],
)
def test_mistakes_are_errors(call: Callable[[bx.Tensor], Any], error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        call(bx.ones(3, 4))


# Short-time transforms


WINDOWS: dict[str, Callable[[int], bx.Tensor] | None] = {
    "none": None,
    "hann": lambda n: bx.hann_window(n, dtype=bx.float64),
}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("onesided", [True, False])
@pytest.mark.parametrize("normalized", [True, False])
def test_istft_undoes_stft(window: str, center: bool, onesided: bool, normalized: bool) -> None:
    make = WINDOWS[window]
    if make and not center:
        pytest.skip("a Hann window is 0 at the first sample")
    x = bx.tensor(draw(2, 40).real)
    options: dict[str, Any] = {
        "n_fft": 8, "hop_length": 2, "window": make(8) if make else None, "center": center,
        "normalized": normalized, "onesided": onesided,
    }  # fmt: skip
    spectrum = bx.stft(x, return_complex=True, **options)
    assert spectrum.shape == (2, 5 if onesided else 8, 21 if center else 17)
    assert bx.allclose(bx.istft(spectrum, length=40, **options), x)
    assert bx.allclose(spectrum[0].istft(length=40, **options), x[0])


def test_derivatives_of_short_time_transforms() -> None:
    window = bx.hann_window(6, dtype=bx.float64, requires_grad=True)
    x = bx.tensor(draw(12).real, requires_grad=True)
    z = bx.tensor(draw(5, 7), requires_grad=True)

    def forward(x: bx.Tensor, w: bx.Tensor) -> bx.Tensor:
        return x.stft(6, 2, 6, w, return_complex=True)

    def inverse(z: bx.Tensor, w: bx.Tensor) -> bx.Tensor:
        return z.istft(8, 2, 6, w)

    assert gradcheck(forward, [x, window])
    assert gradcheck(inverse, [z, bx.rand(6, dtype=bx.float64) + 0.5])
    assert gradcheck(inverse, [z.detach(), (1 + window.detach()).requires_grad_()])
    assert gradgradcheck(forward, [x, window], fast_mode=True)
    complex_x = bx.tensor(draw(12), requires_grad=True)
    assert gradcheck(lambda x: x.stft(6, 3, return_complex=True), [complex_x])


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: bx.stft(x, 4), "return_complex"),
        (lambda x: bx.stft(x, 9, center=False, return_complex=True), "n_fft is 9 for 8"),
        (lambda x: bx.stft(x, 4, 0, return_complex=True), "hop_length is 0"),
        (lambda x: bx.stft(x, 4, win_length=5, return_complex=True), "win_length is 5"),
        (lambda x: bx.stft(x, 4, window=bx.ones(3), return_complex=True), r"shape \(3,\)"),
        (lambda x: bx.stft(x[None, None], 4, return_complex=True), r"\(1, 1, 8\)"),
        (lambda x: bx.istft(x, 4), "float32"),
        (lambda x: bx.istft(bx.ones(4, 3) * 1j, 4, onesided=True), "has 4 frequencies"),
        (lambda x: bx.istft(bx.ones(3, 3) * 1j, 4, window=x[:4] * 1j), "pass a real window"),
        (
            lambda x: bx.istft(bx.ones(3, 3) * 1j, 4, center=False, window=bx.hann_window(4)),
            "window overlap add min",
        ),
    ],
)
def test_mistakes_in_windows_are_errors(call: Callable[[bx.Tensor], Any], match: str) -> None:
    with pytest.raises(RuntimeError, match=match):
        call(bx.arange(8.0))
