"""Every optimizer: five steps against what PyTorch gave, and against PyTorch where it is there."""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

# What PyTorch 2.13 gives in float64: optimizer and settings, and under it the parameters.
TEXT = (Path(__file__).parent / "data" / "optim.txt").read_text().splitlines()[1:]
RECORDED = [
    (*line.split(" ", 1), numbers) for line, numbers in zip(TEXT[::2], TEXT[1::2], strict=True)
]
CASES: list[tuple[str, dict[str, Any], list[float]]] = [
    (name, ast.literal_eval(settings), [float(x) for x in numbers.split()])
    for name, settings, numbers in RECORDED
]
IDS = [f"{name} {settings}" for name, settings, _ in CASES]


def five_steps(lib: Any, name: str, settings: dict[str, Any], **layout: Any) -> Any:
    """The parameters, a vector and a matrix, after five steps; and the optimizer."""
    dtype = getattr(lib, layout.get("dtype", "float64"))
    vector = lib.tensor([1.0, -2.0, 0.5], dtype=dtype)
    matrix = lib.tensor([[0.3, 1.1], [-0.7, 0.2], [0.9, -1.3]], dtype=dtype)
    if layout.get("strided"):
        vector = lib.stack([vector, vector], 1)[:, 0]
        matrix = matrix.t().contiguous().t()
    leaves = [vector, matrix][1 if name == "Muon" else 0 :]
    for leaf in leaves:
        leaf.requires_grad_()
    optimizer = getattr(lib.optim, name)(leaves, **settings)
    count = [0]

    def closure() -> Any:
        """A loss that bends, and turns with the step."""
        optimizer.zero_grad()
        count[0] += 0 if name == "LBFGS" else 1
        loss = sum(
            ((leaf - 0.4) ** 2 * (leaf + 1) ** 2 + leaf * math.cos(2.0 * count[0])).sum()
            for leaf in leaves
        )
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    return np.concatenate([leaf.detach().numpy().ravel() for leaf in leaves]), optimizer


@pytest.mark.parametrize(("name", "settings", "expected"), CASES, ids=IDS)
def test_five_steps_give_pytorchs_numbers(name: str, settings: Any, expected: Any) -> None:
    # PyTorch's Muon rounds to bfloat16 on its way.
    tolerance = {"Muon": 2e-2, "LBFGS": 1e-6}.get(name, 1e-7)
    for layout in ({}, {"strided": True}):
        found, _ = five_steps(bx, name, settings, **layout)
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    if name != "LBFGS":
        found, _ = five_steps(bx, name, settings, dtype="float32")
        np.testing.assert_allclose(found, expected, rtol=max(tolerance, 3e-5), atol=1e-5)


@pytest.mark.parametrize(("name", "settings", "_"), CASES, ids=IDS)
def test_state_is_pytorchs(name: str, settings: Any, _: Any) -> None:
    torch = pytest.importorskip("torch")
    found, ours = five_steps(bx, name, settings)
    expected, theirs = five_steps(torch, name, settings)
    tolerance = {"Muon": 2e-2, "LBFGS": 1e-6}.get(name, 1e-7)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    a, b = ours.state_dict(), theirs.state_dict()
    assert a["param_groups"] == b["param_groups"]
    assert list(a["state"]) == list(b["state"])
    for key in a["state"]:
        # PyTorch's "al" is working memory of L-BFGS.
        assert list(a["state"][key]) == [item for item in b["state"][key] if item != "al"]
        for item, value in a["state"][key].items():
            other = b["state"][key][item]
            if isinstance(value, bx.Tensor):
                assert str(value.dtype) == str(other.dtype), item
                assert tuple(value.shape) == tuple(other.shape), item
                close = 2e-2 if name == "Muon" else 1e-5
                np.testing.assert_allclose(value.numpy(), other.numpy(), rtol=close, atol=1e-8)


@pytest.mark.parametrize(("name", "settings", "_"), CASES, ids=IDS)
def test_training_goes_on_from_a_state_dict(name: str, settings: Any, _: Any) -> None:
    rng = np.random.default_rng(3)
    gradients = rng.standard_normal((6, 2, 3))

    def start(values: Any) -> tuple[Any, Any]:
        x = bx.tensor(values, requires_grad=True)
        return x, getattr(bx.optim, name)([x], **settings)

    def run(x: Any, optimizer: Any, steps: Any) -> None:
        for g in steps:

            def closure(g: Any = g) -> Any:
                optimizer.zero_grad()
                loss = (x * bx.tensor(g) + x * x).sum()
                loss.backward()
                return loss

            optimizer.step(closure)

    x, whole = start(np.ones((2, 3)))
    run(x, whole, gradients)
    y, first = start(np.ones((2, 3)))
    run(y, first, gradients[:3])
    z, second = start(y.detach().numpy())
    second.load_state_dict(first.state_dict())
    run(z, second, gradients[3:])
    np.testing.assert_allclose(z.tolist(), x.tolist(), rtol=1e-7)


def test_settings_are_read_at_every_step() -> None:
    x = bx.zeros(1, requires_grad=True)
    optimizer = bx.optim.Adam([x], lr=1.0)
    x.grad = bx.ones(1)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = bx.tensor(0.25)
    optimizer.step()
    assert x.item() == pytest.approx(-1.25)
    del optimizer.param_groups[0]["eps"]
    with pytest.raises(KeyError, match=r"\[Adam\].*'eps'"):
        optimizer.step()
    assert x.item() == pytest.approx(-1.25)


def test_a_gradient_of_another_shape_changes_nothing() -> None:
    x, y = bx.ones(2, requires_grad=True), bx.ones(3, requires_grad=True)
    optimizer = bx.optim.SGD([x, y], lr=1.0, momentum=0.5, dampening=0.5)
    x.grad, y.grad = bx.ones(2), bx.ones(3)
    y.data = bx.ones(4)
    with pytest.raises(RuntimeError, match=r"\[SGD\] a gradient has shape.*3.*4"):
        optimizer.step()
    assert x.tolist() == [1, 1]
    assert not optimizer.state
    y.grad = None
    optimizer.step()
    assert x.tolist() == [0, 0]
    optimizer.state[x]["momentum_buffer"] = bx.ones(5)
    with pytest.raises(RuntimeError, match=r"\[SGD\] momentum_buffer has shape"):
        optimizer.step()


def test_hooks_run_around_step_and_state_dict() -> None:
    x = bx.ones(1, requires_grad=True)
    optimizer = bx.optim.RMSprop([x], lr=0.5)
    seen: list[str] = []
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before")),
        optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after")),
        bx.optim.optimizer.register_optimizer_step_pre_hook(lambda o, a, k: seen.append("all")),
        bx.optim.optimizer.register_optimizer_step_post_hook(lambda o, a, k: seen.append("end")),
    ]
    optimizer.step()
    assert seen == ["all", "before", "end", "after"]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 4
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("save"))
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, state: seen.append(state["more"]))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen[4:] == ["save", 1, "loaded"]
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 7)
    with pytest.raises(RuntimeError, match="pre-hook returned 7"):
        optimizer.step()


@pytest.mark.parametrize(
    ("name", "settings", "kind", "part"),
    [
        ("Adam", {"lr": -1.0}, ValueError, "lr=-1"),
        ("Adam", {"betas": (1.0, 0.0)}, ValueError, r"betas\[0\]=1.0"),
        ("Adam", {"betas": (0.9, bx.tensor(0.99))}, ValueError, "two of a kind"),
        ("AdamW", {"lr": bx.tensor([1.0, 2.0])}, ValueError, r"\[AdamW\].*1-element"),
        ("Adam", {"lr": bx.tensor(0.1), "foreach": True}, ValueError, "foreach"),
        ("Adam", {"foreach": True, "fused": True}, RuntimeError, "fused"),
        ("Adam", {"differentiable": True}, NotImplementedError, "differentiable"),
        ("NAdam", {"momentum_decay": -0.2}, ValueError, "momentum_decay"),
        ("RMSprop", {"momentum": -1.0}, ValueError, "momentum"),
        ("Adagrad", {"lr_decay": -0.5}, ValueError, "lr_decay"),
        ("Adadelta", {"rho": 1.1}, ValueError, "rho"),
        ("Rprop", {"etas": (1.0, 0.5)}, ValueError, "etas"),
        ("ASGD", {"weight_decay": -0.5}, ValueError, "weight_decay"),
        ("Adafactor", {"d": 0.0}, ValueError, "d=0"),
        ("Muon", {}, ValueError, "matrix"),
        ("LBFGS", {"lr": -1}, ValueError, "lr"),
    ],
)
def test_bad_settings_are_refused(name: str, settings: Any, kind: Any, part: str) -> None:
    with pytest.raises(kind, match=part):
        getattr(bx.optim, name)([bx.ones(2, requires_grad=True)], **settings)


def test_names_of_parameters_are_kept_and_must_be_complete() -> None:
    x, y = bx.ones(1, requires_grad=True), bx.ones(1, requires_grad=True)
    optimizer = bx.optim.Adam([("x", x)])
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["x"]
    with pytest.raises(ValueError, match="names"):
        optimizer.add_param_group({"params": [y]})
    with pytest.raises(ValueError, match="names"):
        bx.optim.Adam([("x", x), y])


def test_lbfgs_finds_the_minimum_of_rosenbrocks_valley() -> None:
    for search in (None, "strong_wolfe"):
        x = bx.tensor([-1.2, 1.0], dtype=bx.float64, requires_grad=True)
        lr = 1 if search else 1e-2
        optimizer = bx.optim.LBFGS([x], lr=lr, max_iter=400, line_search_fn=search)

        def closure(x: Any = x, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
            loss.backward()
            return loss

        if search:
            optimizer.step(closure)
            np.testing.assert_allclose(x.tolist(), [1, 1], atol=1e-4)
        else:
            before = closure().item()
            optimizer.step(closure)
            assert closure().item() < before
    with pytest.raises(ValueError, match="2 parameter groups"):
        bx.optim.LBFGS([{"params": [x]}, {"params": [bx.ones(1, requires_grad=True)]}])


def test_step_hooks_are_given_the_optimizer_among_the_arguments() -> None:
    x = bx.ones(1, requires_grad=True)
    optimizer = bx.optim.SGD([x], lr=1.0)
    seen: list[Any] = []
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append((args, kwargs)))
    optimizer.step(closure=None)
    assert seen == [((optimizer,), {"closure": None})]
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((args[0], lambda: 7), {}))
    assert optimizer.step() == 7
    assert len(seen[1][0]) == 2


def test_nadam_goes_on_in_bfloat16() -> None:
    p = bx.nn.Parameter(bx.ones(2, dtype=bx.bfloat16))
    p.grad = bx.ones_like(p)
    first = bx.optim.NAdam([p])
    first.step()
    again = bx.optim.NAdam([p])
    again.load_state_dict(first.state_dict())
    again.step()
    assert (again.state[p]["mu_product"].dtype, again.state[p]["step"]) == (bx.bfloat16, 2)


def test_adafactor_takes_narrow_types() -> None:
    for dtype in (bx.bfloat16, bx.float16):
        p = bx.nn.Parameter(bx.ones(2, 3, dtype=dtype))
        p.grad = bx.ones_like(p)
        bx.optim.Adafactor([p]).step()
        assert p.dtype == dtype
        assert p.flatten().tolist() == pytest.approx([0.99] * 6, abs=4e-3)


def test_real_numbers_of_complex_parameters_stay_real() -> None:
    for kind in (bx.optim.NAdam, bx.optim.ASGD):
        p = bx.nn.Parameter(bx.ones(2, dtype=bx.complex64))
        p.grad = bx.ones_like(p)
        first, again = kind([p]), kind([p])
        first.step()
        again.load_state_dict(first.state_dict())
        again.step()
        assert {t.dtype for t in again.state[p].values()} == {bx.float32, bx.complex64}
