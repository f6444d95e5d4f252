"""Window functions of M points w_0 ... w_(M-1), in one dimension.

With N = M points (`sym`, symmetric) or N = M + 1 of which the last is left out (periodic), and
x_k = k / (N - 1). One point alone is 1. All raise ValueError for a negative M, and for a `dtype`
that is not floating-point.
Source: Harris, Proc. IEEE 66 (1978) 51; https://docs.pytorch.org/docs/stable/signal.html
"""

from __future__ import annotations

from math import pi, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._checks import the_number, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from .._core import Tensor

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


def _window(
    op: str,
    count: int,
    sym: bool,
    function: Callable[[NDArray[Any], int], NDArray[Any]],
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """function(k, N) at k = 0 ... M - 1, computed in double."""
    if the_number(op, count, "M") < 0:
        raise ValueError(f"[{op}] M is {count}; a window has 0 points or more")
    dtype = dtype or _core.get_default_dtype()
    if dtype not in (_core.float32, _core.float64):
        raise ValueError(f"[{op}] dtype is {dtype}; expected torch.float32 or torch.float64")
    if count == 0:  # then nothing else is looked at, as in PyTorch
        return _core.empty((0,), dtype=dtype, device=device, requires_grad=requires_grad)
    # A bool is a number where PyTorch looks at M == 1 before it draws points.
    one = isinstance(count, bool) and op not in ("cosine", "exponential", "gaussian")
    points = whole(int(count) if one else count)
    if points is None or not isinstance(requires_grad, bool):
        raise TypeError(
            f"[{op}] M={count!r} and requires_grad={requires_grad!r}; pass an int and a bool"
        )
    if points == 1:
        values = np.ones(1)
    else:
        values = function(np.arange(points, dtype=float), points if sym else points + 1)
    return _core.tensor(values, dtype=dtype, device=device, requires_grad=requires_grad)


def _cosines(k: NDArray[Any], n: int, a: Iterable[float]) -> NDArray[Any]:
    if not hasattr(a, "__iter__"):
        raise TypeError(f"[general_cosine] a={a!r}; pass a list of numbers")
    a = [the_number("general_cosine", c, "a") for c in a]
    if not a:
        raise ValueError("[general_cosine] no coefficients a; pass one or more")
    terms = [(-1) ** i * c * np.cos(2 * pi * i * k / (n - 1)) for i, c in enumerate(a)]
    return np.asarray(np.sum(terms, 0))


def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, **options: Any) -> Tensor:
    """w_k = sum_i (-1)^i a_i cos(2 pi i x_k)."""
    return _window("general_cosine", M, sym, lambda k, n: _cosines(k, n, a), **options)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Tensor:
    """w_k = alpha - (1 - alpha) cos(2 pi x_k)."""
    alpha = the_number("general_hamming", alpha, "alpha")
    return general_cosine(M, a=(alpha, 1 - alpha), sym=sym, **options)


def hamming(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """w_k = 0.54 - 0.46 cos(2 pi x_k)."""
    return general_hamming(M, sym=sym, **options)


def hann(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """w_k = (1 - cos(2 pi x_k)) / 2."""
    return general_hamming(M, alpha=0.5, sym=sym, **options)


def blackman(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """w_k = 0.42 - 0.5 cos(2 pi x_k) + 0.08 cos(4 pi x_k)."""
    return general_cosine(M, a=(0.42, 0.5, 0.08), sym=sym, **options)


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Four cosines, of coefficients 0.3635819, 0.4891775, 0.1365995, 0.0106411."""
    return general_cosine(M, a=(0.3635819, 0.4891775, 0.1365995, 0.0106411), sym=sym, **options)


def bartlett(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """w_k = 1 - |2 x_k - 1|."""
    return _window("bartlett", M, sym, lambda k, n: 1 - np.abs(2 * k / (n - 1) - 1), **options)


def cosine(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """w_k = sin(pi (k + 1/2) / N)."""
    return _window("cosine", M, sym, lambda k, n: np.sin(pi * (k + 0.5) / n), **options)


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    **options: Any,
) -> Tensor:
    """w_k = exp(-|k - center| / tau), the center (N - 1) / 2 where the window is symmetric."""
    if the_number("exponential", tau, "tau") <= 0:
        raise ValueError(f"[exponential] tau is {tau}; it must be positive")
    if sym and center is not None:
        raise ValueError("[exponential] a symmetric window has its center; leave center out")

    def decay(k: NDArray[Any], n: int) -> NDArray[Any]:
        middle = (n - 1) / 2 if center is None else center
        return np.asarray(np.exp(-np.abs(k - middle) / tau))

    return _window("exponential", M, sym, decay, **options)


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **options: Any) -> Tensor:
    """w_k = exp(-(k - (N - 1) / 2)^2 / (2 std^2))."""
    if the_number("gaussian", std, "std") <= 0:
        raise ValueError(f"[gaussian] std is {std}; it must be positive")

    def bell(k: NDArray[Any], n: int) -> NDArray[Any]:
        return np.asarray(np.exp(-(((k - (n - 1) / 2) / (std * sqrt(2))) ** 2)))

    return _window("gaussian", M, sym, bell, **options)


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **options: Any) -> Tensor:
    """w_k = I_0(beta sqrt(1 - (2 x_k - 1)^2)) / I_0(beta)."""
    if the_number("kaiser", beta, "beta") < 0:
        raise ValueError(f"[kaiser] beta is {beta}; it must be 0 or more")

    def bessel(k: NDArray[Any], n: int) -> NDArray[Any]:
        inside = np.maximum(0, 1 - (2 * k / (n - 1) - 1) ** 2)
        return np.asarray(np.i0(beta * np.sqrt(inside)) / np.i0(beta))

    return _window("kaiser", M, sym, bessel, **options)
