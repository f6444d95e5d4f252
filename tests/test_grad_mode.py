"""Whether operations are recorded: modes, detach, .data, and results without a derivative."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import backprop_ext as bx

if TYPE_CHECKING:
    from collections.abc import Callable


def leaf(*values: float) -> bx.Tensor:
    return bx.tensor(values, dtype=bx.float64, requires_grad=True)


def test_modes_nest_and_come_back() -> None:
    x = leaf(1.0)
    assert bx.is_grad_enabled()
    with bx.no_grad():
        assert not (x * 2).requires_grad
        with bx.enable_grad():
            assert (x * 2).requires_grad
            with bx.set_grad_enabled(False):
                assert not bx.is_grad_enabled()
            assert bx.is_grad_enabled()
        assert not bx.is_grad_enabled()
    assert bx.is_grad_enabled()


def test_mode_comes_back_after_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), bx.no_grad():
        raise ZeroDivisionError
    assert bx.is_grad_enabled()

    @bx.no_grad()
    def fails() -> None:
        assert not bx.is_grad_enabled()
        raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert bx.is_grad_enabled()


def test_mode_as_a_decorator_of_functions_and_generators() -> None:
    x = leaf(1.0)

    @bx.no_grad
    def plain() -> bool:
        return (x * 2).requires_grad

    @bx.no_grad()
    def steps() -> Any:
        yield (x * 2).requires_grad
        yield bx.is_grad_enabled()

    assert plain() is False
    for inside in steps():
        assert inside is False
        assert bx.is_grad_enabled()


def test_mode_belongs_to_its_thread() -> None:
    seen = []
    with bx.no_grad():
        thread = threading.Thread(target=lambda: seen.append(bx.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_detach_shares_memory_and_version_but_no_graph() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    d = y.detach()
    assert not d.requires_grad
    assert d.grad_fn is None
    assert d.data_ptr() == y.data_ptr()
    version = y._version
    d.add_(1)
    assert y._version == version + 1
    assert y.tolist() == [3.0, 5.0]
    assert y.detach_() is y
    assert not y.requires_grad


def test_data_shares_memory_and_counts_no_versions() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    x.data.mul_(2)
    assert x.tolist() == [2.0, 4.0]
    assert x._version == 0
    y.sum().backward()  # sees the new values, as PyTorch's .data does
    assert x.grad.tolist() == [4.0, 8.0]


def test_assigning_data_keeps_the_identity_and_the_graph_of_old_uses() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    kept = x
    x.data = x.data - 0.5
    assert kept is x
    assert x.is_leaf
    assert x.requires_grad
    assert x.tolist() == [0.5, 1.5]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]  # of the values that y was made of
    x.data -= 0.5
    assert x.tolist() == [0.0, 1.0]
    with pytest.raises(TypeError, match=r"\[data\].*ndarray"):
        x.data = np.zeros(2)


def test_no_gradient_flows_through_operations_that_have_none() -> None:
    x = leaf(1.5, -2.5)
    assert not (x > 0).requires_grad
    assert not x.argmax().requires_grad
    assert not x.long().requires_grad
    assert not x.detach().requires_grad
    (x.floor() + x.sign() + x.round()).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


VIEWS: dict[str, Callable[[Any], Any]] = {
    "index": lambda t: t[0],
    "slice": lambda t: t[:, :1],
    "view": lambda t: t.view(-1),
    "reshape": lambda t: t.reshape(6),
    "t": lambda t: t.t(),
    "T": lambda t: t.T,
    "mT": lambda t: t.mT,
    "expand": lambda t: t.expand(2, 3, 2),
    "unbind": lambda t: t.unbind()[1],
    "split": lambda t: t.split(2)[0],
    "iteration": lambda t: next(iter(t)),
    "view of a view": lambda t: t[0].view(2, 1),
    "broadcast": lambda t: t.broadcast_to(4, 3, 2),
    "flatten": lambda t: t.flatten(),
}
COPIES: dict[str, Callable[[Any], Any]] = {
    "detach": lambda t: t.detach(),
    "data": lambda t: t.data,
    "clone": lambda t: t.clone(),
    "rows": lambda t: t[[0, 1]],
    "product": lambda t: t * 2,
    "relu": lambda t: t.relu(),
    "comparison": lambda t: t > 0,
}


@pytest.mark.parametrize("mode", [bx.no_grad, bx.inference_mode])
@pytest.mark.parametrize("made", ["leaf", "result"])
def test_an_unrecorded_view_requires_grad_as_its_base_does(mode: Any, made: str) -> None:
    x = bx.ones(3, 2, requires_grad=True)
    base = x if made == "leaf" else x * 2
    with mode():
        views = {name: view(base) for name, view in VIEWS.items()}
        copies = {name: copied(base) for name, copied in COPIES.items()}
        assert repr(base[0]).endswith("requires_grad=True)")
        assert not base.detach()[0].requires_grad
    for name, view in views.items():
        assert view.requires_grad, name
        assert view.is_leaf, name
        assert view.grad_fn is None, name
        assert view._base is base, name
    assert not any(t.requires_grad for t in copies.values())
    if made == "leaf":
        x.requires_grad_(False)
        assert not any(view.requires_grad for view in views.values())


@pytest.mark.parametrize("change", (VIEWS | COPIES).values(), ids=VIEWS | COPIES)
def test_an_unrecorded_result_is_as_pytorchs(change: Any) -> None:
    torch = pytest.importorskip("torch")
    seen = []
    for package in (bx, torch):
        x = package.ones(3, 2, requires_grad=True)
        for base in (x, x * 2):
            with package.no_grad():
                made = change(base)
            told = [made.requires_grad, made._base is base, str(made).partition("grad")[2]]
            for act in (made.add_, (made.float() * 2).sum().add, made.requires_grad_(False).add):
                try:
                    act(1)
                    told.append("done")
                except RuntimeError:
                    told.append("refused")
            seen.append(told)
    assert seen[:2] == seen[2:]


def test_what_an_unrecorded_write_returns_is_no_view_of_what_it_read() -> None:
    x = bx.ones(3, 2, requires_grad=True)
    with bx.no_grad():
        same = x.view(3, 2)
        assert x.copy_(same) is x
        assert x.mul_(same) is x
        assert bx.clamp(x, same, out=x) is x
        assert x._base is None
        assert x.is_leaf
        assert x.requires_grad
    (x * 2).sum().backward()
    assert x.grad.tolist() == [[2.0, 2.0]] * 3


def test_no_gradient_passes_an_unrecorded_view() -> None:
    x = leaf(1.0, 2.0)
    with bx.no_grad():
        view = x[:1]
        assert view.numpy() == [1.0]
    (x.sum() + (view * 3).sum()).backward()
    assert x.grad.tolist() == [1.0, 1.0]
    assert view.grad is None
    with pytest.raises(RuntimeError, match="numpy"):
        view.numpy()
    with bx.no_grad():
        view = x[0]
    with pytest.raises(RuntimeError):
        view.backward()


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("made", ["leaf", "result"])
def test_an_unrecorded_view_is_written_where_nothing_is_recorded(view: Any, made: str) -> None:
    x = bx.ones(3, 2, requires_grad=True)
    base = x if made == "leaf" else x * 2
    with bx.no_grad():
        part = view(base)
    before = base.tolist()
    for write in (lambda t: t.add_(1), lambda t: t.zero_(), lambda t: t.copy_(bx.ones(()))):
        with pytest.raises(RuntimeError, match=r"made under no_grad|expanded"):
            write(part)
    with pytest.raises(RuntimeError, match="no_grad"):
        part[:1].add_(1)
    assert base.tolist() == before
    with bx.no_grad():
        view(base).copy_(bx.full((), 5.0)) if not part.stride().count(0) else base.fill_(5)
    assert (base == 5).any()


def test_an_unrecorded_view_that_was_written_has_no_place_in_a_graph() -> None:
    x = bx.ones(3, requires_grad=True)
    with bx.no_grad():
        part = x[:2]
        part.mul_(2)
        assert (part + 1).tolist() == [3.0, 3.0]
        assert str(part) == "tensor([2., 2.], grad_fn=<Invalid>)"
    assert part.requires_grad
    for use in (lambda: part * 2, lambda: part.grad_fn, lambda: part.is_leaf):
        with pytest.raises(RuntimeError, match="made under no_grad"):
            use()
    plain = bx.ones(3)
    with bx.no_grad():
        part = plain[:2]
    part.add_(1)
    assert plain.tolist() == [2.0, 2.0, 1.0]
    assert not part.requires_grad
    plain.mul_(x)
    assert part.requires_grad
    with pytest.raises(RuntimeError, match="made under no_grad"):
        part * 2


def test_a_function_of_ones_own_may_return_a_view_of_its_argument() -> None:
    class Flat(bx.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: bx.Tensor, scale: bx.Tensor) -> Any:
            assert x[0].requires_grad == x.requires_grad
            ctx.save_for_backward(x, scale)
            return x.view(-1)

        @staticmethod
        def backward(ctx: Any, g: bx.Tensor) -> Any:
            x, scale = ctx.saved_tensors
            return g.view(x.shape) * scale, (g.view(x.shape) * x).sum()

    x, scale = bx.ones(2, 2), bx.tensor(3.0, requires_grad=True)
    for x in (bx.ones(2, 2), bx.ones(2, 2, requires_grad=True)):
        scale.grad = None
        out = Flat.apply(x, scale)
        assert out.grad_fn.name() == "FlatBackward"
        assert not out.is_leaf
        out.sum().backward()
        assert scale.grad == 4
        assert x.grad is None or x.grad.tolist() == [[3.0, 3.0]] * 2
