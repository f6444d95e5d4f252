"""Operations by name: torch.library and torch.ops."""

from __future__ import annotations

from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext import library


@library.custom_op("ours::scaled", mutates_args=())
def scaled(x: bx.Tensor, by: float = 2.0) -> bx.Tensor:
    """x times a number."""
    return x * by


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.by = inputs[1]


scaled.register_autograd(lambda ctx, g: (g * ctx.by, None), setup_context=_keep)


@scaled.register_fake
def _(x: bx.Tensor, by: float = 2.0) -> bx.Tensor:
    return bx.empty_like(x)


def test_a_custom_operation_and_its_derivative() -> None:
    x = bx.tensor([1.0, 2.0], requires_grad=True)
    for op in (scaled, bx.ops.ours.scaled, bx.ops.ours.scaled.default):
        (g,) = bx.autograd.grad(op(x, by=3.0).sum(), x)
        assert g.tolist() == [3, 3]
    assert scaled(bx.ones(1)).tolist() == [2]
    assert str(bx.ops.ours.scaled) == "ours.scaled"


def test_one_that_writes_and_one_without_derivative() -> None:
    @library.custom_op("ours::filled_", mutates_args={"x"})
    def filled_(x: bx.Tensor, value: float) -> None:
        x.fill_(value)

    x = bx.zeros(2)
    filled_(x, 3.0)
    assert x.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="writes"):
        filled_.register_autograd(lambda ctx, g: None)

    @library.custom_op("ours::plain", mutates_args=())
    def plain(x: bx.Tensor) -> bx.Tensor:
        return x + 1

    with pytest.raises(RuntimeError, match="no autograd formula"):
        plain(bx.ones(1, requires_grad=True)).backward()

    @library.custom_op("ours::itself", mutates_args=())
    def itself(x: bx.Tensor) -> bx.Tensor:
        return x

    with pytest.raises(RuntimeError, match="clone"):
        itself(bx.ones(1))


def test_define_and_impl() -> None:
    library.define("ours::twice", "(Tensor x) -> Tensor")
    with pytest.raises(NotImplementedError, match="kernel"):
        bx.ops.ours.twice(bx.ones(1))
    library.impl("ours::twice", "cpu", lambda x: x * 2)
    assert bx.ops.ours.twice(bx.ones(1)).tolist() == [2]
    lib = library.Library("ours", "FRAGMENT")
    lib.define("thrice(Tensor x) -> Tensor")
    lib.impl("thrice", lambda x: x * 3, "CPU")
    assert bx.ops.ours.thrice(bx.ones(1)).tolist() == [3]


def test_operations_of_the_package_by_their_name() -> None:
    aten = bx.ops.aten
    assert aten.add(bx.ones(1), 1).tolist() == [2]
    assert aten.mm.default(bx.eye(2), bx.eye(2)).tolist() == [[1, 0], [0, 1]]
    assert aten.add.Tensor is aten.add.Tensor
    assert aten.add.Tensor.name() == "aten::add.Tensor"
    assert aten.relu.default.overloadpacket is aten.relu
    assert not hasattr(aten, "no_such_operation")
    assert not hasattr(bx.ops.nobody, "knows")
    with pytest.raises(OSError, match="compiled"):
        bx.ops.load_library("lib.so")


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (ValueError, lambda: library.custom_op("name", mutates_args=())(abs)),
        (ValueError, lambda: library.custom_op("a::b", mutates_args=())(lambda x: x)),
        (TypeError, lambda: library.custom_op("a::b")),  # type: ignore[call-arg]
        (RuntimeError, lambda: library.register_autograd("a::unknown", abs)),
        (ValueError, lambda: library.Library("a", "OTHER")),
        (AttributeError, lambda: bx.ops.ours.missing),
    ],
)
def test_wrong_uses(error: Any, call: Any) -> None:
    with pytest.raises(error):
        call()
