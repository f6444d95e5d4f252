"""The training steps written by hand in C++ on Eigen: built where needed, and called."""

from __future__ import annotations

import ctypes
from typing import Any

import native
import numpy as np
from measure import Answer, changes
from problems import SCALAR_RATE, SCALAR_X, SCALAR_Y, Net, Start


class Handwritten:
    """The library of `cpp/handwritten.h`."""

    def __init__(self) -> None:
        path = native.library("handwritten", "handwritten.cpp", "handwritten.h")
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
        names = list(self._start)
        self._layers = list(zip(names[::2], names[1::2], strict=True))
        widths = np.array(net.widths, np.int32)
        activation, loss = net.activation == "relu", net.loss == "cross_entropy"
        self._mlp = lib.call(
            "mlp_create",
            widths.ctypes.data,
            len(self._layers),
            net.batch,
            activation,
            loss,
            net.optimizer.rate,
        )
        if not self._mlp:
            raise ValueError(f"[handwritten] cannot make {net.name}")
        self._call_with_layers("mlp_set_layer", self._start)
        inputs, targets = net.data()
        given = (None, targets.ctypes.data) if loss else (targets.ctypes.data, None)
        lib.call("mlp_set_data", self._mlp, inputs.ctypes.data, *given)
        self._loss = 0.0

    def run(self, steps: int) -> None:
        self._loss = self._lib.call("mlp_run", self._mlp, steps)

    def answer(self) -> Answer:
        now = {name: np.empty_like(values) for name, values in self._start.items()}
        self._call_with_layers("mlp_get_layer", now)
        return changes(np.array(self._loss), self._start, now)

    def _call_with_layers(self, name: str, values: Start) -> None:
        for i, names in enumerate(self._layers):
            self._lib.call(name, self._mlp, i, *(values[n].ctypes.data for n in names))

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
