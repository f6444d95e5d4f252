"""Complex numbers made of real ones, and Fourier transforms. More is in test_complex.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .row import Real, Row, case, row

if TYPE_CHECKING:
    from collections.abc import Callable

FLIPPED = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


def _hfftn(x: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    return np.fft.irfftn(np.conj(x), s, axes, FLIPPED[norm])


def _ihfftn(x: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    return np.conj(np.fft.rfftn(x, s, axes, FLIPPED[norm]))


def _planes(of_all: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, s=None, dim=(-2, -1), norm=None: of_all(x, s, dim, norm)


def _lines(name: str) -> Row:
    numpys = getattr(np.fft, name)
    return row(
        f"fft.{name}",
        lambda x, n=None, dim=-1, norm=None: numpys(x, n, dim, norm),
        case(Real((3, 8))),
        case(Real((5, 2, 3)), dim=0, norm="ortho"),
        case(Real((7,)), 10, norm="forward"),
        case(Real((2, 9)), 6),
        case(Real((2, 67)), norm="backward"),
        case(Real((2, 2))),
        rtol=2e-5,  # PyTorch's own last digits
    )


def _many(name: str, reference: Callable[..., Any]) -> list[Row]:
    return [
        row(
            f"fft.{name}2",
            _planes(reference),
            case(Real((2, 3, 4))),
            case(Real((3, 4, 2)), (5, 2), (0, 1), "ortho"),
        ),
        row(
            f"fft.{name}n",
            lambda x, s=None, dim=None, norm=None: reference(x, s, dim, norm),
            case(Real((3, 4))),
            case(Real((2, 3, 4)), (6,), (1,)),
            case(Real((2, 3, 4)), dim=(2, 0), norm="forward"),
        ),
    ]


def _frames(x: Any, n: int, hop: int, window: Any) -> Any:
    count = 1 + (x.shape[-1] - n) // hop
    return np.stack([x[..., i * hop : i * hop + n] * window for i in range(count)], -1)


def _stft(
    x: Any, n: int, hop: int, width: int, window: Any, center: bool = True, mode: str = "reflect",
    normalized: bool = False, onesided: bool | None = None, return_complex: bool = True,
) -> Any:  # fmt: skip
    left = (n - width) // 2
    window = np.pad(window, (left, n - width - left))
    if center:
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(n // 2, n // 2)], mode)  # type: ignore[call-overload]
    transform = np.fft.fft if onesided is False else np.fft.rfft
    out = transform(_frames(x, n, hop, window), axis=-2) / (np.sqrt(n) if normalized else 1)
    return out if return_complex else np.stack([out.real, out.imag], -1)


def _as(dtype: str) -> Callable[..., Any]:
    return lambda x: x.astype(dtype)


TRANSFORMS = [
    *(_lines(name) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")),
    *_many("fft", np.fft.fftn),
    *_many("ifft", np.fft.ifftn),
    *_many("rfft", np.fft.rfftn),
    *_many("irfft", np.fft.irfftn),
    *_many("hfft", _hfftn),
    *_many("ihfft", _ihfftn),
    row(
        "stft",
        _stft,
        case(Real((2, 20)), 8, 4, 8, Real((8,)), return_complex=True),
        case(Real((21,)), 6, 2, 5, Real((5,)), False, normalized=True, return_complex=False),
        case(Real((20,)), 4, 3, 4, Real((4,)), True, "constant", False, False, return_complex=True),
    ),
    Row("istft", (), None),  # test_fft.py
]
OTHERS = [
    row(
        "complex",
        lambda a, b: a + 1j * b,
        case(Real((3, 4)), Real((3, 4))),
        case(Real((2, 1)), Real((3,))),
        case(Real(), Real()),
    ),
    row(
        "polar",
        lambda a, b: a * np.exp(1j * b),
        case(Real((3, 4), low=0.2), Real((3, 4))),
        case(Real((2, 1), low=0.2), Real((3,))),
    ),
    row("cfloat", _as("complex64"), case(Real((3, 4))), order=0, result="complex64"),
    row("cdouble", _as("complex128"), case(Real((3, 4))), result="complex128"),
    *(Row(name, (), None) for name in ("imag", "view_as_real", "view_as_complex")),
]
ROWS = TRANSFORMS + OTHERS
