"""Functions over examples, and derivatives to nested arguments: closed forms, and PyTorch's."""

from __future__ import annotations

import importlib
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import _tree, func, nn


def module() -> nn.Module:
    bx.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def test_gradients_of_each_example_are_those_of_a_loop() -> None:
    net = module()
    params = {name: p.detach() for name, p in net.named_parameters()}
    x, y = bx.randn(5, 3), bx.tensor([0, 1, 1, 0, 1])

    def loss(params: Any, sample: Any, target: Any) -> bx.Tensor:
        logits = func.functional_call(net, params, (sample[None],))
        return nn.functional.cross_entropy(logits, target[None])

    found = func.vmap(func.grad(loss), in_dims=(None, 0, 0))(params, x, y)
    assert list(found) == list(params)
    for k in range(5):
        net.zero_grad()
        nn.functional.cross_entropy(net(x[k : k + 1]), y[k : k + 1]).backward()
        for name, p in net.named_parameters():
            np.testing.assert_allclose(found[name][k].numpy(), p.grad.numpy(), rtol=1e-6)


def test_an_ensemble_is_its_members() -> None:
    models = [nn.Linear(3, 2) for _ in range(4)]
    params, buffers = func.stack_module_state(models)
    assert params["weight"].shape == (4, 2, 3)
    assert params["weight"].requires_grad
    assert params["weight"].is_leaf
    x = bx.randn(6, 3)

    def call(params: Any, buffers: Any, x: Any) -> bx.Tensor:
        return func.functional_call(models[0], (params, buffers), (x,))

    y = bx.vmap(call, in_dims=(0, 0, None))(params, buffers, x)
    for k, model in enumerate(models):
        np.testing.assert_allclose(y[k].detach().numpy(), model(x).detach().numpy(), rtol=1e-6)
    y.sum().backward()
    assert params["weight"].grad.shape == (4, 2, 3)
    with pytest.raises(RuntimeError, match="Linear in train mode, ReLU in train mode"):
        func.stack_module_state([nn.Linear(1, 1), nn.ReLU()])
    with pytest.raises(RuntimeError, match="the modules are none"):
        func.stack_module_state([])


@pytest.mark.parametrize("in_dims", [0, 1, -1])
@pytest.mark.parametrize("out_dims", [0, 1, -1])
def test_vmap_takes_and_stacks_along_dimensions(in_dims: int, out_dims: int) -> None:
    x = bx.arange(24.0).reshape(2, 3, 4)
    y = bx.vmap(lambda t: t * 2, in_dims, out_dims)(x)
    expected = np.moveaxis(x.numpy() * 2, in_dims, out_dims)
    assert np.array_equal(y.numpy(), expected)


def test_vmap_nests_and_takes_structures() -> None:
    a, b = bx.randn(3, 4), bx.randn(5, 4)
    outer = bx.vmap(bx.vmap(bx.dot, (None, 0)), (0, None))(a, b)
    np.testing.assert_allclose(outer.numpy(), a.numpy() @ b.numpy().T, rtol=1e-5)
    both, total = func.vmap(lambda d, s: ({"sum": d["x"] + s}, s.sum()), ({"x": 0, "y": None}, 0))(
        {"x": a, "y": b}, a
    )
    assert both["sum"].shape == (3, 4)
    assert total.shape == (3,)
    swapped, plain = func.vmap(lambda t: (t, t), out_dims=(1, 0))(a)
    assert (swapped.shape, plain.shape) == ((4, 3), (3, 4))


def test_vmap_draws_the_same_or_other_numbers() -> None:
    x = bx.zeros(3)
    for randomness, distinct in (("same", 1), ("different", 3)):
        drawn = func.vmap(lambda t: t + bx.rand(1)[0], randomness=randomness)(x)
        assert len(set(drawn.tolist())) == distinct
    with pytest.raises(RuntimeError, match=r"draws random numbers; pass randomness='different'"):
        func.vmap(lambda t: t + bx.rand(1)[0])(x)


@pytest.mark.parametrize(("randomness", "distinct"), [("same", 1), ("error", 3)])
def test_a_captured_vmap_draws_anew_in_each_replay(randomness: str, distinct: int) -> None:
    step = bx.capture(func.vmap(lambda t: t + bx.rand(1)[0], randomness=randomness))
    rounds = [step(bx.zeros(3)).tolist() for _ in range(3)]
    assert [len(set(drawn)) for drawn in rounds] == [distinct] * 3
    assert len({drawn[0] for drawn in rounds}) == 3


def test_what_comes_with_a_result_is_detached_unless_a_derivative_is_taken_of_it() -> None:
    x = bx.ones(2)
    beside = (
        func.grad_and_value(lambda t: ((t**2).sum(), (t * 2, None)), has_aux=True)(x)[1][1][0],
        func.vjp(lambda t: (t.sin(), t.cos()), x, has_aux=True)[2],
        func.jvp(lambda t: (t.sin(), t.cos()), (x,), (x,), has_aux=True)[2],
        func.jacrev(lambda t: (t.sin(), t.cos()), has_aux=True)(x)[1],
    )
    assert not any(t.requires_grad for t in beside)


def test_batch_norm_forgets_its_running_statistics() -> None:
    net = func.replace_all_batch_norm_modules_(nn.Sequential(nn.BatchNorm1d(2), nn.ReLU()))
    assert list(net.state_dict()) == ["0.weight", "0.bias"]
    assert func.functionalize(bx.sin) is bx.sin


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: func.vmap(bx.sin)(3.0), "in_dims says 0 for 3.0"),
        (lambda: func.vmap(bx.sin)(bx.tensor(1.0)), r"in_dims says 0 for shape \(\)"),
        (lambda: func.vmap(bx.sin, None)(bx.ones(2)), "no argument with examples"),
        (lambda: func.vmap(bx.add)(bx.ones(2), bx.ones(3)), r"there are \[2, 3\] examples"),
        (
            lambda: func.vmap(bx.add, (0,))(bx.ones(2), bx.ones(2)),
            r"\(0,\) stands for a tuple of 2",
        ),
        (lambda: func.vmap(bx.sin)(bx.ones(0)), "there are 0 examples"),
        (lambda: func.vmap(lambda t: 1)(bx.ones(2)), "returned a int; return tensors"),
    ],
)
def test_vmap_refuses_what_has_no_examples(use: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r"\[vmap\] .*" + message):
        use()


def test_a_derivative_is_differentiated_also_through_a_closure() -> None:
    def outer(x: Any) -> Any:
        inner = func.grad(lambda w: (w * x).sum() ** 2)  # 2 (w x) x
        return inner(bx.tensor([1.0, 2.0])).sum()

    x = bx.tensor([0.5, -1.0])
    w = np.array([1.0, 2.0])
    dot, total = float(w @ x.numpy()), float(x.sum())
    expected = 2 * (w * total + dot)
    np.testing.assert_allclose(func.grad(outer)(x).numpy(), expected, rtol=1e-6)


def test_trees_are_taken_apart_and_put_together() -> None:
    from typing import NamedTuple

    class Point(NamedTuple):
        x: Any
        y: Any

    tree = OrderedDict(a=[1, (2, None)], b=Point(3, {"c": 4}))
    found, build = _tree.flatten(tree)
    assert found == [1, 2, 3, 4]
    again = build([10, 20, 30, 40])
    assert again == OrderedDict(a=[10, (20, None)], b=Point(30, {"c": 40}))
    assert isinstance(again, OrderedDict)
    assert isinstance(again["b"], Point)


def use_of(module: Any) -> dict[str, Any]:
    """What each function gives, from one module or the other."""
    f = module.func
    a = module.tensor([[0.5, -1.0], [2.0, 0.3]])
    b = module.tensor([0.2, -0.7])
    params = {"w": a, "b": b}

    def model(p: Any, x: Any) -> Any:
        return module.tanh(p["w"] @ x + p["b"])

    def scalar(p: Any, x: Any) -> Any:
        return (model(p, x) ** 2).sum()

    def parts(x: Any) -> Any:
        return {"sin": x.sin(), "sum": (x**3).sum()}

    out, back = f.vjp(model, params, b)
    aux_out, aux_back, aux = f.vjp(lambda x: (x.sin(), x.cos()), b, has_aux=True)
    return {
        "grad": f.grad(scalar)(params, b),
        "argnums": f.grad(scalar, argnums=(0, 1))(params, b),
        "value": f.grad_and_value(scalar)(params, b),
        "aux": f.grad(lambda x: ((x**2).sum(), {"x": x}), has_aux=True)(b),
        "vjp": (out, back(b)),
        "vjp aux": (aux_out, aux_back(b), aux),
        "jvp": f.jvp(model, (params, b), ({"w": a * 0 + 1, "b": b}, b)),
        "jvp aux": f.jvp(lambda x: (x.sin(), x), (b,), (b + 1,), has_aux=True),
        "jacrev": f.jacrev(model)(params, b),
        "jacrev 1": f.jacrev(model, argnums=(0, 1))(params, b),
        "jacrev parts": f.jacrev(parts)(b),
        "jacrev aux": f.jacrev(lambda x: (x.sin(), x), has_aux=True)(b),
        "jacfwd": f.jacfwd(model, argnums=1)(params, b),
        "hessian": f.hessian(scalar, argnums=1)(params, b),
        "hessian of two": f.hessian(lambda x, y: (x**2 * y**3).sum(), argnums=(0, 1))(b, b + 1),
        "hessian of a vector": f.hessian(lambda x: x**3)(b),
        "hessian of params": f.hessian(scalar)(params, b),
        "third": f.grad(f.grad(f.grad(lambda x: x**4)))(module.tensor(1.5)),
        "vmap of a hessian": f.vmap(f.hessian(lambda x: (x.sin() * x).prod()))(a),
        "vmap of a jacobian": f.vmap(f.jacrev(model, argnums=1), in_dims=(None, 1))(params, a),
        "grad of a vmap": f.grad(lambda x: module.vmap(lambda r: (r**2).sum())(x).prod())(a),
        "requires": f.grad(lambda x: (x**2).sum())(b.clone().requires_grad_()).requires_grad,
    }


@pytest.mark.filterwarnings("ignore:.torch.jit.script.:DeprecationWarning")
@pytest.mark.parametrize("name", list(use_of(bx)))
def test_results_are_torchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = use_of(bx)[name], use_of(torch)[name]

    def same(a: Any, b: Any) -> None:
        if isinstance(b, torch.Tensor):
            assert tuple(a.shape) == tuple(b.shape)
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-5, atol=1e-6)
        elif isinstance(b, dict):
            assert list(a) == list(b)
            for key in b:
                same(a[key], b[key])
        elif isinstance(b, (tuple, list)):
            assert len(a) == len(b)
            for x, y in zip(a, b, strict=True):
                same(x, y)
        else:
            assert a == b

    same(ours, theirs)


def test_what_cannot_be_differentiated_to_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[func\] a int is to be differentiated to"):
        func.grad(lambda n, x: x.sum())(3, bx.ones(2))
    with pytest.raises(RuntimeError, match=r"\[grad\] the function returned \(2,\)"):
        func.grad(lambda x: x)(bx.ones(2))
    with pytest.raises(AttributeError, match="torch has it, backprop_ext does not"):
        func.debug_unwrap  # noqa: B018


def test_hessian_of_a_number() -> None:
    found = bx.autograd.functional.hessian(lambda b: b**3, bx.tensor(2.0))
    assert found.shape == ()
    assert found.item() == 12.0


def dual_tangents(lib: Any) -> list[Any]:
    ad = importlib.import_module(f"{lib.__name__}.autograd.forward_ad")
    x = lib.linspace(-1, 1, 6, dtype=lib.float64).reshape(2, 3)
    w = lib.full((3, 2), 0.5, dtype=lib.float64, requires_grad=True)
    with ad.dual_level():
        dual, weight = ad.make_dual(x, x.cos()), ad.make_dual(w, lib.ones_like(w))
        assert ad.unpack_dual(x).tangent is None
        results = [dual, dual + 1, dual.exp().sum(), (dual @ weight).tanh(), dual * dual.detach()]
        tangents = [ad.unpack_dual(y).tangent for y in results]
        primals = [ad.unpack_dual(y).primal for y in results]
    (mixed,) = lib.autograd.grad(tangents[3].sum(), w)
    return [t.detach().numpy() for t in (*tangents, *primals, mixed)]


def test_tangents_of_dual_tensors_are_torchs() -> None:
    ours = dual_tangents(bx)
    theirs = dual_tangents(pytest.importorskip("torch"))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_misuse_of_dual_tensors_is_told() -> None:
    from backprop_ext.autograd import forward_ad

    x = bx.ones(2)
    with pytest.raises(RuntimeError, match=r"use `with dual_level\(\):`"):
        forward_ad.make_dual(x, x)
    assert forward_ad.unpack_dual(x) == (x, None)
    with forward_ad.dual_level():
        with pytest.raises(RuntimeError, match="levels do not nest"):
            forward_ad.enter_dual_level()
        with pytest.raises(RuntimeError, match=r"shape \(2,\), its tangent \(1,\)"):
            forward_ad.make_dual(x, x[:1])
        with pytest.raises(ValueError, match="int64 has no tangents"):
            forward_ad.make_dual(x.long(), x)


def test_rows_of_a_jacobian_are_gradients_of_one_graph() -> None:
    x = bx.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x.pow(2)
    jacobian = bx.vmap(lambda v: bx.autograd.grad(y, x, v)[0])(bx.eye(3))
    assert jacobian.tolist() == bx.diag(2 * x).tolist()


def test_functional_call_refuses_two_values_of_one_tensor() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(2, 2, False), nn.Linear(2, 2, False)
            self.b.weight = self.a.weight

        def forward(self, x: Any) -> Any:
            return self.b(self.a(x))

    one, two = bx.eye(2), bx.ones(2, 2)
    x = bx.ones(2)
    with pytest.raises(ValueError, match="tie_weights"):
        func.functional_call(Tied(), {"a.weight": one, "b.weight": two}, x)
    same = {"a.weight": one, "b.weight": one}
    assert func.functional_call(Tied(), same, x).tolist() == [1.0, 1.0]
    untied = {"a.weight": one, "b.weight": two}
    found = func.functional_call(Tied(), untied, x, tie_weights=False)
    assert found.tolist() == [2.0, 2.0]


def test_jacobian_in_forward_mode() -> None:
    x = bx.tensor([1.0, 2.0])
    forward: dict[str, Any] = {"vectorize": True, "strategy": "forward-mode"}
    jacobian = bx.autograd.functional.jacobian
    assert jacobian(bx.square, x, **forward).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    with pytest.raises(NotImplementedError):
        jacobian(bx.square, x, strategy="forward-mode")
    with pytest.raises(RuntimeError):
        jacobian(bx.square, x, strict=True, **forward)


def test_a_function_that_returns_nothing_has_no_results_to_stack() -> None:
    with pytest.raises(ValueError, match="NoneType"):
        func.vmap(lambda x: None)(bx.ones(2))
