"""GFLOP/s of a linear layer's three float32 products, one thread: Eigen, OpenBLAS, MKL.

Build with `cmake -S bench/cpp -B bench/cpp/build -DBX_BENCH_GEMM=ON`, then run
`OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python gemm_probe.py BUILD_FOLDER`.
OpenBLAS is the one in NumPy's wheel and MKL the one in PyTorch's: called in a loop in C, and, in
the last two columns, through Python. `OPENBLAS_CORETYPE=SkylakeX` forces OpenBLAS's AVX-512.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

SHAPES = (
    (100, 16, 16),
    (64, 64, 128),
    (64, 128, 10),
    (128, 784, 512),
    (128, 512, 512),
    (1024, 1024, 1024),
)
NAMES = ("Eigen v3", "Eigen v4", "OpenBLAS", "MKL", "np.matmul", "torch.mm")
ROUNDS, SECONDS = 15, 0.02

Array = np.ndarray[Any, Any]
Timer = Callable[[int], float]


class Libraries:
    """The probes of both instruction sets, and the two libraries' SGEMM."""

    def __init__(self, build: Path) -> None:
        self.v3, self.v4 = (ctypes.CDLL(str(build / f"libgemm_{v}.so")) for v in ("v3", "v4"))
        for probe in (self.v3, self.v4):
            for name in ("probe_eigen", "probe_cblas64", "probe_fortran32"):
                getattr(probe, name).restype = ctypes.c_double
        site = Path(np.__file__).parent.parent
        blas = ctypes.CDLL(str(next((site / "numpy.libs").glob("libscipy_openblas64*.so"))))
        mkl = ctypes.CDLL(str(site / "torch/lib/libtorch_cpu.so"))
        self.openblas = ctypes.cast(blas.scipy_cblas_sgemm64_, ctypes.c_void_p)
        self.mkl = ctypes.cast(mkl.SGEMM, ctypes.c_void_p)


def timers(lib: Libraries, a: Array, b: Array, form: str, c: Array) -> list[Timer]:
    """Functions from a number of calls to seconds per call, in the order of NAMES."""
    left, right = _operands(a, b, form)
    (m, k), n = left.shape, right.shape[1]
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (a, b, c)]
    what = [int(form[0] == "T"), int(form[1] == "T"), m, n, k, *pointers]
    torch_left, torch_right = torch.from_numpy(left), torch.from_numpy(right)
    torch_out = torch.from_numpy(c)
    return [
        lambda calls: float(lib.v3.probe_eigen(*what, calls)),
        lambda calls: float(lib.v4.probe_eigen(*what, calls)),
        lambda calls: float(lib.v3.probe_cblas64(lib.openblas, *what, calls)),
        lambda calls: float(lib.v3.probe_fortran32(lib.mkl, *what, calls)),
        lambda calls: _seconds(lambda: np.matmul(left, right, out=c), calls),
        lambda calls: _seconds(lambda: torch.mm(torch_left, torch_right, out=torch_out), calls),
    ]


def measure(lib: Libraries, a: Array, b: Array, form: str) -> list[float]:
    """GFLOP/s in the order of NAMES, each result checked in float64 first."""
    left, right = _operands(a, b, form)
    c = np.empty((left.shape[0], right.shape[1]), np.float32)
    run = timers(lib, a, b, form, c)
    want = left.astype(np.float64) @ right
    for timer in run:
        c.fill(np.nan)
        timer(1)
        np.testing.assert_allclose(c, want, atol=1e-3)
    flops = 2.0 * left.shape[0] * right.size
    calls = max(1, int(SECONDS / (flops / 80e9)))
    rounds = [[timer(calls) for timer in run] for _ in range(ROUNDS)]
    return [flops / statistics.median(times) / 1e9 for times in zip(*rounds, strict=True)]


def main() -> int:
    if len(sys.argv) != 2 or os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        print(__doc__, file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    lib = Libraries(Path(sys.argv[1]).resolve())
    print(f"{'batch x in x out':18}{'form':5}" + "".join(f"{name:>11}" for name in NAMES))
    draw = np.random.default_rng(0)
    for batch, fan_in, fan_out in SHAPES:
        x = draw.standard_normal((batch, fan_in), np.float32)
        g = draw.standard_normal((batch, fan_out), np.float32)
        w = draw.standard_normal((fan_out, fan_in), np.float32)
        # Forward x W^T, the input's gradient g W, the weight's gradient g^T x.
        for form, a, b in (("NT", x, w), ("NN", g, w), ("TN", g, x)):
            rates = measure(lib, a, b, form)
            shape = f"{batch}x{fan_in}x{fan_out}"
            print(f"{shape:18}{form:5}" + "".join(f"{rate:11.1f}" for rate in rates), flush=True)
    return 0


def _operands(a: Array, b: Array, form: str) -> tuple[Array, Array]:
    return (a.T if form[0] == "T" else a), (b.T if form[1] == "T" else b)


def _seconds(function: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


if __name__ == "__main__":
    sys.exit(main())
