"""Writes in place: versions, stale values, leaves, and gradients through views."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import backprop_ext as bx


def leaf(*values: float) -> bx.Tensor:
    return bx.tensor(values, dtype=bx.float64, requires_grad=True)


def test_version_counts_every_write_and_is_shared_by_views() -> None:
    t = bx.zeros(2, 3)
    view, other = t[0], t.t()
    writes: list[Any] = [
        lambda: t.add_(1),
        lambda: t.__setitem__(0, 5.0),
        lambda: t.__imul__(2),
        lambda: t.zero_(),
        lambda: t.fill_(3),
        lambda: t.copy_(bx.ones(2, 3)),
        lambda: t.uniform_(),
        lambda: t.__setitem__((bx.tensor([0, 1]),), 1.0),
        lambda: t.masked_fill_(t > 0, 2.0),
        lambda: view.mul_(2),
        lambda: t.clamp_(0, 1),
    ]
    for count, write in enumerate(writes):
        assert t._version == view._version == other._version == count
        write()
    t + 1
    assert t._version == len(writes)


def test_value_kept_for_backward_and_written_since_is_an_error() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp()
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match=r"\[backward\].*\(2,\).*inplace operation.*version 1"):
        z.sum().backward()
    assert x.grad is None
    np.testing.assert_allclose(y.detach().numpy(), np.exp([1.0, 2.0]) + 1)
    base = x * 1
    w = base[0] * base[1]
    base[0] = 5.0  # through another view
    with pytest.raises(RuntimeError, match="inplace operation"):
        w.backward()


def test_value_that_no_derivative_reads_may_be_overwritten() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y + 3
    y.zero_()
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.add_(1),
        lambda x: x.__iadd__(1),
        lambda x: x.zero_(),
        lambda x: x.fill_(2),
        lambda x: x.copy_(bx.ones(2)),
        lambda x: x.__setitem__(0, 1.0),
        lambda x: x.__setitem__(bx.tensor([0]), 1.0),
        lambda x: x[0].mul_(3),
        lambda x: x.view(2, 1).zero_(),
        lambda x: x.uniform_(),
        lambda x: x.clamp_(0, 1),
    ],
)
def test_leaf_that_requires_grad_is_not_written_in_place(write: Any) -> None:
    x = leaf(5.0, 6.0)
    with pytest.raises(RuntimeError, match=r"leaf.*(no_grad\(\)|\.data)"):
        write(x)
    assert x.tolist() == [5.0, 6.0]
    assert x._version == 0
    assert x.is_leaf
    with bx.no_grad():
        write(x)
    assert x.is_leaf
    assert x.requires_grad


def test_leaf_that_is_a_view_stays_a_leaf() -> None:
    x = bx.zeros(6).view(2, 3).t().requires_grad_()
    row = x[1]
    for write in (lambda: x[0].fill_(1), lambda: x.fill_diagonal_(1), lambda: row.mul_(2)):
        with pytest.raises(RuntimeError, match=r"leaf.*(no_grad\(\)|\.data)"):
            write()
    with bx.no_grad():
        row.add_(2)
    (row * row).sum().backward()
    assert x.is_leaf
    assert x.grad.tolist() == [[0.0, 0.0], [4.0, 4.0], [0.0, 0.0]]


def test_expanded_memory_is_not_written_in_place() -> None:
    t = bx.zeros(3, 1).expand(3, 2)
    with pytest.raises(RuntimeError, match=r"expanded.*\(3, 2\).*clone\(\)"):
        t.add_(1)
    assert t.tolist() == [[0.0, 0.0]] * 3
    assert bx.zeros(3, 1).expand(3, 1).add_(1).tolist() == [[1.0]] * 3


def test_write_of_another_shape_or_type_leaves_the_target() -> None:
    t = bx.tensor([1, 2])
    with pytest.raises(RuntimeError, match=r"float32 can't be cast to.*int64"):
        t.add_(0.5)
    with pytest.raises(RuntimeError, match=r"\(2, 2\) does not fit.*\(2,\)"):
        t.add_(bx.ones(2, 2, dtype=bx.int64))
    assert t.tolist() == [1, 2]
    assert t._version == 0
    assert bx.tensor([1.5, 2.5]).add_(bx.tensor([1, 2])).tolist() == [2.5, 4.5]


@pytest.mark.parametrize(
    "write",
    [
        lambda t: t[1:].add_(t[:-1]),
        lambda t: t.view(3, 3).add_(t.view(3, 3).t()),
        lambda t: t.view(3, 3).copy_(t.view(3, 3).t()),
        lambda t: t.div_(t[0]),
        lambda t: t[:3].clamp_(t[1:4]),
        lambda t: t.view(3, 3).lt_(t[:3]),
        lambda t: t.__setitem__(slice(1, None), t[:-1]),
        lambda t: t.__setitem__(bx.tensor([0, 1]), t[:2]),
        lambda t: t.scatter_(0, bx.tensor([1, 2]), t),
        lambda t: bx.exp(t[:-1], out=t[1:]),
    ],
)
def test_what_is_written_may_not_share_a_part_of_what_is_read(write: Any) -> None:
    t = bx.arange(9.0)
    with pytest.raises(RuntimeError, match="share a part of their memory; clone"):
        write(t)
    assert t.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_what_is_written_may_be_what_is_read() -> None:
    x = bx.tensor([1.0, 2.0, 3.0])
    x.mul_(x)
    assert x.tolist() == [1.0, 4.0, 9.0]
    x.copy_(x[:])
    x[:2] += x[2:]
    assert x.tolist() == [10.0, 13.0, 9.0]
    x[:] = x.flip(0)
    x[:2] = x[0]
    assert x.tolist() == [9.0, 9.0, 10.0]
    m = bx.arange(9.0).reshape(3, 3)
    m[:, :2].add_(m[:, :2])  # with gaps
    m[:, 0] = m[:, 1]
    assert m.tolist() == [[2, 2, 2], [8, 8, 5], [14, 14, 8]]
    assert bx.exp(x, out=x) is x


# Programs of in-place writes, with `lib` here or PyTorch; each returns the result to differentiate.
def chained(lib: Any, x: Any, w: Any) -> Any:
    y = x * 2
    y.mul_(w)
    y.add_(x)
    y.exp_()
    return y


def view_of_result(lib: Any, x: Any, w: Any) -> Any:
    y = x * 1
    y[0].mul_(3)
    y[:, 1].add_(w[0, :2])
    return y * w


def view_made_before_the_write(lib: Any, x: Any, w: Any) -> Any:
    y = x * 1
    row = y[1]
    y.mul_(w)
    return row * row


def base_after_write_through_a_view(lib: Any, x: Any, w: Any) -> Any:
    y = x * 1
    row = y[1]
    row.copy_(w[0] * 2)
    row.mul_(3)
    return y * y


def views_of_views(lib: Any, x: Any, w: Any) -> Any:
    y = x * 1
    part = y.view(-1)[1:5][::2]
    part.mul_(w.reshape(-1)[:2])
    return y.t() * 2 + w.t()


def transposed_view(lib: Any, x: Any, w: Any) -> Any:
    y = x * 1
    y.t()[0].add_(w[:, 0] * w[:, 1])
    y.unsqueeze(0).mul_(2)
    return y * y


def assigned_by_index(lib: Any, x: Any, w: Any) -> Any:
    y = x * 1
    y[0] = w[1] * 2
    y[:, 0] = 7.0
    y[lib.tensor([1, 1]), lib.tensor([1, 2])] = w[0, :2]
    y[y > 1] = w[0, 0]
    return y * y


def zeros_filled_with_results(lib: Any, x: Any, w: Any) -> Any:
    out = lib.zeros(2, 3, dtype=x.dtype)
    for i in range(2):
        out[i] = x[i] * w[i]
    return out * out


def zeroed_and_filled(lib: Any, x: Any, w: Any) -> Any:
    y = x * w
    y[0].zero_()
    y[1, 1:].fill_(2.0)
    z = x * x
    z.zero_()
    return y * y + z


def accumulated(lib: Any, x: Any, w: Any) -> Any:
    total = lib.zeros(2, 3, dtype=x.dtype)
    total += x
    total += w * x
    total -= 0.5
    total /= 2
    total **= 2
    return total


def masked(lib: Any, x: Any, w: Any) -> Any:
    y = x * w
    y.masked_fill_(x > 0, 3.0)
    y.index_put_((lib.tensor([0, 0]),), w[:1], accumulate=True)
    y.clamp_(-1.0, 2.5)
    y.relu_()
    return y


def diagonal_and_expand(lib: Any, x: Any, w: Any) -> Any:
    y = x * 1
    y.diagonal().mul_(w[0, :2])
    y.copy_(w[:1].expand(2, 3) * y.clone())
    return y


def squeezed(lib: Any, x: Any, w: Any) -> Any:
    y = (x * 1).unsqueeze(1)
    y.squeeze(1).add_(w)
    y.flatten().mul_(2)
    y.select(0, 0).sub_(x[0] * 4)
    y.narrow(2, 1, 2).mul_(w[:1, :2])
    return y


PROGRAMS = [
    chained, view_of_result, view_made_before_the_write, base_after_write_through_a_view,
    views_of_views, transposed_view, assigned_by_index, zeros_filled_with_results,
    zeroed_and_filled, accumulated, masked, diagonal_and_expand, squeezed,
]  # fmt: skip
X = np.array([[0.5, -1.5, 2.0], [1.25, 0.75, -0.5]])
W = np.array([[1.5, 0.25, -1.0], [-0.75, 2.0, 1.0]])


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_gradients_of_writes_equal_finite_differences(program: Any) -> None:
    def value(x: Any, w: Any) -> float:
        return program(bx, bx.tensor(x), bx.tensor(w)).sum().item()

    x, w = bx.tensor(X, requires_grad=True), bx.tensor(W, requires_grad=True)
    program(bx, x, w).sum().backward()
    step, rng = 1e-6, np.random.default_rng(0)
    u, v = rng.standard_normal(X.shape), rng.standard_normal(W.shape)
    for du, dw, grads in ((u, 0 * v, (x.grad * bx.tensor(u),)), (0 * u, v, ())):
        numeric = value(X + step * du, W + step * dw) - value(X - step * du, W - step * dw)
        exact = grads[0].sum().item() if grads else (w.grad.numpy() * v).sum()
        assert exact == pytest.approx(numeric / (2 * step), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_gradients_of_writes_equal_pytorchs(program: Any) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for lib in (bx, torch):
        x, w = lib.tensor(X, requires_grad=True), lib.tensor(W, requires_grad=True)
        y = program(lib, x, w)
        y.sum().backward()
        found.append([t.detach().numpy() for t in (y, x.grad, w.grad)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


NEW = ["rand", "randn", "zeros", "ones", "empty"]


def test_a_new_tensor_has_not_been_written() -> None:
    made = [getattr(bx, name)(3, 20) for name in NEW]
    made += [getattr(bx, f"{name}_like")(made[0]) for name in NEW]
    made += [bx.full((2,), 3.0), bx.full_like(made[0], 2.0), bx.normal(0.0, 1.0, (20,))]
    made += [bx.randint(0, 5, (3,)), bx.randint_like(made[0], 5), bx.arange(3), bx.eye(3)]
    assert [t._version for t in made] == [0] * len(made)
    assert [t.zero_()._version for t in made] == [1] * len(made)
    assert bx.nn.Linear(2, 2).weight._version == 1
