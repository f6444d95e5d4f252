"""What is printed is what PyTorch prints: a recorded table, options, and random tensors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

BLOCKS = (Path(__file__).parent / "data" / "repr.txt").read_text().split(">>> ")[1:]
TABLE = [tuple(block.rstrip("\n").split("\n", 1)) for block in BLOCKS]


def scope(lib: Any) -> dict[str, Any]:
    names = {name: getattr(lib, name) for name in ("tensor", "zeros", "ones", "arange", "eye")}
    return {**names, "full": lib.full, "nn": lib.nn, "torch": lib, "nan": np.nan, "inf": np.inf}


@pytest.mark.parametrize(("expression", "expected"), TABLE, ids=[t[0] for t in TABLE])
def test_prints_what_was_recorded_from_pytorch(expression: str, expected: str) -> None:
    assert repr(eval(expression, scope(bx))) == expected


def test_str_is_repr_and_format_of_a_number_is_its_own() -> None:
    t = bx.tensor([1.0, 2.0])
    assert str(t) == repr(t) == f"{t}"
    assert f"{bx.tensor(1.5)}" == "1.5"
    assert f"{bx.tensor(2):d}" == "2"
    with pytest.raises(TypeError, match="format"):
        f"{t:.2f}"


def test_options_change_the_print_and_come_back() -> None:
    t = bx.tensor([1.23456789, 1000.0])
    before = repr(t)
    with bx.printoptions(precision=2):
        assert repr(t) == "tensor([   1.23, 1000.00])"
    with bx.printoptions(sci_mode=True):
        assert repr(t) == "tensor([1.2346e+00, 1.0000e+03])"
    with bx.printoptions(threshold=5, edgeitems=1):
        assert repr(bx.arange(9)) == "tensor([0,  ..., 8])"
    with bx.printoptions(linewidth=20):
        assert repr(bx.arange(8)) == "tensor([0, 1, 2, 3,\n        4, 5, 6, 7])"
    assert repr(t) == before
    bx.set_printoptions(profile="wide")
    assert repr(t) == before


def test_random_tensors_print_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for _ in range(150):
        shape = tuple(rng.integers(0, 7, rng.integers(0, 4)))
        scale = 10.0 ** rng.integers(-6, 7, shape)
        a = np.asarray(rng.standard_normal(shape) * scale)
        a = a.astype(rng.choice(["float32", "float64", "int64", "int32", "uint8", "bool"]))
        for option in ({}, {"precision": 2}, {"sci_mode": False}, {"linewidth": 40}):
            torch.set_printoptions(profile="default")
            torch.set_printoptions(**option)
            try:
                expected = repr(torch.from_numpy(a))
            finally:
                torch.set_printoptions(profile="default")
            with bx.printoptions(**option):
                assert repr(bx.tensor(a)) == expected


def test_addresses_are_only_in_what_has_no_value() -> None:
    node = (bx.ones(1, requires_grad=True) * 2).grad_fn
    assert re.fullmatch(r"<MulBackward0 object at 0x[0-9a-f]+>", repr(node))
    assert repr(bx.add) == "<operation add>"


def test_node_of_a_function_says_where_pytorch_has_it() -> None:
    class Double(bx.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

    node = Double.apply(bx.ones(1, requires_grad=True)).grad_fn
    assert re.fullmatch(
        r"<torch\.autograd\.function\.DoubleBackward object at 0x[0-9a-f]+>", repr(node)
    )


@pytest.mark.parametrize("walk", ["parameters", "named_parameters", "children", "named_modules"])
def test_walks_over_a_module_print_as_its_own(walk: str) -> None:
    shown = repr(getattr(bx.nn.Linear(1, 1), walk)())
    assert shown.startswith(f"<generator object Module.{walk} at 0x")
