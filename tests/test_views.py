"""Views: which operations share memory, and what a write through one shows in the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

VIEWS: dict[str, Any] = {
    "reshape": lambda t: t.reshape(3, 8),
    "view": lambda t: t.view(-1),
    "view_as": lambda t: t.view_as(bx.zeros(24)),
    "t": lambda t: t[0].t(),
    "T": lambda t: t[0].T,
    "mT": lambda t: t.mT,
    "transpose": lambda t: t.transpose(0, 2),
    "permute": lambda t: t.permute(2, 0, 1),
    "expand": lambda t: t[:, :1].expand(2, 5, 4),
    "broadcast_to": lambda t: t.broadcast_to((6, 2, 3, 4)),
    "squeeze": lambda t: t.unsqueeze(1).squeeze(),
    "unsqueeze": lambda t: t.unsqueeze(-1),
    "movedim": lambda t: t.movedim(0, 2),
    "flatten": lambda t: t.flatten(1),
    "unflatten": lambda t: t.unflatten(2, (2, 2)),
    "ravel": lambda t: t.ravel(),
    "select": lambda t: t.select(1, 2),
    "narrow": lambda t: t.narrow(2, 1, 2),
    "diagonal": lambda t: t.diagonal(0, 1, 2),
    "unbind": lambda t: t.unbind(1)[2],
    "split": lambda t: t.split(2, 2)[1],
    "chunk": lambda t: t.chunk(2, 1)[0],
    "as_strided": lambda t: t.as_strided((2, 2), (3, 1), 1),
    "index": lambda t: t[1],
    "slice": lambda t: t[:, 1:, ::2],
    "ellipsis": lambda t: t[..., -1],
    "none": lambda t: t[:, None],
    "detach": lambda t: t.detach(),
    "data": lambda t: t.data,
    "contiguous": lambda t: t.contiguous(),
    "to": lambda t: t.to(bx.float32),
}

COPIES: dict[str, Any] = {
    "clone": lambda t: t.clone(),
    "reshape of a transpose": lambda t: t.t().reshape(-1),
    "flatten of a transpose": lambda t: t.t().flatten(),
    "contiguous of a transpose": lambda t: t.t().contiguous(),
    "index by a list": lambda t: t[[0, 1]],
    "index by a mask": lambda t: t[t >= 0],
    "flip": lambda t: t.flip(0),
    "cat": lambda t: bx.cat([t]),
    "double": lambda t: t.double(),
    "tensor": lambda t: bx.tensor(t.tolist()),
}


def memory(t: bx.Tensor) -> Any:
    return t.detach().numpy()


@pytest.mark.parametrize("name", VIEWS)
def test_view_shares_memory_both_ways(name: str) -> None:
    t = bx.arange(24.0).reshape(2, 3, 4)
    view = VIEWS[name](t)
    assert np.shares_memory(memory(t), memory(view))
    before = memory(view).copy()
    t.mul_(2)
    np.testing.assert_array_equal(memory(view), before * 2)
    if name not in ("expand", "broadcast_to"):
        view.zero_()
        assert (memory(view) == 0).all()
        assert memory(t).sum() == (276 - before.sum()) * 2 or name == "as_strided"


@pytest.mark.parametrize("name", COPIES)
def test_copy_shares_no_memory(name: str) -> None:
    t = bx.arange(6.0).reshape(2, 3)
    copy = COPIES[name](t)
    assert not np.shares_memory(memory(t), memory(copy))
    before = memory(copy).copy()
    t.fill_(-1)
    np.testing.assert_array_equal(memory(copy), before)


def test_strides_and_offsets_are_pytorchs() -> None:
    t = bx.arange(24.0).reshape(2, 3, 4)
    assert t.stride() == (12, 4, 1)
    assert t.transpose(0, 2).stride() == (1, 4, 12)
    assert t[1].storage_offset() == 12
    assert t[:, 1:, ::2].stride() == (12, 4, 2)
    assert t[:, 1:, ::2].storage_offset() == 4
    assert t[:, :1].expand(2, 5, 4).stride() == (12, 0, 1)
    assert t[1].is_contiguous()
    assert not t[:, 1].is_contiguous()
    assert t.data_ptr() + 12 * 4 == t[1].data_ptr()
    assert t.stride(1) == 4
    assert t.size(-1) == 4


def test_view_needs_memory_that_allows_it() -> None:
    t = bx.arange(6.0).reshape(2, 3).t()
    with pytest.raises(RuntimeError, match=r"\[view\].*\(6,\).*\(3, 2\).*reshape"):
        t.view(6)
    assert t.view(3, 2, 1).stride()[:2] == (1, 3)
    assert t.reshape(6).tolist() == [0, 3, 1, 4, 2, 5]


def test_view_keeps_its_base_alive() -> None:
    view = bx.arange(1000.0)[990:]
    junk = [bx.zeros(1000) for _ in range(10)]
    assert view.tolist() == list(range(990, 1000))
    assert len(junk) == 10


def test_gradient_through_every_view_is_the_slice_of_the_identity() -> None:
    for name, view in VIEWS.items():
        if name in ("detach", "data", "as_strided"):
            continue
        x = bx.arange(24.0).reshape(2, 3, 4).requires_grad_()
        y = view(x)
        (y * y).sum().backward()
        counts = np.zeros(24)
        np.add.at(counts, memory(view(bx.arange(24.0).reshape(2, 3, 4))).astype(int).ravel(), 1)
        expected = 2 * np.arange(24) * counts
        np.testing.assert_array_equal(x.grad.numpy().ravel(), expected, err_msg=name)


def test_operations_read_expanded_and_overlapping_memory() -> None:
    row = bx.tensor([1.0, 2.0, 3.0])
    wide = row.expand(1000, 3)
    assert wide.sum().item() == 6000
    assert (wide * wide).sum(0).tolist() == [1000, 4000, 9000]
    assert wide.max(0).values.tolist() == [1, 2, 3]
    assert wide.t().contiguous()[2, :3].tolist() == [3, 3, 3]
    assert (wide @ row).tolist()[:2] == [14, 14]
    windows = bx.arange(10.0).as_strided((8, 3), (1, 1))
    assert windows.sum(1).tolist() == [3 * k + 3 for k in range(8)]
    assert bx.softmax(bx.zeros(1).expand(2, 4), 1).tolist() == [[0.25] * 4] * 2


LAYOUTS: dict[str, Any] = {
    "columns first": lambda x: np.asfortranarray(x),
    "gaps": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "permuted": lambda x: np.ascontiguousarray(x.transpose(1, 2, 0)).transpose(2, 0, 1),
}
PARTS: dict[str, Any] = {
    "row": lambda t: t[1],
    "steps": lambda t: t[:, ::2, 1:],
    "diagonal": lambda t: t.diagonal(0, 1, 2),
    "transposed": lambda t: t.transpose(0, 2)[1:],
    "view of a view": lambda t: t.permute(2, 1, 0)[1].t()[:, 0],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS.keys())
def test_gradient_of_a_write_through_a_view_of_any_base(part: Any, layout: Any) -> None:
    values = np.random.default_rng(0).standard_normal((2, 3, 4))

    def written(array: Any) -> tuple[Any, Any]:
        leaf = bx.from_numpy(array).requires_grad_()
        factor = bx.full((), 3.0, dtype=bx.float64, requires_grad=True)
        base = bx.from_numpy(array).detach()
        base.mul_(0).add_(leaf)  # a base with the array's own layout
        before = base * 1
        view = part(base)
        view.mul_(factor)
        view.add_(1)
        loss = (base * base * before).sum() + (view**3).sum()
        return bx.autograd.grad(loss, [leaf, factor], create_graph=True)

    plain, strided = written(values.copy()), written(layout(values.copy()))
    for ours, expected in zip(strided, plain, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), expected.detach().numpy(), rtol=1e-12)


def test_gradient_of_overlapping_views_adds_up() -> None:
    x = bx.arange(6.0).requires_grad_()
    (x.unfold(0, 3, 1).sum() + x.as_strided((2, 2), (1, 1)).sum()).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0, 4.0, 3.0, 2.0, 1.0]
    with pytest.raises(NotImplementedError, match=r"clone\(\) the base"):
        x[2:].as_strided((2,), (1,), 0)


def test_view_that_a_tensor_becomes() -> None:
    leaf = bx.ones(2, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"leaf"):
        leaf.t_()
    x = leaf * bx.arange(6.0).reshape(2, 3)
    row = x[0]
    assert x.t_() is x
    assert tuple(x.shape) == (3, 2)
    x.unsqueeze_(0).squeeze_().transpose_(0, 1)
    row.unsqueeze_(1).mul_(2)
    (x * x).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [[0.0, 8.0, 32.0], [18.0, 32.0, 50.0]]
    with bx.no_grad():
        assert leaf.t_().requires_grad


def test_a_dimension_splits_into_any_number_of_pieces() -> None:
    t = bx.arange(20)
    assert [p.item() for p in t.split([1] * 20)] == list(range(20))
    assert [len(p) for p in bx.tensor_split(t, list(range(1, 20)))] == [1] * 20


def test_memory_is_read_as_another_type() -> None:
    x = bx.arange(4.0).reshape(2, 2)
    bits = x.view(bx.int32)
    assert bits.tolist() == x.numpy().view(np.int32).tolist()
    bits[0, 0] = bits[1, 1]
    assert x[0, 0].item() == 3.0
    assert x.view(bx.uint8).shape == (2, 8)
    assert x[1:].view(bx.float64).tolist() == x.numpy()[1:].view(np.float64).tolist()
    assert bx.equal(x.view(bx.complex64), bx.view_as_complex(x.reshape(2, 1, 2)))
    for wrong in (x.t(), bx.tensor(1.0), bx.ones(3)):
        with pytest.raises(RuntimeError, match=r"\[view\] .* cannot be read as float64"):
            wrong.view(bx.float64)


def test_a_view_as_another_type_has_no_place_in_the_graph() -> None:
    x = bx.ones(4, requires_grad=True)
    base = x * 1
    for dtype in (bx.int32, bx.float16, bx.float64):
        bits = base.view(dtype)
        assert not bits.requires_grad
        bits.mul_(1)
        base.add_(1)
        assert bits.grad_fn is None
        assert "grad_fn" not in repr(bits)
