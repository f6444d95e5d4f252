"""What `print(tensor)` and `type(tensor.grad_fn).__name__` call the node: PyTorch's names.

`tests/data/nodes.txt` has an expression and PyTorch's name of its node in each line, and ours where
it is another because the graph is: one node for what PyTorch takes apart, or the other way round.
Where PyTorch is installed, values, gradients and the names themselves are compared with it.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

LINES = [
    line.split(" | ")
    for line in (Path(__file__).parent / "data" / "nodes.txt").read_text().splitlines()[1:]
]
SHAPES: dict[str, tuple[int, ...]] = {
    "x": (3, 4), "y": (3, 4), "u": (3, 4), "p": (3, 4), "q": (3, 4), "v": (4,), "w3": (3,),
    "w1": (4,), "w5": (5,), "y0": (), "m3": (2, 3, 4), "m33": (2, 3, 3), "sq": (3, 3),
    "k1": (2, 3, 2), "k2": (5, 3, 3, 3), "k3": (2, 1, 2, 2, 2), "img": (2, 3, 6, 6),
    "img4": (2, 4, 4, 4), "vol": (2, 1, 4, 4, 4), "bil": (2, 4, 4), "grid": (2, 3, 3, 2),
    "aff": (2, 2, 3), "ctc": (6, 2, 3), "spd": (3, 3),
}  # fmt: skip
POSITIVE, INSIDE = {"p", "q"}, {"u", "grid"}  # above 1/2; between -1 and 1


def leaves(lib: Any) -> dict[str, Any]:
    """The names that expressions use."""
    draw = np.random.RandomState(0)
    found: dict[str, Any] = {}
    for name, shape in SHAPES.items():
        a = np.asarray(draw.randn(*shape), np.float32)
        if name in POSITIVE:
            a = np.abs(a) + np.float32(0.5)
        elif name in INSIDE:
            a = np.tanh(a) * np.float32(0.8)
        elif name == "spd":
            a = a @ a.T + np.eye(3, dtype=np.float32)
        found[name] = lib.tensor(a, requires_grad=True)
    found["cls"] = lib.tensor([0, 2, 3])
    found["bits"] = lib.tensor([[0.0, 1, 0, 1]] * 3)
    found["sgn"] = lib.tensor([[1.0, -1, 1, -1]] * 3)
    return found


def inplace(x: Any, write: Any) -> Any:
    a = x.clone()
    write(a)
    return a


def run(lib: Any, text: str) -> tuple[Any, dict[str, Any]]:
    """The value of an expression, and the leaves."""
    lib.manual_seed(0)
    names = leaves(lib)
    scope = {**names, "torch": lib, "nn": lib.nn, "F": lib.nn.functional, "inplace": inplace}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(text, scope), names


@pytest.mark.parametrize("line", LINES, ids=[line[0] for line in LINES])
def test_node_has_the_recorded_name(line: list[str]) -> None:
    out, _ = run(bx, line[0])
    assert type(out.grad_fn).__name__ == line[-1]
    assert f"grad_fn=<{line[-1]}>" in repr(out)


@pytest.mark.parametrize("line", LINES, ids=[line[0] for line in LINES])
def test_value_gradients_and_name_are_pytorchs(line: list[str]) -> None:
    torch = pytest.importorskip("torch")
    ours, names = run(bx, line[0])
    theirs, their_names = run(torch, line[0])
    if "Mkldnn" not in line[1]:  # a name of the build, not of the version
        assert type(theirs.grad_fn).__name__ == line[1]
    assert (ours.requires_grad, str(ours.dtype)) == (theirs.requires_grad, str(theirs.dtype))
    same(ours, theirs)
    for value in (ours, theirs):
        (value.double() ** 2).sum().backward()
    for name in SHAPES:
        a, b = names[name].grad, their_names[name].grad
        assert (a is None) == (b is None), name
        if a is not None:
            assert str(a.dtype) == str(b.dtype)
            same(a, b)


def same(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(
        ours.detach().numpy(), theirs.numpy(force=True), rtol=2e-4, atol=2e-5, equal_nan=True
    )


def test_node_shows_what_it_keeps_under_pytorchs_names() -> None:
    x = bx.tensor([1.0, 2.0], requires_grad=True)
    squared, grown = x.pow(2), x.exp()
    assert squared.grad_fn._saved_self is x
    assert bx.equal(grown.grad_fn._saved_result, grown)
    y = bx.tensor([3.0, 4.0])
    product = x * y
    assert product.grad_fn._saved_other.tolist() == [3.0, 4.0]
    with pytest.raises(AttributeError, match="'MulBackward0' object has no attribute 'qwerty'"):
        product.grad_fn.qwerty  # noqa: B018
    product.sum().backward()
    with pytest.raises(RuntimeError, match="freed"):
        product.grad_fn._saved_other  # noqa: B018
