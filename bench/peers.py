"""Who is measured: backprop_ext, PyTorch, NumPy by hand, and the hand-written steps on Eigen."""

from __future__ import annotations

import ctypes
import importlib
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from measure import Answer
from problems import SCALAR_RATE, SCALAR_X, SCALAR_Y, Net

CPP = Path(__file__).resolve().parent / "cpp"


@dataclass(frozen=True)
class Peer:
    """A peer that is here (`module`), or why it is not (`absent`)."""

    key: str
    label: str
    version: str = ""
    module: Any = None
    absent: str = ""
    captures: bool = False  # its steps are recorded once and replayed


def find_peers(ours: str, threads: int) -> dict[str, Peer]:
    """All peers in the table's order, those that are missing with the reason."""
    peers = {
        "ours": _python_peer("ours", ours, ours),
        "captured": replace(_python_peer("captured", "captured", ours), captures=True),
        "torch": _python_peer("torch", "PyTorch", "torch"),
        "numpy": Peer("numpy", "NumPy by hand", np.__version__, np),
        "eigen": _handwritten_peer(),
    }
    for key in ("ours", "torch"):
        if not peers[key].absent:
            peers[key].module.set_num_threads(threads)
    return peers


class Handwritten:
    """The library of `cpp/handwritten.h`."""

    def __init__(self, path: Path) -> None:
        self._lib = lib = ctypes.CDLL(str(path))
        pointer, i32, i64, f32 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_float
        signatures: dict[str, tuple[list[Any], Any]] = {
            "mlp_create": ([pointer, i32, i32, i32, i32, f32], pointer),
            "mlp_free": ([pointer], None),
            "mlp_set_layer": ([pointer, i32, pointer, pointer], None),
            "mlp_get_layer": ([pointer, i32, pointer, pointer], None),
            "mlp_set_data": ([pointer, pointer, pointer, pointer], None),
            "mlp_run": ([pointer, i64], f32),
            "scalar_run": ([pointer, pointer, pointer, i32, i64, f32, i64], f32),
            "build_info": ([], ctypes.c_char_p),
        }
        for name, (arguments, result) in signatures.items():
            function = getattr(lib, f"bx_bench_{name}")
            function.argtypes, function.restype = arguments, result

    def call(self, name: str, *arguments: Any) -> Any:
        """Call `bx_bench_<name>`."""
        return getattr(self._lib, f"bx_bench_{name}")(*arguments)


class HandwrittenMlp:
    """A net's steps in C++; the loop over the steps is in C++ too."""

    def __init__(self, lib: Handwritten, net: Net) -> None:
        self._lib, self._start = lib, net.start()
        widths = np.array(net.widths, np.int32)
        activation, loss = net.activation == "relu", net.loss == "cross_entropy"
        self._mlp = lib.call(
            "mlp_create",
            widths.ctypes.data,
            len(self._start),
            net.batch,
            activation,
            loss,
            net.rate,
        )
        if not self._mlp:
            raise ValueError(f"[handwritten] cannot make {net.name}")
        for i, (weight, bias) in enumerate(self._start):
            lib.call("mlp_set_layer", self._mlp, i, weight.ctypes.data, bias.ctypes.data)
        inputs, targets = net.data()
        given = (None, targets.ctypes.data) if loss else (targets.ctypes.data, None)
        lib.call("mlp_set_data", self._mlp, inputs.ctypes.data, *given)
        self._loss = 0.0

    def run(self, steps: int) -> None:
        self._loss = self._lib.call("mlp_run", self._mlp, steps)

    def answer(self) -> Answer:
        changes: Answer = {"loss": np.array(self._loss)}
        for i, (weight, bias) in enumerate(self._start):
            new_weight, new_bias = np.empty_like(weight), np.empty_like(bias)
            self._lib.call(
                "mlp_get_layer", self._mlp, i, new_weight.ctypes.data, new_bias.ctypes.data
            )
            changes[f"change of weight {i}"] = new_weight - weight
            changes[f"change of bias {i}"] = new_bias - bias
        return changes

    def __del__(self) -> None:
        if getattr(self, "_mlp", None):
            self._lib.call("mlp_free", self._mlp)


class HandwrittenScalar:
    """The scalar step in C++."""

    def __init__(self, lib: Handwritten) -> None:
        self._lib = lib
        self._w = np.ones(1, np.float32)
        self._x, self._y = SCALAR_X.astype(np.float32), SCALAR_Y.astype(np.float32)
        self._done, self._loss = 0, 0.0

    def run(self, steps: int) -> None:
        data = self._w.ctypes.data, self._x.ctypes.data, self._y.ctypes.data
        place = len(self._x), self._done
        self._loss = self._lib.call("scalar_run", *data, *place, SCALAR_RATE, steps)
        self._done += steps

    def answer(self) -> Answer:
        return {"weight": self._w.copy(), "loss": np.array([self._loss])}


def _python_peer(key: str, label: str, name: str) -> Peer:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        return Peer(key, label, absent=str(error))
    return Peer(key, label, str(getattr(module, "__version__", "unknown")), module)


def _handwritten_peer() -> Peer:
    try:
        lib = Handwritten(_built_library())
    except (OSError, subprocess.CalledProcessError) as error:
        output = getattr(error, "stdout", None) or ""
        return Peer("eigen", "Eigen by hand", absent=f"{error}\n{output}".strip())
    return Peer("eigen", "Eigen by hand", lib.call("build_info").decode(), lib)


def _built_library() -> Path:
    """`cpp/build`'s library, built first if it is not there or older than its sources."""
    suffix = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
    library = CPP / "build" / f"libhandwritten{suffix}"
    sources = [CPP / "handwritten.cpp", CPP / "handwritten.h", CPP / "CMakeLists.txt"]
    newest = max(source.stat().st_mtime for source in sources)
    if library.exists() and library.stat().st_mtime >= newest:
        return library
    here = str(Path(sys.executable).parent)
    cmake = shutil.which("cmake", path=here) or shutil.which("cmake")
    if cmake is None:
        raise FileNotFoundError("cmake is not installed: pip install cmake cmeel-eigen")
    configure = [cmake, "-S", str(CPP), "-B", str(library.parent), "-DCMAKE_BUILD_TYPE=Release"]
    wheel = Path(sysconfig.get_path("purelib")) / "cmeel.prefix" / "include" / "eigen3"
    if wheel.is_dir():
        configure.append(f"-DEIGEN3_INCLUDE_DIR={wheel}")
    build = [
        cmake,
        "--build",
        str(library.parent),
        "--config",
        "Release",
        "--target",
        "handwritten",
    ]
    print("building the hand-written steps ...", file=sys.stderr)
    for command in (configure, build):
        subprocess.run(
            command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    # A build that finds nothing to do leaves the old time, and would be asked again at every run.
    library.touch()
    return library
