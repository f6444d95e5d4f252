"""explain(loss): the numbers of the graph against autograd, closed forms and finite differences."""

from __future__ import annotations

import gc
import itertools
import json
import weakref
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import explain


def leaf(*values: float) -> bx.Tensor:
    return bx.tensor(values, dtype=bx.float64, requires_grad=True)


def mlp(*widths: int) -> bx.nn.Sequential:
    layers: list[Any] = []
    for a, b in itertools.pairwise(widths):
        layers += [bx.nn.Linear(a, b), bx.nn.Tanh()]
    return bx.nn.Sequential(*layers[:-1])


def test_the_lecture_example_by_hand() -> None:
    x, y = bx.tensor([2.0, 3.0, 1.0]), bx.tensor(3.0)
    w = bx.tensor([1.0, 1.0, 2.0], requires_grad=True)
    with explain.record():
        y_hat = w @ x
        error = y_hat - y
        loss = error**2
    e = explain(loss)
    assert [op.label for op in e.ops] == ["y_hat", "error", "loss"]
    assert [v.name for v in e.variables] == ["w", "x", "y"]
    assert [op.value.array.item() for op in e.ops] == [7.0, 4.0, 16.0]
    assert e["error"].gradient.array.item() == 8.0  # 2 error
    assert e["y_hat"].gradient.array.item() == 8.0
    assert e["w"].gradient.array.tolist() == [16.0, 24.0, 8.0]  # 8 x
    local = e["y_hat"].inputs[0].local
    assert (local.kind, local.value.array.tolist()) == ("jacobian", [2.0, 3.0, 1.0])
    assert "∂L/∂error = ∂L/∂loss · ∂loss/∂error = 1 · 8 = 8" in str(e)
    assert "∂L/∂w = ∂L/∂y_hat · ∂y_hat/∂w = 8 · [2, 3, 1] = [16, 24, 8]" in str(e)


def test_gradients_are_those_of_backward_to_the_bit() -> None:
    bx.manual_seed(0)
    model = mlp(3, 8, 8, 2)
    x, target = bx.randn(5, 3), bx.randn(5, 2)
    out = model(x)
    hidden = out * out  # used twice
    loss = ((out - target) ** 2).mean() + hidden.sum() * 0.1
    e = explain(loss)
    loss.backward()
    for name, parameter in model.named_parameters():
        value = e[name].gradient
        if value.array is not None:
            assert np.array_equal(value.array, parameter.grad.numpy())
        else:
            assert value.statistics["max"] == parameter.grad.max().item()
    assert len(e["out"].parts) == 3


def test_nothing_is_touched() -> None:
    model = mlp(2, 4, 1)
    x = bx.randn(3, 2)
    calls: list[str] = []
    hidden = model[0](x)
    hidden.retain_grad()
    hidden.register_hook(lambda g: calls.append("tensor"))
    model[0].weight.register_hook(lambda g: calls.append("leaf"))
    loss = model[2](model[1](hidden)).sum()
    loss.grad_fn.register_hook(lambda a, b: calls.append("node"))
    before = loss.item()
    explain(loss)
    assert calls == []
    assert hidden.grad is None
    assert all(p.grad is None for p in model.parameters())
    loss.backward()  # the graph is still there
    assert loss.item() == before
    assert sorted(calls) == ["leaf", "node", "tensor"]


def test_an_explanation_keeps_no_graph_alive() -> None:
    w = leaf(1.0, 2.0)
    with explain.record():
        loss = (w * w).sum()
    gone = weakref.ref(loss.grad_fn)
    e = explain(loss)
    del loss
    gc.collect()
    assert gone() is None
    assert e["w"].gradient.array.tolist() == [2.0, 4.0]


@pytest.mark.parametrize("name", ["tanh", "exp", "sigmoid", "sin", "log", "sqrt", "relu", "square"])
def test_elementwise_local_derivatives_against_differences(name: str) -> None:
    x = leaf(0.3, 0.7, 1.9)
    f = getattr(bx, name)
    op = explain(f(x).sum()).ops[0]
    h = 1e-6
    expected = (f(x.detach() + h) - f(x.detach() - h)).numpy() / (2 * h)
    assert op.inputs[0].local.kind == "elementwise"
    np.testing.assert_allclose(op.inputs[0].local.value.array, expected, rtol=1e-8)


@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (lambda x: x.softmax(-1), (3,)),
        (lambda x: x.cumsum(0), (4,)),
        (lambda x: x.flip(0), (3,)),
        (lambda x: x.reshape(2, 3).t(), (6,)),
        (lambda x: bx.nn.functional.layer_norm(x, (4,)), (4,)),
    ],
)
def test_jacobians_against_autograd_functional(f: Any, shape: tuple[int, ...]) -> None:
    bx.manual_seed(1)
    x = bx.randn(shape, dtype=bx.float64, requires_grad=True)
    expected = bx.autograd.functional.jacobian(f, x).numpy()
    e = explain(f, x)
    first = e.ops[0].inputs[0].local
    assert first.kind == "jacobian"
    if len(e.ops) == 1:
        np.testing.assert_allclose(first.value.array, expected, atol=1e-12)
    else:
        second = e.ops[1].inputs[0].local
        n = x.numel()
        product = second.value.array.reshape(n, n) @ first.value.array.reshape(n, n)
        np.testing.assert_allclose(product, expected.reshape(n, n), atol=1e-12)


def test_every_product_is_upstream_times_local() -> None:
    bx.manual_seed(2)
    a = bx.randn(2, 3, dtype=bx.float64, requires_grad=True)
    b = bx.randn(3, 2, dtype=bx.float64, requires_grad=True)
    e = explain(((a @ b).tanh() * b[:2].t()).exp().mean())
    checked = 0
    for op in e.ops:
        for one in op.inputs:
            up, local = op.gradient.array, one.local.value.array
            if one.local.kind == "elementwise":
                product = up * local
            else:
                product = np.tensordot(up, local, axes=up.ndim)
            np.testing.assert_allclose(one.gradient.array, product, rtol=1e-12)
            checked += 1
    assert checked == 9  # one for each arrow


def test_broadcast_bias_has_a_jacobian_and_a_large_matrix_has_sums() -> None:
    b, x = leaf(1.0, 2.0), bx.ones(3, 2, dtype=bx.float64)
    op = explain((x + b).sum()).ops[0]
    local = next(one.local for one in op.inputs if one.source >= 0)
    assert local.value.shape == (3, 2, 2)
    np.testing.assert_array_equal(local.value.array, np.broadcast_to(np.eye(2), (3, 2, 2)))
    big = bx.ones(30, 30, requires_grad=True)
    local = explain((bx.ones(30, 30) @ big).sum()).ops[0].inputs[1].local
    assert local.kind == "sums"
    assert local.value.statistics["mean"] == 30.0


def test_values_that_the_tape_keeps_are_shown_without_recording() -> None:
    w = leaf(0.5)
    loss = ((w * 3).exp() + 1).sum()
    e = explain(loss)
    assert e["loss"].value.array.item() == loss.item()
    assert e["ExpBackward0"].value.array.item() == pytest.approx(np.exp(1.5))  # kept by exp
    assert e["MulBackward0"].value is None  # kept by nobody
    assert "record()" in str(e)
    with explain.record():
        loss = ((w * 3).exp() + 1).sum()
    e = explain(loss)
    assert e["MulBackward0"].value.array.item() == 1.5
    assert e.notes == []


def test_recording_notes_lines_modules_and_constants() -> None:
    model = bx.nn.Sequential(bx.nn.Linear(2, 3), bx.nn.Sequential(bx.nn.Tanh(), bx.nn.Linear(3, 1)))
    loss_fn = bx.nn.MSELoss()
    x, y = bx.ones(4, 2), bx.zeros(4, 1)
    with explain.record():
        out = model(x)
        loss = loss_fn(out, y)
    e = explain(loss)
    assert [op.path for op in e.ops] == ["0", "1.0", "1.1", ""]
    assert {v.name for v in e.variables} == {
        *("0.weight", "0.bias", "1.1.weight", "1.1.bias"),
        *("x", "y"),
    }
    lines = [op.line for op in e.ops]
    assert all(line.startswith("test_explain.py:") for line in lines)
    assert len(set(lines)) == 2  # of the model, and of the loss
    assert [e.ops[0].code, e.ops[-1].code] == ["out = model(x)", "loss = loss_fn(out, y)"]


def test_several_models_are_told_apart_by_their_names() -> None:
    encoder, decoder = mlp(2, 2), mlp(2, 2)
    with explain.record():
        loss = decoder(encoder(bx.ones(1, 2))).sum()
    e = explain(loss)
    assert e["encoder.0.weight"].is_parameter
    assert [op.path for op in e.ops] == ["encoder.0", "decoder.0", ""]


def test_given_names_and_models_go_first() -> None:
    w, v = leaf(1.0), leaf(2.0)
    e = explain((w * v).sum(), names={"slope": w})
    assert [one.name for one in e.variables] == ["slope", "v"]
    with pytest.raises(KeyError, match="did you mean 'slope'"):
        e["slop"]


def test_a_function_is_run_under_the_recorder() -> None:
    model = mlp(2, 3, 2)
    x = bx.ones(4, 2)
    e = explain(model, x)
    assert all(op.line and op.value is not None for op in e.ops)
    loss = model(x).sum()
    loss.backward()
    assert np.array_equal(e["0.bias"].gradient.array, model[0].bias.grad.numpy())


def test_several_outputs_views_and_writes_in_place() -> None:
    x = leaf(1.0, 2.0, 3.0, 4.0)
    with explain.record():
        y = x * 2
        y[:2] = y[2:] * 10
        a, b = y.reshape(2, 2).unbind(0)
        loss = (a * b).sum()
    e = explain(loss)
    loss.backward()
    assert np.array_equal(e["x"].gradient.array, x.grad.numpy())
    assert any(op.name == "CopySlices" for op in e.ops)


def test_functions_of_ones_own_and_checkpoints() -> None:
    class Cube(bx.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: bx.Tensor) -> bx.Tensor:
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx: Any, g: bx.Tensor) -> bx.Tensor:
            (x,) = ctx.saved_tensors
            return g * 3 * x * x

    x = leaf(2.0, 3.0)
    loss = Cube.apply(x).sum()
    e = explain(loss)
    assert e["x"].gradient.array.tolist() == [12.0, 27.0]
    assert e.ops[0].inputs[0].local.kind == "elementwise"
    assert e.ops[0].name == "CubeBackward"
    model = mlp(2, 4, 1)
    loss = bx.utils.checkpoint.checkpoint(model, bx.ones(3, 2), use_reentrant=False).sum()
    e = explain(loss)
    assert "packed" in {kept.kind for op in e.ops for kept in op.kept}
    loss.backward()
    assert np.array_equal(e["0.bias"].gradient.array, model[0].bias.grad.numpy())


def test_module_hooks_are_passed_by() -> None:
    model = mlp(2, 2)
    calls: list[int] = []
    model[0].register_full_backward_hook(lambda m, gi, go: calls.append(1))
    loss = model(bx.ones(1, 2, requires_grad=True)).sum()
    explain(loss)
    assert calls == []
    loss.backward()
    assert calls == [1]


def test_a_gradient_may_be_given_for_a_vector() -> None:
    x = leaf(1.0, 2.0)
    e = explain(x * x, gradient=bx.tensor([1.0, 10.0], dtype=bx.float64))
    assert e["x"].gradient.array.tolist() == [2.0, 40.0]


def test_a_chain_that_meets_itself_is_not_walked_twice() -> None:
    start = leaf(1.0)
    y = start
    for _ in range(60):
        y = (y + y) / 2
    e = explain(y.sum())
    assert len(e.ops) == 121
    assert e["start"].gradient.array.tolist() == [1.0]


def test_a_graph_of_a_hundred_thousand_operations() -> None:
    x = bx.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    e = explain(y)
    assert len(e.ops) == 100_000
    assert e["x"].gradient.array.item() == 1.0
    text = str(e)
    assert len(text.splitlines()) < 200
    assert "99,941 more" in text
    assert "100,000 operations" in text
    assert len(e.svg()) < 100_000  # folded


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite(value: float) -> None:
    x = leaf(value, 1.0)
    e = explain((x * x).sum())
    parsed = json.loads(e.json(), parse_constant=lambda name: pytest.fail(name))
    assert parsed["items"][0]["value"]["elements"][0] == str(value)


def test_empty_tensors() -> None:
    x = bx.zeros(0, 3, requires_grad=True)
    e = explain((x * 2).sum())
    assert e["x"].gradient.shape == (0, 3)
    assert "0 x 3" in str(e)


def test_what_has_no_graph_is_told() -> None:
    w = leaf(1.0)
    with pytest.raises(RuntimeError, match=r"\(1,\) is a leaf"):
        explain(w)
    with pytest.raises(RuntimeError, match=r"shape \(3,\) does not require grad.*no_grad"):
        explain(bx.ones(3))
    with pytest.raises(RuntimeError, match="for a scalar only"):
        explain(leaf(1.0, 2.0) * 2)
    with pytest.raises(RuntimeError, match=r"\(3,\) for a tensor of shape \(1,\)"):
        explain(w * 2, gradient=bx.ones(3))
    with pytest.raises(TypeError, match="a int has no graph"):
        explain(5)
    with pytest.raises(TypeError, match="returned a str"):
        explain(lambda: "text")
    with pytest.raises(TypeError, match="takes no inputs"):
        explain(w * 2, w)


def test_a_freed_graph_is_told_with_the_cure() -> None:
    w = leaf(1.0)
    loss = (w * w).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match=r"freed: MulBackward0.*before backward.*retain_graph"):
        explain(loss)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    assert explain(loss)["w"].gradient.array.tolist() == [2.0]


def test_recording_ends_with_its_block_also_after_an_error() -> None:
    class Broken(bx.nn.Module):
        def forward(self, x: bx.Tensor) -> bx.Tensor:
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), explain.record(), explain.record():
        bx.nn.Sequential(bx.nn.Linear(1, 1), Broken())(bx.ones(1, 1))
    w = leaf(1.0)
    assert not explain((w * w).sum()).graph.recorded
    with explain.record():
        loss = (w * w).sum()
    assert explain(loss).ops[0].path == ""  # the stack of modules is a new one


def test_the_package_is_the_function() -> None:
    w = leaf(1.0)
    assert isinstance(bx.explain(w * 2), explain.Explanation)
    assert explain.explain(w * 2).ops[0].name == "MulBackward0"
    assert bx.explain.memory_report is explain.memory_report
