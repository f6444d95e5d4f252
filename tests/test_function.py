"""Operations written in Python, hooks of the graph, and what is built on them."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.autograd import Function, functional, graph
from backprop_ext.autograd.function import once_differentiable
from backprop_ext.autograd.gradcheck import GradcheckError
from backprop_ext.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


class Cube(Function):
    """x^3, whose backward is made of tensor operations."""

    @staticmethod
    def forward(ctx: Any, x: Any, scale: float = 1.0) -> Any:
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x * x * x * scale

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 3 * x * x * ctx.scale, None


class Exp(Function):
    """exp with setup_context, which saves its result."""

    @staticmethod
    def forward(x: Any) -> Any:  # type: ignore[override]
        return x.exp()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * ctx.saved_tensors[0]


class Both(Function):
    """(a + b, a b, "text"), the second without a gradient of its own where it is not used."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        ctx.save_for_backward(a, None, b)
        return a + b, a * b, "text"

    @staticmethod
    def backward(ctx: Any, g_sum: Any, g_product: Any, g_text: Any) -> Any:
        a, none, b = ctx.saved_tensors
        assert none is None
        assert g_text is None
        return g_sum + g_product * b, g_sum + g_product * a


def leaf(*values: float) -> Any:
    return bx.tensor(values, dtype=bx.float64, requires_grad=True)


def test_a_function_has_first_and_second_derivatives() -> None:
    x = leaf(1.0, 2.0)
    y = Cube.apply(x, 2.0)
    assert y.grad_fn.name() == "CubeBackward"
    assert y.grad_fn.saved_tensors[0] is x
    assert y.grad_fn.needs_input_grad == (True, False)
    with pytest.raises(AttributeError, match="'CubeBackward' object has no attribute 'power'"):
        _ = y.grad_fn.power
    (g,) = bx.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [6, 24]
    (h,) = bx.autograd.grad(g.sum(), x)
    assert h.tolist() == [12, 24]
    for function in (Cube.apply, Exp.apply, lambda t: Both.apply(t, t * 2)[:2]):
        assert bx.autograd.gradcheck(function, (x,))
        assert bx.autograd.gradgradcheck(function, (x,))
    with bx.no_grad():
        assert not Cube.apply(x).requires_grad
    assert not Cube.apply(x.detach()).requires_grad


def test_several_results_and_their_gradients() -> None:
    a, b = leaf(2.0), leaf(3.0)
    total, product, text = Both.apply(a, b)
    assert text == "text"
    assert (total.output_nr, product.output_nr) == (0, 1)
    product.backward()
    assert (a.grad.item(), b.grad.item()) == (3, 2)

    class Sees(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(False)
            fixed = x > 0
            ctx.mark_non_differentiable(fixed)
            return x * 2, x * 3, fixed

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            assert grads[1] is None
            assert grads[2] is None
            assert ctx.needs_input_grad == (True,)
            return grads[0] * 2

    x = leaf(1.0)
    first, _, fixed = Sees.apply(x)
    assert not fixed.requires_grad
    first.backward()
    assert x.grad.item() == 2


def test_writing_in_place_and_handing_on() -> None:
    class Double(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    class Same(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 10

    x = leaf(1.0, 2.0)
    y = x * 1
    z = Double.apply(y)
    assert z is y
    z.sum().backward()
    assert x.grad.tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="leaf"):
        Double.apply(leaf(1.0))
    x.grad = None
    same = Same.apply(x)
    assert same is not x
    assert same.data_ptr() == x.data_ptr()
    same.sum().backward()
    assert x.grad.tolist() == [10, 10]


@pytest.mark.parametrize(
    ("result", "kind", "part"),
    [
        (lambda g: (g, g), RuntimeError, r"expected 1, got 2"),
        (lambda g: (), RuntimeError, r"expected 1, got 0"),
        (lambda g: bx.ones(5), RuntimeError, r"invalid gradient at index 0.*5.*2"),
        (lambda g: 3.0, RuntimeError, "float"),
    ],
)
def test_wrong_gradients_are_refused(result: Any, kind: Any, part: str) -> None:
    class Wrong(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return result(g)

    with pytest.raises(kind, match=part):
        Wrong.apply(leaf(1.0, 2.0)).sum().backward()


def test_gradients_are_summed_to_the_shape_and_surplus_nones_dropped() -> None:
    class Row(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.expand(3, 2).clone()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, None, None

    x = leaf(1.0, 2.0)
    Row.apply(x).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_context_goes_with_the_graph_and_saved_tensors_are_checked() -> None:
    class Kept:
        pass

    held = []

    class Keeps(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.kept = Kept()
            held.append(weakref.ref(ctx.kept))
            y = x.exp()
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[1]

    x = leaf(0.5)
    y = Keeps.apply(x)
    y.backward()
    with pytest.raises(RuntimeError, match="freed by an earlier backward"):
        y.backward()
    del y
    gc.collect()
    assert held[0]() is None
    w = x * 1
    y = Keeps.apply(w)
    w.add_(1)
    with pytest.raises(RuntimeError, match="inplace"):
        y.backward()
    y = x
    for _ in range(3000):
        y = Cube.apply(y, 1.0)
    del y


def test_once_differentiable_refuses_a_second_derivative() -> None:
    class Once(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2 * ctx.saved_tensors[0]

    x = leaf(3.0)
    Once.apply(x).backward()
    assert x.grad.item() == 6
    (g,) = bx.autograd.grad(Once.apply(x) * x, x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.backward()


def test_numbers_are_kept_without_a_word_to_the_hooks() -> None:
    seen: list[tuple[int, ...]] = []
    x = bx.ones(3, requires_grad=True)

    def pack(t: bx.Tensor) -> bx.Tensor:
        seen.append(tuple(t.shape))
        return t

    with bx.autograd.graph.saved_tensors_hooks(pack, lambda t: t * 10):
        loss = (x.exp() * 2).sum()
    loss.backward()
    assert seen == [(3,)]
    np.testing.assert_allclose(x.grad.numpy(), np.full(3, 20 * np.e), rtol=1e-6)


def test_hooks_are_given_the_tensors_themselves_and_outputs_without_their_node() -> None:
    seen: list[bx.Tensor] = []

    def pack(t: bx.Tensor) -> bx.Tensor:
        seen.append(t)
        return t

    x = bx.ones(3, requires_grad=True)
    y = x * 2
    with bx.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        out = (x * y).exp()
    assert len(seen) == 3
    assert seen[0] is x
    assert seen[1] is y
    assert bx.equal(seen[2], out)
    assert seen[2].grad_fn is None
    gone = weakref.ref(out)
    out.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 4 * np.exp(2.0), rtol=1e-6)
    del out, seen[:]
    gc.collect()
    assert gone() is None


def test_saved_tensors_hooks_replace_what_is_kept() -> None:
    x = leaf(1.0, 2.0)
    store: dict[int, Any] = {}

    def pack(t: Any) -> int:
        store[len(store)] = t.detach().numpy().copy()
        return len(store) - 1

    def unpack(number: int) -> Any:
        return bx.tensor(store[number])

    with graph.saved_tensors_hooks(pack, unpack):
        y = (x.exp() * x).sum()
    assert len(store) >= 3
    (g,) = bx.autograd.grad(y, x, create_graph=True)
    expected = np.exp([1, 2]) * np.array([2, 3])
    np.testing.assert_allclose(g.detach().numpy(), expected)
    (h,) = bx.autograd.grad(g.sum(), x)
    np.testing.assert_allclose(h.numpy(), np.exp([1, 2]) * np.array([3, 4]))
    with graph.save_on_cpu(), graph.saved_tensors_hooks(lambda t: t, lambda t: 7):  # type: ignore[arg-type,return-value]
        y = (x * x).sum()
    with pytest.raises(TypeError, match="unpack hook returned int"):
        y.backward()
    with (
        graph.disable_saved_tensors_hooks("not here"),
        pytest.raises(RuntimeError, match="not here"),
        graph.save_on_cpu(),
    ):
        pass


def test_hooks_of_nodes_and_leaves() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    seen: list[Any] = []
    assert y.grad_fn is not None
    y.grad_fn.metadata["note"] = 1
    before = y.grad_fn.register_prehook(lambda outputs: (outputs[0] * 2,))
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append((len(inputs), outputs[0].tolist())))
    accumulate = y.grad_fn.next_functions[0][0]
    assert accumulate is not None
    accumulate.register_hook(lambda inputs, outputs: seen.append(x.grad.tolist()))
    handle = x.register_post_accumulate_grad_hook(lambda t: seen.append(t is x))
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == [6, 6]
    assert seen == [(2, [2, 2]), True, [6, 6]]
    before.remove()
    handle.remove()
    x.grad = None
    y.sum().backward()
    assert x.grad.tolist() == [3, 3]
    assert y.grad_fn.metadata["note"] == 1
    with pytest.raises(RuntimeError, match="post accumulate"):
        y.register_post_accumulate_grad_hook(lambda t: None)


def test_multi_grad_hook_runs_when_all_are_there() -> None:
    a, b, c = leaf(1.0), leaf(2.0), leaf(3.0)
    seen: list[Any] = []
    handle = graph.register_multi_grad_hook(
        (a, b, c), lambda grads: seen.append([g if g is None else g.item() for g in grads])
    )
    (a * b).backward()
    (a * b * c).backward()
    assert seen == [[2, 1, None], [6, 3, 2]]
    handle.remove()
    graph.register_multi_grad_hook((a, b), lambda g: seen.append(g.item()), mode="any")
    (a + b).backward()
    assert seen[2:] == [1]


def test_anomaly_mode_names_the_operation_and_its_place() -> None:
    x = leaf(-1.0)
    with bx.autograd.detect_anomaly():
        assert bx.is_anomaly_enabled()
        y = x.sqrt()
        with (
            pytest.warns(UserWarning, match="test_anomaly_mode_names"),
            pytest.raises(RuntimeError, match="'SqrtBackward0' returned nan values in its 0th"),
        ):
            y.backward()
    assert not bx.is_anomaly_enabled()
    with bx.autograd.set_detect_anomaly(True, check_nan=False):
        x.sqrt().backward()
    assert np.isnan(x.grad.item())


def test_batched_gradients_are_passes_of_their_own() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    (rows,) = bx.autograd.grad(y, x, bx.eye(2, dtype=bx.float64), is_grads_batched=True)
    assert rows.tolist() == [[2, 0], [0, 4]]


def test_functional_derivatives() -> None:
    x, v = bx.tensor([1.0, 2.0]).double(), bx.tensor([3.0, -1.0]).double()

    def vector(t: Any) -> Any:
        return bx.stack([t[0] ** 2 * t[1], t[0] + t[1]])

    def scalar(t: Any) -> Any:
        return t[0] ** 2 * t[1]

    jacobian = np.array([[4.0, 1.0], [1.0, 1.0]])
    hessian = np.array([[4.0, 2.0], [2.0, 0.0]])
    assert functional.jacobian(vector, x).tolist() == jacobian.tolist()
    assert functional.hessian(scalar, x).tolist() == hessian.tolist()
    assert functional.vjp(vector, x, v)[1].tolist() == (v.numpy() @ jacobian).tolist()
    assert functional.jvp(vector, x, v)[1].tolist() == (jacobian @ v.numpy()).tolist()
    for product in (functional.hvp, functional.vhp):
        value, found = product(scalar, x, v)
        assert value.item() == 2
        assert found.tolist() == (hessian @ v.numpy()).tolist()
    two = functional.jacobian(lambda a, b: a * b, (x, v))
    assert isinstance(two, tuple)
    assert two[0].tolist() == [[3, 0], [0, -1]]
    deep = functional.jacobian(vector, x.clone().requires_grad_(), create_graph=True)
    assert deep.requires_grad
    with pytest.raises(RuntimeError, match="strict"):
        functional.jacobian(lambda t: bx.ones(1), x, strict=True)
    with pytest.raises(RuntimeError, match="one element"):
        functional.hessian(vector, x)
    assert bx.func.grad(scalar)(x).tolist() == [4, 1]
    assert bx.func.grad(lambda t: bx.func.grad(scalar)(t)[0])(x).tolist() == [4, 2]
    assert bx.func.hessian(scalar)(x).tolist() == hessian.tolist()
    assert bx.func.jacrev(vector)(x).tolist() == jacobian.tolist()
    value, back = bx.func.vjp(vector, x)
    assert back(v)[0].tolist() == (v.numpy() @ jacobian).tolist()
    g, y = bx.func.grad_and_value(lambda a, b: (a * b).sum(), argnums=(0, 1))(x, v)
    assert (g[0].tolist(), y.item()) == (v.tolist(), 1)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoint_computes_again_and_gives_the_same(reentrant: bool) -> None:
    bx.manual_seed(1)
    net = bx.nn.Sequential(bx.nn.Linear(3, 4), bx.nn.Tanh(), bx.nn.Dropout(0.5), bx.nn.Linear(4, 2))
    x = bx.randn(5, 3, requires_grad=True)
    calls = []

    def run(t: Any) -> Any:
        calls.append(1)
        return net(t)

    bx.manual_seed(2)
    net(x).square().sum().backward()
    expected = [x.grad, *(p.grad for p in net.parameters())]
    x.grad = None
    net.zero_grad()
    bx.manual_seed(2)
    checkpoint(run, x, use_reentrant=reentrant).square().sum().backward()
    assert len(calls) == 2
    for found, right in zip([x.grad, *(p.grad for p in net.parameters())], expected, strict=True):
        np.testing.assert_array_equal(found.numpy(), right.numpy())
    net.eval()
    x.grad = None
    net(x).sum().backward()
    whole = x.grad
    x.grad = None
    checkpoint_sequential(net, 2, x, use_reentrant=reentrant).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), whole.numpy())


def test_checkpoint_keeps_only_the_arguments_and_checks_the_second_pass() -> None:
    x = leaf(1.0, 2.0)
    y = checkpoint(lambda t: (t.exp() * t).exp(), x, use_reentrant=False)
    (g,) = bx.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = bx.autograd.grad(g.sum(), x)
    (right,) = bx.autograd.grad((x.exp() * x).exp().sum(), x)
    np.testing.assert_allclose(g.detach().numpy(), right.numpy())
    assert bool((h > 0).all())
    turn = [0]

    def changes(t: Any) -> Any:
        turn[0] += 1
        return t * t if turn[0] == 1 else t * 2

    y = checkpoint(changes, x, use_reentrant=False)
    with pytest.raises(CheckpointError, match="different number of tensors"):
        y.sum().backward()
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint(lambda t: t * 2, x)
    with pytest.raises(ValueError, match="use_reentrant=True"):
        checkpoint(lambda t, a: t * a, x, use_reentrant=True, a=2)


def test_inference_mode_is_of_its_thread_and_of_a_generators_own_code() -> None:
    seen: list[bool] = []

    @bx.inference_mode()
    def rows() -> Any:
        yield bx.ones(1)
        seen.append(bx.is_inference_mode_enabled())
        yield bx.ones(1)

    for row in rows():
        seen.append(row.is_inference() and not bx.is_inference_mode_enabled())
    with bx.inference_mode():
        thread = threading.Thread(target=lambda: seen.append(not bx.ones(1).is_inference()))
        thread.start()
        thread.join()
        with bx.enable_grad():
            kept = bx.ones(2, requires_grad=True) * 2
    assert seen == [True] * 4
    assert kept.is_inference()
    assert not kept.requires_grad
    copy = kept.clone().requires_grad_()
    (copy * copy).sum().backward()
    assert copy.grad is not None
    with pytest.raises(RuntimeError, match=r"inference_mode.*clone"):
        copy * kept


def test_inference_mode_and_gradcheck_errors() -> None:
    x = leaf(1.0)
    with bx.inference_mode():
        assert bx.is_inference_mode_enabled()
        assert not (x * 2).requires_grad
        with bx.inference_mode(False):
            assert (x * 2).requires_grad
    assert not bx.is_inference_mode_enabled()

    @bx.inference_mode()
    def product() -> Any:
        return x * 2

    assert not product().requires_grad

    class Bad(Function):
        @staticmethod
        def forward(ctx: Any, t: Any) -> Any:
            return t * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3

    with pytest.raises(GradcheckError):
        bx.autograd.gradcheck(Bad.apply, (x,))
