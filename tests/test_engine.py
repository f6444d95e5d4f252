"""The tape: fan-out, accumulation, freed and kept graphs, and chains of a million nodes."""

from __future__ import annotations

import gc
from typing import Any

import pytest

import backprop_ext as bx


def leaf(*values: float, dtype: Any = bx.float64) -> bx.Tensor:
    return bx.tensor(values, dtype=dtype, requires_grad=True)


def in_use() -> int:
    """Bytes that tensors hold now."""
    gc.collect()
    return bx._core._memory_stats()["in_use"]


def test_fan_out_adds_every_branch() -> None:
    x = leaf(2.0, 3.0)
    y = x * x + x * 3 + x
    y.sum().backward()
    assert x.grad.tolist() == [8.0, 10.0]


def test_same_tensor_twice_in_one_operation_gets_both_gradients() -> None:
    x = leaf(3.0)
    (x * x).sum().backward()
    (x + x).sum().backward()
    (x / x).sum().backward()
    assert x.grad.tolist() == [8.0]
    m = bx.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    (m @ m).sum().backward()
    assert m.grad.tolist() == [[7.0, 11.0], [9.0, 13.0]]
    c = leaf(1.0, 2.0)
    bx.cat([c, c, c]).sum().backward()
    assert c.grad.tolist() == [3.0, 3.0]


def test_gradient_shared_by_two_inputs_is_not_overwritten() -> None:
    a, b = leaf(1.0, 1.0), leaf(1.0, 1.0)
    t, u = a * 5, b * 7
    s = a + b  # made last, so its gradient comes first, the same tensor to both
    (s * 2 + (t + u)).sum().backward()
    assert a.grad.tolist() == [7.0, 7.0]
    assert b.grad.tolist() == [9.0, 9.0]
    a.grad.zero_()
    assert b.grad.tolist() == [9.0, 9.0]


def test_gradient_that_is_a_view_of_another_is_not_overwritten() -> None:
    x, other = leaf(1.0, 1.0, 1.0, 1.0), bx.ones(2, 2, dtype=bx.float64, requires_grad=True)
    t = x * 5
    s = x.view(2, 2) + other  # x receives a view of what other receives
    ((s * 2).sum() + t.sum()).backward()
    assert x.grad.tolist() == [7.0] * 4
    assert other.grad.tolist() == [[2.0, 2.0]] * 2


def test_seed_gradient_is_left_as_it_was() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    seed = bx.tensor([1.0, 1.0], dtype=bx.float64)
    ((a + b) + a).backward(seed)
    assert seed.tolist() == [1.0, 1.0]
    a.grad.mul_(100)
    assert seed.tolist() == [1.0, 1.0]
    c = leaf(1.0, 2.0)
    (c + 0).backward(seed)
    c.grad.add_(1)
    assert seed.tolist() == [1.0, 1.0]


def test_diamonds_are_walked_once_per_node() -> None:
    x = leaf(0.5)
    y = x
    for _ in range(10_000):
        y = (y + y) / 2
    y.backward()
    assert y.item() == 0.5
    assert x.grad.tolist() == [1.0]


def test_wide_graph_of_diamonds_is_not_a_tree() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(60):  # 2^60 paths
        y = y * 0.5 + y * 0.5
    y.backward()
    assert x.grad.tolist() == [1.0]


def test_chain_of_a_million_operations_is_walked_and_freed() -> None:
    before = in_use()
    x = leaf(1.0)
    y = x
    for _ in range(1_000_000):
        y = y + 1.0
    assert y.item() == 1_000_001
    y.backward()
    assert x.grad.item() == 1.0
    del x, y
    assert in_use() == before


def test_chain_of_a_million_operations_is_freed_without_backward() -> None:
    before = in_use()
    x = leaf(1.0)
    y = x
    for _ in range(1_000_000):
        y = y * 1.0
    del x, y
    assert in_use() == before


def test_backward_frees_what_the_graph_kept() -> None:
    x = bx.ones(1000, requires_grad=True)
    base = in_use()
    y = x.exp().sin().exp()
    assert in_use() >= base + 2 * 4000  # both exponentials
    node = y.grad_fn
    loss = y.sum()
    del y
    loss.backward()
    assert node._released
    assert node._saved_tensors == []
    assert in_use() <= base + 4000 + 64  # x.grad and the loss


def test_second_backward_is_an_error_that_names_the_cure() -> None:
    x = leaf(1.0, 2.0)
    loss = (x * x).sum()
    loss.backward()
    before = x.grad.tolist()
    with pytest.raises(RuntimeError, match=r"\[backward\].*MulBackward0.*retain_graph=True"):
        loss.backward()
    assert x.grad.tolist() == before
    linear = (x + x).sum()  # keeps nothing, so that nothing was freed
    linear.backward()
    linear.backward()


def test_retain_graph_allows_another_backward() -> None:
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    assert x.grad.tolist() == [12.0]
    y.backward()
    assert x.grad.tolist() == [18.0]
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


def test_gradients_accumulate_until_they_are_reset() -> None:
    x = leaf(1.0)
    for expected in (2.0, 4.0, 6.0):
        (x * 2).backward()
        assert x.grad.tolist() == [expected]
    x.grad.zero_()
    assert x.grad.tolist() == [0.0]
    x.grad = None
    (x * 2).backward()
    assert x.grad.tolist() == [2.0]


def test_accumulation_keeps_the_gradient_tensor() -> None:
    x = leaf(1.0)
    (x * 2).backward()
    kept = x.grad
    (x * 2).backward()
    assert x.grad is kept
    assert kept.tolist() == [4.0]


def test_create_graph_gives_higher_derivatives() -> None:
    x = leaf(2.0)
    y = x**4
    expected = [32.0, 48.0, 48.0, 24.0]
    for order in range(4):
        (y,) = bx.autograd.grad(y.sum(), x, create_graph=True)
        assert y.tolist() == [expected[order]]
        assert y.requires_grad


def test_backward_with_create_graph_leaves_a_differentiable_grad() -> None:
    x = leaf(2.0)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    (g2,) = bx.autograd.grad(x.grad.sum(), x)
    assert g2.tolist() == [12.0]
    x.grad = None


def test_grad_returns_gradients_and_touches_no_grad() -> None:
    x, w = leaf(2.0), leaf(3.0)
    y = x * w
    gw, gx = bx.autograd.grad(y, (w, x))
    assert (gx.tolist(), gw.tolist()) == ([3.0], [2.0])
    assert x.grad is None
    assert w.grad is None
    assert not gx.requires_grad


def test_grad_to_a_result_in_the_middle() -> None:
    x = leaf(2.0)
    h = x * x
    y = h * h
    gh, gx = bx.autograd.grad(y, (h, x))
    assert (gh.tolist(), gx.tolist()) == ([8.0], [32.0])
    z = x * 3
    (same,) = bx.autograd.grad(z, z)
    assert same.tolist() == [1.0]


def test_grad_of_an_unused_input() -> None:
    x, other = leaf(2.0), leaf(1.0, 1.0)
    y = x * x
    with pytest.raises(RuntimeError, match=r"\[grad\] input 1 of shape \(2,\).*allow_unused=True"):
        bx.autograd.grad(y, (x, other), retain_graph=True)
    found = bx.autograd.grad(y, (x, other), retain_graph=True, allow_unused=True)
    assert found[1] is None
    zeros = bx.autograd.grad(y, (x, other), materialize_grads=True)
    assert zeros[1].tolist() == [0.0, 0.0]
    with pytest.raises(RuntimeError, match="does not require grad"):
        bx.autograd.grad(x * 2, bx.ones(1))


def test_grad_of_several_outputs_with_weights() -> None:
    x = leaf(1.0, 2.0)
    a, b = x * 2, x * x
    (g,) = bx.autograd.grad((a, b), x, (bx.tensor([1.0, 0.0]).double(), bx.ones(2).double()))
    assert g.tolist() == [4.0, 4.0]
    bx.autograd.backward([(x * 2).sum(), (x * 3).sum()])
    assert x.grad.tolist() == [5.0, 5.0]


def test_backward_with_inputs_fills_only_those() -> None:
    x, w = leaf(2.0), leaf(3.0)
    (x * w).backward(inputs=[w])
    assert x.grad is None
    assert w.grad.tolist() == [2.0]
    middle = x * 2
    (middle * w).backward(inputs=[middle])
    assert middle.grad.tolist() == [3.0]
    assert x.grad is None


def test_graph_is_visible_through_nodes() -> None:
    x, w = leaf(1.0), leaf(2.0)
    y = x * w
    node = y.grad_fn
    assert node.name() == "MulBackward0"
    assert [n.name() for n, _ in node.next_functions] == ["AccumulateGrad", "AccumulateGrad"]
    assert node.next_functions[0][0].variable is x
    assert (x + bx.ones(1)).grad_fn.next_functions[1][0] is None
    for scaled in (2 * x, x * 2, 2 + x):  # a number comes second, as in PyTorch
        assert scaled.grad_fn.next_functions[0][0].variable is x
    assert x.grad_fn is None
    assert x.is_leaf
    assert not y.is_leaf
    assert "MulBackward0 object at" in repr(node)


@pytest.mark.parametrize(
    ("make", "kept"),
    [
        (lambda x: x + 1, 0),
        (lambda x: x * 2, 1),
        (lambda x: -x, 0),
        (lambda x: x.sum(), 0),
        (lambda x: x.reshape(2, 1), 0),
        (lambda x: x.exp(), 1),
        (lambda x: x.tanh(), 1),
    ],
)
def test_operation_keeps_only_what_its_derivative_reads(make: Any, kept: int) -> None:
    assert len(make(leaf(1.0, 2.0)).grad_fn._saved_tensors) == kept


def test_result_that_is_kept_makes_no_cycle() -> None:
    gc.disable()
    try:
        x = bx.ones(1000, requires_grad=True)
        before = bx._core._memory_stats()["in_use"]
        y = x.exp().tanh().softmax(0)
        del y
        assert bx._core._memory_stats()["in_use"] == before
    finally:
        gc.enable()


def test_a_layer_lists_its_bias_first_as_pytorch_does() -> None:
    layer = bx.nn.Linear(2, 3)
    node = layer(bx.ones(1, 2, requires_grad=True).relu()).grad_fn
    names = [n.name() for n, _ in node.next_functions]
    assert names == ["AccumulateGrad", "ReluBackward0", "AccumulateGrad"]
    assert node.next_functions[0][0].variable is layer.bias


def test_grad_raises_where_a_backward_gives_none() -> None:
    class Nothing(bx.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return None

    x = bx.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="allow_unused"):
        bx.autograd.grad(Nothing.apply(x).sum(), x)
    assert bx.autograd.grad(Nothing.apply(x).sum(), x, allow_unused=True) == (None,)
    (zeros,) = bx.autograd.grad(Nothing.apply(x).sum(), x, materialize_grads=True)
    assert zeros.tolist() == [0.0, 0.0]
