"""What PyTorch rejects is rejected here with PyTorch's class of error, or one under it.

`tests/data/rejected.txt` has a mistake and PyTorch's class in each line: what beginners write, and
arguments of another type, shape or range. `tests/data/accepted.txt` has what looks like a mistake,
and PyTorch's result. Where PyTorch is installed, it is asked too.
"""

from __future__ import annotations

import builtins
import collections
import importlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx


def table(name: str) -> list[list[str]]:
    lines = (Path(__file__).parent / "data" / name).read_text().splitlines()[1:]
    return [line.rsplit(" | ", 1) for line in lines]


MISTAKES = table("rejected.txt")
ACCEPTED = table("accepted.txt")
PER_TEST = 100


def scope(lib: Any) -> dict[str, Any]:
    """The names that a mistake uses."""
    lib.manual_seed(0)
    data = importlib.import_module(f"{lib.__name__}.utils.data")
    importlib.import_module(f"{lib.__name__}.utils.checkpoint")
    importlib.import_module(f"{lib.__name__}.nn.utils.prune")
    lin = lib.nn.Linear(3, 2)
    for p in lin.parameters():
        p.grad = lib.ones_like(p)
    return {
        "torch": lib, "nn": lib.nn, "F": lib.nn.functional, "optim": lib.optim, "np": np,
        "D": importlib.import_module(f"{lib.__name__}.distributions"), "data": data,
        "ls": lib.optim.lr_scheduler, "opt": lib.optim.SGD(lin.parameters(), lr=0.1), "io": io,
        "collections": collections, "nan": float("nan"), "inf": float("inf"),
        "ds": data.TensorDataset(lib.arange(12.0).reshape(6, 2), lib.arange(6)),
        "a": lib.arange(6.0).reshape(2, 3), "b": lib.ones(2, 3), "v": lib.ones(3),
        "r": lib.ones(2, 3, requires_grad=True), "i": lib.tensor([0, 1]), "s": lib.tensor(2.0),
        "n": lib.arange(6).reshape(2, 3), "m": lib.ones(2, 3) > 0, "c": lib.ones(2, 3).cfloat(),
        "u": lib.ones(2, 3).to(lib.uint8),
        "d": lib.ones(2, 3, dtype=lib.float64), "img": lib.ones(2, 3, 8, 8),
        "seq": lib.ones(5, 2, 4), "lin": lin, "e": lib.empty(0),
    }  # fmt: skip


def answer(lib: Any, text: str) -> type[BaseException] | None:
    names = scope(lib)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(text, names)
        except Exception as error:
            return type(error)
    return None


@pytest.mark.parametrize("start", range(0, len(MISTAKES), PER_TEST))
def test_mistake_has_the_recorded_class(start: int) -> None:
    for text, name in MISTAKES[start : start + PER_TEST]:
        found = answer(bx, text)
        assert found is not None, text
        assert issubclass(found, getattr(builtins, name)), (text, found, name)


def test_recorded_classes_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    torch.distributions.Distribution.set_default_validate_args(True)  # other tests turn it off
    for text, name in MISTAKES:
        found = answer(torch, text)
        assert found is not None, text
        assert name in [kind.__name__ for kind in found.__mro__], (text, found, name)


def result(lib: Any, text: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return " ".join(repr(eval(text, scope(lib))).split())


def test_what_pytorch_accepts_has_the_recorded_result() -> None:
    for text, expected in ACCEPTED:
        assert result(bx, text) == expected, text


def test_recorded_results_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    for text, expected in ACCEPTED:
        assert result(torch, text) == expected, text
