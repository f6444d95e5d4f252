"""Kernels read nothing beside their operands, which lie between pages that must not be touched."""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.nn import functional as F

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is protected by mprotect")

PAGE, ROOM = mmap.PAGESIZE, 1 << 20
TYPES = ["float32", "float64", "int64", "int32", "uint8"]


class Guarded:
    """Memory between two forbidden pages."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, ROOM + 2 * PAGE)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for page in (self._address, self._address + PAGE + ROOM):
            assert protect(page, PAGE, 0) == 0

    def holds(self, values: Any, at_end: bool) -> bx.Tensor:
        """A tensor of the values at one end of the memory."""
        first = PAGE + (ROOM - values.nbytes if at_end else 0)
        there = np.frombuffer(self._map, values.dtype, values.size, first).reshape(values.shape)
        there[...] = values
        return bx.from_numpy(there)


LEFT, RIGHT = Guarded(), Guarded()


def _numbers(draw: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
    return draw.integers(0, 5, shape).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
def test_products(dtype: str) -> None:
    draw = np.random.default_rng(0)
    sizes = [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 20, 24, 31, 33, 48, 64, 65, 100, 130]

    def operand(memory: Guarded, rows: int, cols: int) -> bx.Tensor:
        turned, at_end = draw.integers(2, size=2)
        shape = (cols, rows) if turned else (rows, cols)
        t = memory.holds(_numbers(draw, shape, dtype), bool(at_end))
        return t.t() if turned else t

    for _ in range(400):
        m, n, k = (int(size) for size in draw.choice(sizes, 3))
        a, b = operand(LEFT, m, k), operand(RIGHT, k, n)
        want = (a.numpy().astype(np.int64) @ b.numpy().astype(np.int64)).astype(dtype)
        np.testing.assert_array_equal((a @ b).numpy(), want)


WINDOWS: dict[str, Callable[[bx.Tensor, bx.Tensor], bx.Tensor]] = {
    "conv2d": lambda x, w: F.conv2d(x, w, None, 1, 1),
    "conv2d, stride 2": lambda x, w: F.conv2d(x, w, None, 2, 1),
    "conv2d, dilation 2": lambda x, w: F.conv2d(x, w, None, 1, 2, 2),
    "conv2d by channel": lambda x, w: F.conv2d(x, w[:, :1].contiguous()[: x.shape[1]], groups=3),
    "conv_transpose2d": lambda x, w: F.conv_transpose2d(x, w.transpose(0, 1).contiguous(), None, 2),
    "max_pool2d": lambda x, w: F.max_pool2d(x, 2) + 0 * w.sum(),
    "max_pool2d, stride 1": lambda x, w: F.max_pool2d(x, 3, 1, 1) + 0 * w.sum(),
    "avg_pool2d": lambda x, w: F.avg_pool2d(x, 3, 2) + 0 * w.sum(),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", WINDOWS)
def test_windows_and_their_gradients(name: str, dtype: str) -> None:
    draw = np.random.default_rng(0)
    for size in (5, 8, 17, 33):
        for at_end in (False, True):
            x = LEFT.holds(_numbers(draw, (2, 3, size, size + 1), dtype), at_end).requires_grad_()
            w = RIGHT.holds(_numbers(draw, (4, 3, 3, 3), dtype), at_end).requires_grad_()
            y = WINDOWS[name](x, w)
            gx, gw = bx.autograd.grad(y.sum(), (x, w))
            away = [bx.tensor(t.detach().numpy().copy(), requires_grad=True) for t in (x, w)]
            z = WINDOWS[name](*away)
            hx, hw = bx.autograd.grad(z.sum(), away)
            for got, want in ((y, z), (gx, hx), (gw, hw)):
                np.testing.assert_array_equal(got.detach().numpy(), want.detach().numpy())
