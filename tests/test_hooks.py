"""Hooks on tensors and gradients kept on results."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

import backprop_ext as bx


def leaf(*values: float) -> bx.Tensor:
    return bx.tensor(values, dtype=bx.float64, requires_grad=True)


def test_hook_on_a_leaf_sees_the_whole_gradient_once() -> None:
    x, seen = leaf(1.0, 2.0), []
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 2 + x * 3).sum().backward()
    assert seen == [[5.0, 5.0]]
    assert x.grad.tolist() == [5.0, 5.0]


def test_hook_on_a_result_sees_the_sum_of_its_uses() -> None:
    x, seen = leaf(1.0), []
    y = x * 2
    y.register_hook(lambda g: seen.append(g.item()))
    (y * 3 + y * 4).backward()
    assert seen == [7.0]


def test_hooks_run_in_the_order_of_registration_and_replace_the_gradient() -> None:
    x, order = leaf(1.0), []
    y = x * 2

    def hook(name: str, factor: float) -> Any:
        def run(g: bx.Tensor) -> bx.Tensor:
            order.append((name, g.item()))
            return g * factor

        return run

    y.register_hook(hook("first", 10))
    y.register_hook(hook("second", 3))
    x.register_hook(hook("leaf", 0.5))
    (y * 1).backward()
    assert order == [("first", 1.0), ("second", 10.0), ("leaf", 60.0)]
    assert x.grad.tolist() == [30.0]


def test_hook_that_returns_none_changes_nothing() -> None:
    x = leaf(1.0)
    x.register_hook(lambda g: None)
    (x * 2).backward()
    assert x.grad.tolist() == [2.0]


def test_removed_hook_does_not_run() -> None:
    x, seen = leaf(1.0), []
    handle = x.register_hook(lambda g: seen.append("removed"))
    kept = x.register_hook(lambda g: seen.append("kept"))
    handle.remove()
    handle.remove()  # twice is harmless
    (x * 2).backward()
    assert seen == ["kept"]
    with kept:
        pass
    (x * 2).backward()
    assert seen == ["kept"]


def test_hook_may_remove_itself_and_others_while_it_runs() -> None:
    x, seen = leaf(1.0), []

    def once(g: bx.Tensor) -> None:
        seen.append("once")
        handle.remove()

    handle = x.register_hook(once)
    x.register_hook(lambda g: seen.append("always"))
    (x * 2).backward()
    (x * 2).backward()
    assert seen == ["once", "always", "always"]


def test_hook_may_register_another_and_run_a_backward_of_its_own() -> None:
    x, seen = leaf(1.0), []

    def outer(g: bx.Tensor) -> None:
        other = leaf(3.0)
        with bx.enable_grad():
            (other * other).backward()
        seen.append(other.grad.item())

    x.register_hook(outer)
    (x * 2).backward()
    assert seen == [6.0]
    assert x.grad.tolist() == [2.0]


def test_exception_in_a_hook_reaches_the_caller_and_the_graph_stays_usable() -> None:
    x = leaf(1.0)
    y = x * 2

    def fails(g: bx.Tensor) -> None:
        raise LookupError("from the hook")

    handle = y.register_hook(fails)
    z = y + 1
    with pytest.raises(LookupError, match="from the hook"):
        z.backward()
    assert x.grad is None
    handle.remove()
    (x * 5).backward()
    assert x.grad.tolist() == [5.0]


def test_hook_of_another_shape_or_type_is_an_error() -> None:
    x = leaf(1.0, 2.0)
    handle = x.register_hook(lambda g: g.sum())
    with pytest.raises(RuntimeError, match=r"hook turned a gradient of shape \(2,\).*\(\)"):
        (x * 2).sum().backward()
    handle.remove()
    x.register_hook(lambda g: 3)
    with pytest.raises(TypeError, match="hook returned int"):
        (x * 2).sum().backward()


def test_hook_needs_a_tensor_that_requires_grad() -> None:
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        bx.ones(2).register_hook(print)
    with pytest.raises(RuntimeError, match=r"\[retain_grad\].*requires_grad=True"):
        bx.ones(2).retain_grad()


def test_hooks_see_gradients_of_grad_too() -> None:
    x = leaf(2.0)
    y = x * x
    y.register_hook(lambda g: g * 10)
    (g,) = bx.autograd.grad(y, x)
    assert g.tolist() == [40.0]
    assert x.grad is None


def test_retained_gradient_is_that_after_the_hooks_and_accumulates() -> None:
    x = leaf(2.0)
    y = x * 3
    assert not y.retains_grad
    y.retain_grad()
    y.retain_grad()  # twice is harmless
    assert y.retains_grad
    y.register_hook(lambda g: g * 2)
    z = y * y
    z.backward(retain_graph=True)
    first = y.grad
    assert first.tolist() == [24.0]
    assert x.grad.tolist() == [72.0]
    z.backward()
    assert y.grad.tolist() == [48.0]
    assert first.tolist() == [24.0]  # summed anew, unlike a leaf's
    x.retain_grad()  # a leaf keeps its gradient anyway
    assert x.grad.tolist() == [144.0]


def test_a_leaf_gets_its_gradient_right_after_its_last_user() -> None:
    a, b, c = leaf(2.0), leaf(3.0), leaf(5.0)
    hidden = a * b
    out = hidden * c + b
    seen = []
    for name, t in {"a": a, "b": b, "c": c, "hidden": hidden, "out": out}.items():
        t.register_hook(lambda g, name=name: seen.append(name))
    c.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.item()))
    out.backward()
    assert seen == ["out", "c", 6.0, "hidden", "a", "b"]


def test_result_without_retain_grad_keeps_none() -> None:
    x = leaf(2.0)
    y = x * 3
    (y * y).backward()
    with pytest.warns(UserWarning, match=r"\[grad\].*retain_grad"):
        assert y.grad is None


def test_retaining_tensor_may_die_before_backward() -> None:
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    z = y * 2
    del y
    gc.collect()
    z.backward()
    assert x.grad.tolist() == [6.0]


def test_hook_is_released_with_its_tensor() -> None:
    class Owner:
        def __call__(self, g: bx.Tensor) -> None:
            return None

    owner = Owner()
    alive = weakref.ref(owner)
    x = leaf(1.0)
    y = x * 2
    y.register_hook(owner)
    x.register_hook(owner)
    del owner
    assert alive() is not None
    del x, y
    gc.collect()
    assert alive() is None


def test_hook_on_one_of_several_outputs() -> None:
    x, seen = leaf(1.0, 2.0, 3.0), []
    parts = x.split(1)
    parts[1].register_hook(lambda g: seen.append(g.tolist()))
    (parts[0] * 2 + parts[1] * 5 + parts[2] * 7).sum().backward()
    assert seen == [[5.0]]
    assert x.grad.tolist() == [2.0, 5.0, 7.0]


def test_registrations_are_watched() -> None:
    from backprop_ext.nn.modules import module as hooks

    seen: list[Any] = []
    handles = [
        hooks.register_module_parameter_registration_hook(lambda m, n, p: seen.append(n)),
        hooks.register_module_buffer_registration_hook(lambda m, n, b: seen.append(n)),
        hooks.register_module_module_registration_hook(lambda m, n, c: seen.append(n)),
        hooks.register_module_parameter_registration_hook(
            lambda m, n, p: bx.nn.Parameter(p.detach() * 0) if n == "bias" else None
        ),
    ]
    model = bx.nn.Sequential(bx.nn.BatchNorm1d(2))
    for handle in handles:
        handle.remove()
    bx.nn.Linear(1, 1)
    names = ["running_mean", "running_var", "num_batches_tracked"]
    assert sorted(seen) == sorted(["weight", "bias", *names, "0"])
    assert isinstance(model[0].bias, bx.nn.Parameter)


def test_backward_hooks_do_not_see_into_a_dict() -> None:
    class Both(bx.nn.Module):
        def forward(self, x: Any) -> Any:
            return {"y": x * 2}

    model, seen = Both(), []
    model.register_full_backward_hook(lambda *args: seen.append(args))
    x = bx.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="dict"):
        y = model(x)["y"]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    assert not seen


def test_what_a_hook_and_grad_hand_out_may_be_written_to() -> None:
    x = bx.ones(2, 3, requires_grad=True)
    (given,) = bx.autograd.grad(x.mean(), x)
    assert (given.stride(), given.mul_(6).tolist()) == ((3, 1), [[1.0] * 3] * 2)
    y = x * 1
    y.register_hook(lambda g: g.mul_(2))
    y.mean(0).sum().backward()
    assert x.grad.tolist() == [[1.0] * 3] * 2
