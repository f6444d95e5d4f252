"""Frequencies and shifts against NumPy; the transforms say that they are not here."""

from __future__ import annotations

import numpy as np
import pytest

import backprop_ext as bx


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


def test_transforms_are_missing_and_say_so() -> None:
    with pytest.raises(AttributeError, match="torch has it, backprop_ext does not"):
        _ = bx.fft.rfft
