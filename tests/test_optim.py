"""SGD and schedulers: against NumPy's few lines, against PyTorch, and their books."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

SETTINGS: list[dict[str, Any]] = [
    {"lr": 0.1},
    {"lr": 0.1, "momentum": 0.9},
    {"lr": 0.1, "momentum": 0.9, "dampening": 0.3},
    {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    {"lr": 0.1, "weight_decay": 0.2},
    {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.2, "dampening": 0.1},
    {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.2, "nesterov": True, "maximize": True},
    {"lr": 0.1, "maximize": True},
    {"lr": 0.0, "momentum": 0.9},
]
SHAPES = [(3, 4), (7,), (), (0,), (1025,)]


def numpy_sgd(params: Any, gradients: Any, lr: float, **s: Any) -> None:
    """The update of the paper, in place, step by step."""
    momentum, dampening = s.get("momentum", 0.0), s.get("dampening", 0.0)
    buffers: list[Any] = [None] * len(params)
    for step in gradients:
        for k, (p, g) in enumerate(zip(params, step, strict=True)):
            d = -g if s.get("maximize") else g
            d = d + s.get("weight_decay", 0.0) * p
            if momentum:
                first = buffers[k] is None
                buffers[k] = d if first else momentum * buffers[k] + (1 - dampening) * d
                d = d + momentum * buffers[k] if s.get("nesterov") else buffers[k]
            p -= lr * d


def run(lib: Any, dtype: str, settings: dict[str, Any], transposed: bool = False) -> list[Any]:
    """Five steps of the library on fixed gradients; the parameters."""
    rng = np.random.default_rng(0)
    params, gradients = made(rng, dtype)
    leaves = []
    for p in params:
        t = lib.tensor(p)
        if transposed and t.ndim == 2:
            t = lib.tensor(np.ascontiguousarray(p.T)).t()
        leaves.append(t.requires_grad_())
    optimizer = lib.optim.SGD(leaves, **settings)
    for step in gradients:
        for leaf, g in zip(leaves, step, strict=True):
            leaf.grad = lib.tensor(g)
        optimizer.step()
    return [leaf.detach().numpy() for leaf in leaves]


def made(rng: Any, dtype: str) -> tuple[list[Any], list[list[Any]]]:
    params = [np.asarray(rng.standard_normal(s), dtype) for s in SHAPES]
    return params, [[np.asarray(rng.standard_normal(s), dtype) for s in SHAPES] for _ in range(5)]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("transposed", [False, True])
def test_five_steps_equal_the_formula(settings: dict[str, Any], transposed: bool) -> None:
    for dtype, tolerance in (("float64", 1e-13), ("float32", 2e-6)):
        expected, gradients = made(np.random.default_rng(0), dtype)
        numpy_sgd(expected, gradients, **settings)
        found = run(bx, dtype, settings, transposed)
        for f, e in zip(found, expected, strict=True):
            assert f.dtype == dtype
            np.testing.assert_allclose(f, e, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_five_steps_equal_pytorchs(settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    for f, e in zip(run(bx, "float32", settings), run(torch, "float32", settings), strict=True):
        np.testing.assert_allclose(f, e, rtol=2e-6, atol=1e-6)


def test_step_keeps_identity_counts_a_version_and_needs_a_gradient() -> None:
    x = bx.ones(2, requires_grad=True)
    unused = bx.ones(2, requires_grad=True)
    memory = x.data_ptr()
    optimizer = bx.optim.SGD([x, unused], lr=0.5)
    loss = (x * 3).sum()
    loss.backward()
    before = x._version
    optimizer.step()
    assert x.tolist() == [-0.5, -0.5]
    assert unused.tolist() == [1, 1]
    assert (x.data_ptr(), x.is_leaf, x.requires_grad) == (memory, True, True)
    assert x._version > before
    squares = (x * x).sum()
    optimizer.step()
    with pytest.raises(RuntimeError, match="inplace operation"):
        squares.backward()


def test_weight_decay_is_the_gradient_of_half_the_square() -> None:
    a = bx.tensor([1.0, -2.0], dtype=bx.float64, requires_grad=True)
    b = bx.tensor([1.0, -2.0], dtype=bx.float64, requires_grad=True)
    first = bx.optim.SGD([a], lr=0.1)
    second = bx.optim.SGD([b], lr=0.1, weight_decay=0.3)
    for _ in range(5):
        first.zero_grad()
        second.zero_grad()
        ((a**3).sum() + 0.15 * (a**2).sum()).backward()
        (b**3).sum().backward()
        first.step()
        second.step()
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-13)


def test_groups_have_their_own_settings() -> None:
    x, y = bx.ones(1, requires_grad=True), bx.ones(1, requires_grad=True)
    groups = [{"params": [x]}, {"params": [y], "lr": 0.5, "momentum": 0.9}]
    optimizer = bx.optim.SGD(groups, lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (x + y).backward()
        optimizer.step()
    assert x.item() == pytest.approx(0.8)
    assert y.item() == pytest.approx(1 - 0.5 - 0.5 * 1.9)
    optimizer.param_groups[0]["lr"] = 1.0
    optimizer.zero_grad()
    assert x.grad is None
    x.backward()
    optimizer.step()
    assert x.item() == pytest.approx(-0.2)


def test_closure_computes_the_loss_that_step_returns() -> None:
    x = bx.ones(1, requires_grad=True)
    optimizer = bx.optim.SGD([x], lr=0.1)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    with bx.no_grad():
        assert optimizer.step(closure).item() == 1.0
    assert x.item() == pytest.approx(0.8)


def test_state_goes_on_where_it_was_saved() -> None:
    def steps(x: Any, optimizer: Any, count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            (x**2).sum().backward()
            optimizer.step()

    def start() -> Any:
        x = bx.tensor([1.0, 2.0], requires_grad=True)
        return x, bx.optim.SGD([x], lr=0.1, momentum=0.9)

    x, optimizer = start()
    steps(x, optimizer, 6)
    y, first = start()
    steps(y, first, 3)
    second = bx.optim.SGD([y], lr=77.0)
    second.load_state_dict(first.state_dict())
    steps(y, second, 3)
    assert y.tolist() == x.tolist()
    state = first.state_dict()
    assert list(state["state"]) == [0]
    assert state["param_groups"][0]["params"] == [0]
    with pytest.raises(ValueError, match=r"\[load_state_dict\].*\[2\] here, \[1\]"):
        bx.optim.SGD([y, bx.ones(1, requires_grad=True)]).load_state_dict(state)


@pytest.mark.parametrize(
    ("make", "kind", "part"),
    [
        (lambda x: bx.optim.SGD([x], lr=-1), ValueError, "lr=-1"),
        (lambda x: bx.optim.SGD([x], momentum=-1), ValueError, "momentum=-1"),
        (lambda x: bx.optim.SGD([x], weight_decay=-1), ValueError, "weight_decay=-1"),
        (lambda x: bx.optim.SGD([x], nesterov=True), ValueError, "nesterov"),
        (lambda x: bx.optim.SGD([]), ValueError, "empty"),
        (lambda x: bx.optim.SGD(x), TypeError, "Tensor"),
        (lambda x: bx.optim.SGD([1.0]), TypeError, "float"),
        (lambda x: bx.optim.SGD([x * 2]), ValueError, "leaf"),
        (lambda x: bx.optim.SGD([{"params": [x]}, {"params": [x]}]), ValueError, "two groups"),
        (lambda x: bx.optim.SGD([{"params": {x}}]), TypeError, "set"),
    ],
)
def test_optimizer_refuses(make: Any, kind: Any, part: str) -> None:
    with pytest.raises(kind, match=part):
        make(bx.ones(1, requires_grad=True))


def rates(lib: Any, make: Any, epochs: int) -> list[float]:
    x = lib.ones(1, requires_grad=True)
    optimizer = lib.optim.SGD([x], lr=0.8)
    scheduler = make(lib.optim.lr_scheduler, optimizer)
    found = []
    for _ in range(epochs):
        found.append(optimizer.param_groups[0]["lr"])
        x.grad = lib.ones(1)
        optimizer.step()
        scheduler.step()
    return found


SCHEDULES: list[tuple[Any, Any]] = [
    (lambda s, o: s.StepLR(o, 3, gamma=0.5), lambda t: 0.8 * 0.5 ** (t // 3)),
    (lambda s, o: s.ExponentialLR(o, 0.9), lambda t: 0.8 * 0.9**t),
    (lambda s, o: s.MultiStepLR(o, [2, 5], 0.1), lambda t: 0.8 * 0.1 ** ((t >= 2) + (t >= 5))),
    (lambda s, o: s.LambdaLR(o, lambda t: 1 / (1 + t)), lambda t: 0.8 / (1 + t)),
    (
        lambda s, o: s.CosineAnnealingLR(o, 10, eta_min=0.1),
        lambda t: 0.1 + 0.35 * (1 + np.cos(np.pi * t / 10)),
    ),
    (
        lambda s, o: s.LinearLR(o, 0.25, 1.0, total_iters=4),
        lambda t: 0.8 * (0.25 + 0.75 * min(t, 4) / 4),
    ),
]


@pytest.mark.parametrize(("make", "formula"), SCHEDULES, ids=range(len(SCHEDULES)))
def test_schedule_is_its_formula_and_pytorchs(make: Any, formula: Any) -> None:
    found = rates(bx, make, 9)
    np.testing.assert_allclose(found, [formula(t) for t in range(9)], rtol=1e-12)
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(found, rates(torch, make, 9), rtol=1e-12)


def test_plateau_lowers_the_rate_when_the_metric_stalls() -> None:
    x = bx.ones(1, requires_grad=True)
    optimizer = bx.optim.SGD([x], lr=1.0)
    scheduler = bx.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=1)
    found = []
    for metric in (1.0, 0.9, 0.9, 0.9, 0.9, 0.9):
        scheduler.step(metric)
        found.append(optimizer.param_groups[0]["lr"])
    np.testing.assert_allclose(found, [1, 1, 1, 0.1, 0.1, 0.01])


def test_a_wrapper_of_an_optimizer_needs_no_base() -> None:
    class Lookahead(bx.optim.Optimizer):
        def __init__(self, inner: Any) -> None:
            self.inner, self.param_groups, self.state = inner, inner.param_groups, inner.state

        def step(self, closure: Any = None) -> Any:
            return self.inner.step(closure)

    x = bx.ones(1, requires_grad=True)
    outer = Lookahead(bx.optim.SGD([x], lr=0.5))
    x.sum().backward()
    outer.step()
    assert x.item() == 0.5
    outer.zero_grad()
    assert x.grad is None
    seen: list[Any] = []
    outer.register_step_post_hook(lambda *args: seen.append(args))
    outer.step()
    assert len(seen) == 1
    assert not Lookahead(bx.optim.SGD([x], lr=0.5))._hooks


def test_training_reaches_the_least_squares_solution() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 3))
    y = x @ [1.0, -2.0, 0.5] + 0.7
    layer = bx.nn.Linear(3, 1).double()
    for momentum, nesterov in itertools.product((0.0, 0.8), (False, True)):
        if nesterov and not momentum:
            continue
        layer.reset_parameters()
        optimizer = bx.optim.SGD(layer.parameters(), lr=0.1, momentum=momentum, nesterov=nesterov)
        for _ in range(400):
            optimizer.zero_grad()
            bx.nn.functional.mse_loss(layer(bx.tensor(x)).squeeze(1), bx.tensor(y)).backward()
            optimizer.step()
        np.testing.assert_allclose(layer.weight.tolist()[0], [1, -2, 0.5], atol=1e-6)
        np.testing.assert_allclose(layer.bias.tolist(), [0.7], atol=1e-6)
