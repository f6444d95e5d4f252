"""GFLOP/s of float32 products, one thread: our kernel, Eigen, OpenBLAS, MKL.

    python bench/gemm.py          # about half a minute
    python bench/gemm.py --quick  # each product once, to see that the answers are right

OpenBLAS is the one in NumPy's wheel and MKL the one in PyTorch's; who is not there is left out. The
last column is our speed over that of the faster of the two. Every answer is compared with float64
first; the command ends with 1 if one was wrong.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read by the libraries when they load.
os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
)

import native
import numpy as np

SQUARES = (8, 16, 32, 64, 128, 256, 512, 1024)
# Linear layers: batch, in, out.
LAYERS = (
    *((16, 4, 32), (16, 32, 1)),
    *((100, 2, 16), (100, 16, 16), (100, 16, 1)),
    *((64, 64, 128), (64, 128, 10)),
    *((128, 784, 512), (128, 512, 512), (128, 512, 10)),
    *((1, 64, 64), (1, 512, 512)),
    *((64, 256, 120), (32, 64, 256)),
    *((1024, 128, 384), (1024, 128, 512)),
)
LEAST = 0.9  # of the faster of OpenBLAS and MKL
ROUNDS, SECONDS = 11, 0.005

WHERE = """
import pathlib, backprop_ext
from backprop_ext import _core
folder = pathlib.Path(_core.__file__).parent
print(*folder.glob(f"libbx_kernels_{_core._isa()}.*"), sep="\\n")
"""

Array = np.ndarray[Any, Any]
Probe = Callable[..., float]


@dataclass(frozen=True)
class Product:
    """`C = A B` with A (m, k) and B (k, n), one of them stored transposed in the form NT or TN."""

    m: int
    n: int
    k: int
    form: str

    def operands(self) -> tuple[Array, Array]:
        """A and B as they are stored."""
        draw = np.random.default_rng(0)
        a = draw.standard_normal((self.m, self.k), np.float32)
        b = draw.standard_normal((self.k, self.n), np.float32)
        return _aligned(a.T if self.form[0] == "T" else a), _aligned(
            b.T if self.form[1] == "T" else b
        )


def products() -> Iterator[Product]:
    """Forward x W^T, the input's gradient g W, the weight's gradient g^T x of each layer."""
    for batch, fan_in, out in (*((size,) * 3 for size in SQUARES), *LAYERS):
        yield Product(batch, out, fan_in, "NT")
        yield Product(batch, fan_in, out, "NN")
        yield Product(out, fan_in, batch, "TN")


def find_probes() -> dict[str, Probe]:
    """Who is here, each a function from a product's numbers to seconds per call."""
    lib = ctypes.CDLL(str(native.library("gemm", "gemm.cpp", "../../cpp/kernels/table.h")))
    for name in ("probe_ours", "probe_eigen", "probe_cblas64", "probe_fortran32"):
        getattr(lib, name).restype = ctypes.c_double
    lib.probe_kernel.restype = ctypes.c_void_p
    probes: dict[str, Probe] = {"ours": _bound(lib.probe_ours, _our_kernel(lib))}
    probes["Eigen"] = lib.probe_eigen
    for blas in (Path(np.__file__).parent.parent / "numpy.libs").glob("libscipy_openblas64*"):
        function = ctypes.CDLL(str(blas)).scipy_cblas_sgemm64_
        probes["OpenBLAS"] = _bound(lib.probe_cblas64, ctypes.cast(function, ctypes.c_void_p))
    try:
        import torch

        path = next((Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*"))
        function = ctypes.CDLL(str(path)).SGEMM
        probes["MKL"] = _bound(lib.probe_fortran32, ctypes.cast(function, ctypes.c_void_p))
    except (ImportError, StopIteration, AttributeError) as error:
        print(f"gemm: no MKL: {error!r}", file=sys.stderr)
    return probes


def measure(product: Product, probes: dict[str, Probe], rounds: int) -> dict[str, list[float]]:
    """Seconds per call in each round. Raises AssertionError if an answer is wrong."""
    a, b = product.operands()
    c = _aligned(np.empty((product.m, product.n), np.float32))
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (a, b, c)]
    form = [int(letter == "T") for letter in product.form]
    numbers = [*form, product.m, product.n, product.k, *pointers]
    want = (a.T if form[0] else a).astype(np.float64) @ (b.T if form[1] else b)
    calls = {}
    for name, probe in probes.items():
        c.fill(np.nan)
        probe(*numbers, 1)
        np.testing.assert_allclose(c, want, atol=1e-5 * product.k, rtol=1e-5, err_msg=name)
        calls[name] = max(1, int(SECONDS / max(probe(*numbers, 2), 1e-9)))
    times: dict[str, list[float]] = {name: [] for name in probes}
    order = list(probes)
    for turn in range(rounds):
        # Who comes after whom changes from round to round.
        for name in order[turn % len(order) :] + order[: turn % len(order)]:
            times[name].append(probes[name](*numbers, calls[name] if rounds > 1 else 1))
    return times


def main() -> int:
    """Print a line for each product."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
    rounds = 1 if "--quick" in sys.argv[1:] else ROUNDS
    try:
        probes = find_probes()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"gemm: {native.reason(error)}", file=sys.stderr)
        return 2
    peers = [name for name in ("OpenBLAS", "MKL") if name in probes]
    print(f"{'m x n x k':16}{'form':5}" + "".join(f"{n:>10}" for n in probes) + "  ours / best")
    ratios, wrong = [], 0
    for product in products():
        shape = f"{product.m}x{product.n}x{product.k}"
        try:
            times = measure(product, probes, rounds)
        except AssertionError as error:
            wrong += 1
            print(f"{shape:16}{product.form:5}refused: {error}")
            continue
        flops = 2.0 * product.m * product.n * product.k
        rates = [flops / statistics.median(times[name]) / 1e9 for name in probes]
        line = f"{shape:16}{product.form:5}" + "".join(f"{rate:10.1f}" for rate in rates)
        if peers:
            ratios.append(min(_ratio(times[name], times["ours"]) for name in peers))
            line += f"{ratios[-1]:13.2f}" + (" <" if ratios[-1] < LEAST else "")
        print(line, flush=True)
    if rounds == 1:
        print("A smoke run: too short for its speeds to be trusted.")
    below = sum(ratio < LEAST for ratio in ratios)
    print(f"GFLOP/s, one thread; {below} of {len(ratios)} below {LEAST} of the best")
    return 1 if wrong else 0


def _aligned(values: Array) -> Array:
    """A copy at a multiple of 64 bytes, as tensors of the package and of PyTorch begin."""
    room = np.empty(values.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy: Array = room[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def _our_kernel(lib: Any) -> Any:
    """The matmul that the installed package uses on this processor."""
    # In a process of its own: here the package would share the library's state.
    command = [sys.executable, "-c", WHERE]
    path = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    kernel = lib.probe_kernel(path.encode())
    if not kernel:
        raise OSError(f"[gemm] {path} is not of this version; install the package anew")
    return ctypes.c_void_p(kernel)


def _bound(probe: Any, function: Any) -> Probe:
    return lambda *numbers: float(probe(function, *numbers))


def _ratio(peer: list[float], ours: list[float]) -> float:
    return statistics.median(p / o for p, o in zip(peer, ours, strict=True))


if __name__ == "__main__":
    sys.exit(main())
