"""Images resized, and sampled at the points of a grid."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from .row import Real, case, row


def _cubic(t: float) -> float:
    a, t = -0.75, abs(t)
    if t <= 1:
        return ((a + 2) * t - (a + 3)) * t * t + 1
    return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a if t < 2 else 0.0


def _matrix(n: int, m: int, mode: str, align: bool, scale: float) -> Any:
    """The matrix [m, n] that interpolates along one dimension."""
    a = np.zeros((m, n))
    step = 1 / scale if scale else n / m
    for o in range(m):
        if mode == "area":
            begin, end = o * n // m, -(-(o + 1) * n // m)
            a[o, begin:end] = 1 / (end - begin)
        elif mode.startswith("nearest"):
            shift = 0.5 if mode == "nearest-exact" else 0.0
            a[o, min(int((o + shift) * step), n - 1)] = 1
        else:
            x = o * (n - 1) / max(m - 1, 1) if align else step * (o + 0.5) - 0.5
            if mode == "bicubic":
                low = int(np.floor(x))
                for k in range(-1, 3):
                    a[o, np.clip(low + k, 0, n - 1)] += _cubic(x - low - k)
            else:
                x = max(x, 0.0)
                low = int(x)
                a[o, low] += 1 - (x - low)
                a[o, min(low + 1, n - 1)] += x - low
    return a


def _resize(
    x: Any, size: Any, mode: str, align_corners: bool = False,
    scale0: float = 0.0, scale1: float = 0.0, scale2: float = 0.0,
) -> Any:  # fmt: skip
    for d, m in enumerate(size):
        scale = (scale0, scale1, scale2)[d]
        a = _matrix(x.shape[2 + d], m, mode, align_corners, scale)
        x = np.moveaxis(np.tensordot(a, x, (1, 2 + d)), 0, 2 + d)
    return x


def _place(x: float, n: int, padding: str, align: bool) -> float:
    if padding == "border":
        return float(np.clip(x, 0, n - 1))
    if padding == "reflection":
        low, high = (0.0, n - 1.0) if align else (-0.5, n - 0.5)
        if low == high:
            return 0.0
        flips, rest = divmod(abs(x - low), high - low)
        back = low + (high - low - rest if flips % 2 else rest)
        return float(np.clip(back, 0, n - 1))
    return x


def _taps(x: float, n: int, mode: str, padding: str, align: bool) -> list[tuple[int, float]]:
    """(element, weight) along one dimension; elements that do not exist are left out."""
    x = (x + 1) / 2 * (n - 1) if align else ((x + 1) * n - 1) / 2
    if mode == "bicubic":
        low = int(np.floor(x))
        taps = [(low + k, _cubic(x - low - k)) for k in range(-1, 3)]
        taps = [(int(_place(i, n, padding, align)), w) for i, w in taps]
    else:
        x = _place(x, n, padding, align)
        low = int(np.floor(x))
        taps = [(low, 1 - (x - low)), (low + 1, x - low)]
        if mode == "nearest":
            taps = [(round(x), 1.0)]
    return [(i, w) for i, w in taps if 0 <= i < n]


def _grid_sample(
    x: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Any:  # fmt: skip
    dims = x.ndim - 2
    y = np.zeros((len(x), x.shape[1], *grid.shape[1:-1]))
    for at in product(*map(range, grid.shape[:-1])):
        point = grid[at][::-1]
        sides = [
            _taps(point[d], x.shape[2 + d], mode, padding_mode, align_corners) for d in range(dims)
        ]
        for chosen in product(*sides):
            weight = np.prod([w for _, w in chosen])
            y[(at[0], slice(None), *at[1:])] += (
                weight * x[(at[0], slice(None), *(i for i, _ in chosen))]
            )
    return y


def _affine_grid(theta: Any, size: Any, align_corners: bool = False) -> Any:
    n = size[2:]
    lines = [np.linspace(-1, 1, k) * (1 if align_corners else (k - 1) / k) for k in n]
    mesh = np.meshgrid(*lines, indexing="ij")
    points = np.stack([*mesh[::-1], np.ones(n)], -1)
    return np.stack([points @ t.T for t in theta])


ONE, TWO, THREE = Real((2, 2, 5)), Real((2, 2, 4, 3)), Real((1, 2, 3, 2, 3))
MODES = ("nearest", "nearest-exact", "area")

ROWS = [
    row(
        "nn.resize", _resize,
        *(case(ONE, [n], mode) for mode in (*MODES, "linear") for n in (3, 8)),
        *(case(TWO, [5, 7], mode) for mode in (*MODES, "bilinear", "bicubic")),
        *(case(TWO, [3, 6], mode, True) for mode in ("bilinear", "bicubic")),
        case(TWO, [6, 5], "bilinear", False, 1.6, 1.75),
        case(THREE, [2, 3, 5], "trilinear"), case(THREE, [4, 4, 4], "nearest"),
        torch=False, rtol=5e-6,
    ),
    row(
        "nn.grid_sample", _grid_sample,
        *(
            case(Real((2, 2, 4, 3)), Real((2, 3, 2, 2), -1.3, 1.3), mode, padding, align)
            for mode, padding, align in (
                ("bilinear", "zeros", False), ("bilinear", "border", True),
                ("bilinear", "reflection", False), ("bicubic", "zeros", True),
                ("bicubic", "border", False),
            )
        ),
        case(Real((1, 2, 3, 2, 3)), Real((1, 2, 2, 1, 3), -0.9, 0.9)),
        rtol=2e-5, order=1,
    ),
    row(
        "nn.affine_grid", _affine_grid,
        case(Real((2, 2, 3)), (2, 1, 3, 4), True), case(Real((2, 2, 3)), [2, 1, 3, 1], False),
        case(Real((1, 3, 4)), (1, 2, 2, 3, 2), align_corners=False),
        rtol=5e-6,
    ),
]  # fmt: skip
