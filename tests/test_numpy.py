"""NumPy in and out: memory, owners, types, scalars on either side of an operator."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

DTYPES = [np.bool_, np.uint8, np.int32, np.int64, np.float32, np.float64]


class Owned(np.ndarray):
    """An array that can be referred to weakly."""


def owned(n: int) -> Any:
    return np.arange(float(n)).view(Owned)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3)])
def test_array_keeps_its_type_shape_and_memory(dtype: Any, shape: Any) -> None:
    a = np.ones(shape, dtype)
    t = bx.from_numpy(a)
    assert str(t.dtype) == f"torch.{np.dtype(dtype).name}"
    assert tuple(t.shape) == shape
    back = t.numpy()
    assert back.dtype == a.dtype
    assert back.shape == shape
    np.testing.assert_array_equal(back, a)
    if a.size:
        assert np.shares_memory(a, back)
        a[...] = 0
        assert not t.any()
        t.fill_(1)
        assert a.all()


def test_tensor_copies_and_as_tensor_shares() -> None:
    a = np.ones(3, np.float32)
    assert not np.shares_memory(bx.tensor(a).numpy(), a)
    assert not np.shares_memory(bx.Tensor(a).numpy(), a)
    assert np.shares_memory(bx.as_tensor(a).numpy(), a)
    assert not np.shares_memory(bx.as_tensor(a, dtype=bx.float64).numpy(), a)
    t = bx.ones(2)
    assert bx.as_tensor(t) is t


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a.T,
        lambda a: a[::2],
        lambda a: a[:, 1:3],
        lambda a: a[:, ::3],
        lambda a: np.asfortranarray(a),
        lambda a: a.reshape(2, 2, 2, 3).transpose(3, 0, 2, 1),
    ],
)
def test_strided_array_is_shared_as_it_lies(make: Any) -> None:
    a = make(np.arange(24.0).reshape(4, 6))
    t = bx.from_numpy(a)
    assert np.shares_memory(t.numpy(), a)
    assert t.tolist() == a.tolist()
    assert t.stride() == tuple(s // 8 for s in a.strides)
    t.mul_(2)
    assert t.tolist() == a.tolist()
    np.testing.assert_array_equal((t + 1).numpy(), a + 1)
    np.testing.assert_array_equal(t.sum(0).numpy(), a.sum(0))
    assert t.numpy().strides == a.strides


def test_expanded_array_is_read_without_a_copy() -> None:
    a = np.broadcast_to(np.arange(3.0), (4, 3))
    with pytest.warns(UserWarning, match="not writable"):
        t = bx.from_numpy(a)
    assert t.stride() == (0, 1)
    assert t.sum().item() == 12


@pytest.mark.parametrize("make", [bx.from_numpy, bx.tensor, bx.as_tensor, bx.asarray])
def test_layout_that_no_tensor_has_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"negative stride.*copy\(\)"):
        make(np.arange(3.0)[::-1])
    with pytest.raises(ValueError, match=r"byte order.*astype"):
        make(np.arange(3.0).astype(">f8"))
    with pytest.raises(ValueError, match="multiple"):
        make(np.zeros(3, np.dtype([("a", "i1"), ("b", "f8")], align=False))["b"])


@pytest.mark.parametrize(
    "array",
    [
        np.array([None, 1], object),
        np.array(["a"]),
        np.zeros(2, np.clongdouble),
        np.zeros(2, np.uint16),
        np.zeros(2, "M8[s]"),
        np.zeros(2, [("a", int)]),
        np.zeros(2, np.longdouble),
    ],
    ids=lambda a: str(a.dtype),
)
def test_array_without_a_counterpart_is_a_type_error(array: Any) -> None:
    for make in (bx.tensor, bx.from_numpy, bx.as_tensor, bx.Tensor):
        with pytest.raises(TypeError, match=r"NumPy array of type .*float64.*astype"):
            make(array)


def test_read_only_array_warns_and_still_works() -> None:
    a = np.ones(3)
    a.flags.writeable = False
    with pytest.warns(UserWarning, match=r"\[from_numpy\].*not writable.*copy\(\)"):
        t = bx.from_numpy(a)
    assert t.tolist() == [1, 1, 1]
    assert bx.tensor(a).add_(1).tolist() == [2, 2, 2]
    assert a.tolist() == [1, 1, 1]


def test_array_lives_as_long_as_a_tensor_shows_it() -> None:
    a = owned(5)
    alive = weakref.ref(a)
    t = bx.from_numpy(a)
    view = t[1:].reshape(2, 2)
    del a, t
    gc.collect()
    assert alive() is not None
    assert view.tolist() == [[1, 2], [3, 4]]
    del view
    gc.collect()
    assert alive() is None


def test_array_lives_as_long_as_a_graph_needs_it() -> None:
    a = owned(3)
    alive = weakref.ref(a)
    x = bx.ones(3, dtype=bx.float64, requires_grad=True)
    y = x * bx.from_numpy(a)
    del a
    gc.collect()
    assert alive() is not None
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 2]
    del y
    gc.collect()
    assert alive() is None


def test_tensors_memory_lives_as_long_as_an_array_shows_it() -> None:
    held = bx._core._memory_stats()["in_use"]
    a = bx.full((1000,), 7.0).numpy()[10:]
    junk = [bx.zeros(1000) for _ in range(8)]
    assert (a == 7).all()
    del junk
    gc.collect()
    assert bx._core._memory_stats()["in_use"] == held + 4000
    del a
    gc.collect()
    assert bx._core._memory_stats()["in_use"] == held


def test_reference_counts_come_back() -> None:
    a = np.ones(3)
    before = sys.getrefcount(a)
    for _ in range(100):
        t = bx.from_numpy(a)
        t.numpy()
        del t
    assert sys.getrefcount(a) == before
    t = bx.ones(3)
    count = sys.getrefcount(t)
    for _ in range(100):
        t.numpy()
        t + t
        t.view(3)
    assert sys.getrefcount(t) == count


SCALARS = [np.float64(2), np.float32(2), np.int64(2), np.int32(2), np.float16(2), np.bool_(True)]


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda s: type(s).__name__)
def test_numpy_scalar_on_either_side_does_not_promote(scalar: Any) -> None:
    number = scalar.item()
    w = bx.tensor([1.5, -2.0], requires_grad=True)
    pairs: list[tuple[Any, Any]] = [
        (scalar * w, number * w),
        (w * scalar, w * number),
        (scalar + w, number + w),
        (scalar / w, number / w),
        (w / scalar, w / number),
        (w**scalar, w**number),
        (scalar**w, number**w),
        (w // scalar, w // number),
        (w % scalar, w % number),
    ]
    if not isinstance(number, bool):  # PyTorch does not subtract bools
        pairs.append((scalar - w, number - w))
    for actual, expected in pairs:
        assert type(actual) is bx.Tensor
        assert actual.dtype == bx.float32
        assert actual.requires_grad == expected.requires_grad
        np.testing.assert_array_equal(actual.detach().numpy(), expected.detach().numpy())
    assert (scalar < w).tolist() == [number < 1.5, False]
    assert (w == scalar).dtype == bx.bool
    v = w.detach().clone()
    v *= scalar
    assert v.dtype == bx.float32


def test_numpy_scalar_times_integer_tensor_is_a_tensor() -> None:
    t = bx.tensor([1, 2])
    assert (np.int64(3) * t).dtype == bx.int64
    assert (np.float64(0.5) * t).dtype == bx.float32
    assert (np.float64(0.5) * t).tolist() == [0.5, 1.0]


def test_array_beside_a_tensor() -> None:
    w = bx.tensor([1.0, 2.0])
    a = np.array([3.0, 4.0], np.float32)
    for y in (w * a, w + a, w @ a, w == a, a / w):
        assert type(y) is bx.Tensor
    assert (w * a).tolist() == [3.0, 8.0]
    assert (a / w).tolist() == [3.0, 2.0]
    with pytest.raises(TypeError, match="unsupported operand"):
        a * w
    with pytest.raises(ValueError, match="broadcast"):
        w * np.ones(3)
    with pytest.raises(RuntimeError, match="requires grad"):
        w.requires_grad_() * a


def test_array_protocol() -> None:
    t = bx.tensor([[1.0, 2.0]])
    assert np.shares_memory(np.asarray(t), t.numpy())
    assert np.asarray(t, np.int64).tolist() == [[1, 2]]
    assert not np.shares_memory(np.array(t), t.numpy())
    np.testing.assert_array_equal(np.sin(t), np.sin(t.numpy()))
    assert np.argmax(t) == 1
    with pytest.raises(TypeError, match="axis"):
        np.mean(t)
    assert np.concatenate([t, t]).shape == (2, 2)
    assert np.arange(5)[bx.tensor(2)] == 2
    assert np.arange(5)[bx.tensor([1, 3])].tolist() == [1, 3]
    assert np.zeros(bx.tensor(3)).shape == (3,)
    with pytest.raises(ValueError, match="without a copy"):
        t.__array__(np.int64, copy=False)


def test_numbers_come_out_as_pythons() -> None:
    assert type(bx.tensor(1.5).item()) is float
    assert type(bx.tensor(2).item()) is int
    assert type(bx.tensor(True).item()) is bool
    assert bx.tensor(0.1).item() == 0.10000000149011612
    assert bx.tensor([[2.0]]).item() == 2.0
    assert (int(bx.tensor(2.9)), float(bx.tensor(2)), bool(bx.tensor(0.0))) == (2, 2.0, False)
    assert [10, 20, 30][bx.tensor(1)] == 20
    assert list(range(bx.tensor(3))) == [0, 1, 2]
    assert f"{bx.tensor(1.23456):.2f}" == "1.23"
    assert bx.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert bx.tensor(3.0).tolist() == 3.0
    assert round(bx.tensor(2.5).item()) == 2


def test_tensor_from_nested_sequences_tensors_and_scalars() -> None:
    assert bx.tensor([[1, 2], (3, 4)]).dtype == bx.int64
    assert bx.tensor([1, 2.0]).dtype == bx.float32
    assert bx.tensor([True, False]).dtype == bx.bool
    assert bx.tensor([True, 2]).tolist() == [1, 2]
    assert tuple(bx.tensor([]).shape) == (0,)
    assert tuple(bx.tensor([[], []]).shape) == (2, 0)
    assert bx.tensor([bx.tensor(1.5), 2]).tolist() == [1.5, 2.0]
    assert bx.tensor([np.float64(1.5), np.float32(2)]).tolist() == [1.5, 2.0]
    assert bx.tensor([np.arange(2), np.arange(2)]).tolist() == [[0, 1], [0, 1]]
    assert bx.tensor(np.float64(1.5)).dtype == bx.float64
    assert bx.tensor(range(3)).tolist() == [0, 1, 2]
    assert bx.tensor([2**40]).tolist() == [2**40]
    assert bx.tensor([0.1], dtype=bx.float64).item() == 0.1
    assert bx.tensor([1.7], dtype=int).item() == 1
    assert bx.Tensor([1, 2]).dtype == bx.float32
    assert tuple(bx.Tensor(2, 3).shape) == (2, 3)
    assert bx.FloatTensor([1, 2]).dtype == bx.float32
    assert bx.LongTensor([1, 2]).dtype == bx.int64
    assert isinstance(bx.ones(2), bx.FloatTensor)
    assert not isinstance(bx.ones(2), bx.LongTensor)


def test_iteration_gives_views_with_gradient() -> None:
    x = bx.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    rows = list(x)
    assert [row.tolist() for row in rows] == [[1.0, 2.0], [3.0, 4.0]]
    first, second = x * 2
    (first * second).sum().backward()
    assert x.grad.tolist() == [[12.0, 16.0], [4.0, 8.0]]
    assert len(x) == 2
    assert [r.tolist() for r in reversed(x.detach())] == [[3.0, 4.0], [1.0, 2.0]]
    assert 3.0 in x
    assert 9.0 not in x
    assert list(bx.zeros(0)) == []
