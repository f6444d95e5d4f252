"""Square brackets against NumPy: reading, writing, and their gradients, over many keys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backprop_ext as bx

SHAPE = (3, 4, 5)
MASK = np.random.default_rng(0).random(SHAPE) < 0.4

KEYS: list[Any] = [
    0,
    -1,
    (1, 2),
    (1, 2, 3),
    (-3, -4, -5),
    slice(None),
    slice(1, None),
    slice(None, None, 2),
    slice(-2, None),
    slice(10, 20),
    slice(2, 1),
    slice(-100, 100, 3),
    (slice(None), 1),
    (slice(1, 3), slice(None, None, 2), -1),
    Ellipsis,
    (Ellipsis, 0),
    (0, Ellipsis),
    (0, Ellipsis, 1),
    (0, Ellipsis, slice(1, 3), 1),
    None,
    (None, 0),
    (Ellipsis, None),
    (slice(None), None, 2),
    (0, None, Ellipsis, None),
    (),
    [0, 2],
    [0, -1, 0],
    [],
    ([0, 2], [1, 3]),
    ([[0], [2]], [1, 3]),
    (slice(None), [0, 2]),
    (slice(None), [0, 2], [1, 4]),
    ([0, 2], slice(None), [1, 4]),
    ([0, 1], slice(1, 3)),
    (slice(1, 3), [0, 1, 3], slice(None, None, 2)),
    ([0, 1], 2),
    (Ellipsis, [0, 2]),
    (None, [0, 2]),
    ([1], None, slice(None), [0, 1]),
    np.array([[0, 1], [2, 0]]),
    (np.array([0, 2]), np.array([1, 1]), np.array([-1, 0])),
    MASK,
    MASK[0, 0],
    MASK[:, 0, 0],
    (slice(None), MASK[0]),
    (slice(None), slice(None), MASK[0, 0]),
    (MASK[:, 0, 0], slice(1, 3)),
    (MASK[:, :, 0], 1),
    (0, MASK[0]),
    ([0, 1], slice(None), np.array([True, False, True, False, False])),
    np.zeros(SHAPE, bool),
    [True, False, True],
    np.array(1),
    (np.array(1), slice(None), np.array(2)),
    True,
    False,
]
KEYS = [key for key in KEYS if not (isinstance(key, np.ndarray) and key.shape == (5,))]


def ours(key: Any) -> Any:
    """The key with tensors where arrays are."""
    if isinstance(key, tuple):
        return tuple(ours(part) for part in key)
    return bx.tensor(key) if isinstance(key, np.ndarray) else key


def base() -> Any:
    return np.arange(float(np.prod(SHAPE))).reshape(SHAPE)


@pytest.mark.parametrize("key", KEYS, ids=lambda k: str(k).replace("\n", "")[:40])
def test_reading_equals_numpy(key: Any) -> None:
    expected = base()[key]
    for given_key in (ours(key), key):
        found = bx.tensor(base())[given_key]
        assert tuple(found.shape) == expected.shape
        np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("key", KEYS, ids=lambda k: str(k).replace("\n", "")[:40])
@pytest.mark.parametrize("transposed", [False, True])
def test_writing_equals_numpy(key: Any, transposed: bool) -> None:
    shape = base()[key].shape
    values = [7.5, -np.arange(float(np.prod(shape))).reshape(shape)]
    if shape:
        values.append(-np.arange(float(shape[-1])))
    if shape and not has_mask(key):
        values.append(np.full((1, 1, *shape), 3.0))
    for value in values:
        if np.size(value) > 1 and has_repeats(key):
            continue  # which of several writes wins is not defined
        expected, t = base(), bx.tensor(base())
        if transposed:
            t = bx.tensor(np.ascontiguousarray(base().T)).permute(2, 1, 0)
        expected[key] = value
        t[ours(key)] = value if isinstance(value, float) else bx.tensor(value)
        np.testing.assert_array_equal(t.numpy(), expected)


def has_mask(key: Any) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    return any(np.asarray(p).dtype == bool for p in parts if isinstance(p, (np.ndarray, list)))


def has_repeats(key: Any) -> bool:
    order = np.arange(np.prod(SHAPE)).reshape(SHAPE)[key]
    return np.unique(order).size != order.size


@pytest.mark.parametrize("key", KEYS, ids=lambda k: str(k).replace("\n", "")[:40])
def test_gradient_of_reading_is_added_at_the_places_read(key: Any) -> None:
    x = bx.tensor(base(), requires_grad=True)
    y = x[ours(key)]
    seed = np.random.default_rng(0).standard_normal(tuple(y.shape))
    y.backward(bx.tensor(seed))
    expected = np.zeros(SHAPE)
    np.add.at(expected, key, seed)
    np.testing.assert_allclose(x.grad.numpy(), expected)


@pytest.mark.parametrize("key", KEYS, ids=lambda k: str(k).replace("\n", "")[:40])
def test_gradient_of_writing_goes_to_the_value_and_not_to_the_overwritten(key: Any) -> None:
    if has_repeats(key):
        return
    x = bx.tensor(base(), requires_grad=True)
    shape = base()[key].shape
    v = bx.tensor(np.ones(shape), requires_grad=True)
    y = x * 1
    y[ours(key)] = v
    seed = np.random.default_rng(0).standard_normal(SHAPE)
    y.backward(bx.tensor(seed))
    np.testing.assert_allclose(v.grad.numpy(), seed[key])
    kept = seed.copy()
    kept[key] = 0
    np.testing.assert_allclose(x.grad.numpy(), kept)


def bounds(size: int) -> Any:
    return st.none() | st.integers(-2 * size, 2 * size)


def part(size: int) -> Any:
    """One part of a key for a dimension of some size."""
    step = st.none() | st.integers(1, 4)
    index = st.integers(-size, size - 1)
    return st.one_of(
        index,
        st.builds(slice, bounds(size), bounds(size), step),
        st.lists(index, max_size=4).map(lambda xs: np.array(xs, np.int64)),
        st.lists(st.booleans(), min_size=size, max_size=size).map(np.array),
        st.lists(st.lists(index, min_size=2, max_size=2), min_size=1, max_size=2).map(np.array),
    )


@st.composite
def keys(draw: Any) -> tuple[tuple[int, ...], Any]:
    """A shape and a key that may fit it."""
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
    count = draw(st.integers(0, len(shape)))
    parts = [draw(part(size)) for size in shape[:count]]
    if any(isinstance(p, np.ndarray) for p in parts):
        # Beside an array NumPy counts a number as an array, PyTorch as a number.
        parts = [slice(p, p + 1 or None) if isinstance(p, int) else p for p in parts]
    if draw(st.booleans()):
        from_end = draw(st.integers(0, count))
        parts = [*parts[:from_end], Ellipsis]
    for _ in range(draw(st.integers(0, 2))):
        parts.insert(draw(st.integers(0, len(parts))), None)
    return shape, tuple(parts)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(keys())
def test_random_keys_read_and_write_as_numpy_does(shape_and_key: Any) -> None:
    shape, key = shape_and_key
    a = np.arange(float(np.prod(shape))).reshape(shape)
    t = bx.tensor(a)
    try:
        expected = a[key]
    except IndexError:
        with pytest.raises(IndexError):
            t[ours(key)]
        return
    found = t[ours(key)]
    assert tuple(found.shape) == expected.shape
    np.testing.assert_array_equal(found.numpy(), expected)
    t[ours(key)] = -1.0
    a[key] = -1.0
    np.testing.assert_array_equal(t.numpy(), a)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(keys(), st.randoms(use_true_random=False))
def test_random_keys_have_the_right_gradient(shape_and_key: Any, random: Any) -> None:
    shape, key = shape_and_key
    x = bx.zeros(shape, dtype=bx.float64, requires_grad=True)
    try:
        y = x[ours(key)]
    except IndexError:
        return
    seed = np.array([random.random() for _ in range(y.numel())]).reshape(tuple(y.shape))
    y.backward(bx.tensor(seed))
    expected = np.zeros(shape)
    np.add.at(expected, key, seed)
    np.testing.assert_allclose(x.grad.numpy(), expected)


def test_many_duplicates_accumulate() -> None:
    rng = np.random.default_rng(0)
    index = rng.integers(0, 50, 5000)
    x = bx.zeros(50, 3, dtype=bx.float64, requires_grad=True)
    seed = rng.standard_normal((5000, 3))
    x[bx.tensor(index)].backward(bx.tensor(seed))
    expected = np.zeros((50, 3))
    np.add.at(expected, index, seed)
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-10)


def test_slicing_is_a_view_and_index_tensors_copy() -> None:
    t = bx.arange(6.0)
    t[1:3].zero_()
    t[bx.tensor([4])].zero_()
    t[t > 4].zero_()
    assert t.tolist() == [0, 0, 0, 3, 4, 5]
    t[t > 4] += 10
    t[[0, 1]] -= 1
    assert t.tolist() == [-1, -1, 0, 3, 4, 15]


@pytest.mark.parametrize(
    "key",
    [
        [1, ...],
        [None, 1],
        [slice(0, 2), 0],
        [[0, 1], [2, 3]],
        [0, [1, 0]],
        [bx.tensor(1), 0],
        [range(2), range(2)],
        [bx.tensor([0, 1]), bx.tensor([0, 1])],
    ],
    ids=str,
)
def test_a_list_of_several_parts_is_read_as_a_tuple_with_a_warning(key: Any) -> None:
    t = bx.arange(60.0).view(SHAPE)
    with pytest.warns(UserWarning, match=r"\[index\] a list of several parts is read as a tuple"):
        assert bx.equal(t[key], t[tuple(key)])
    written, expected = t.clone(), t.clone()
    expected[tuple(key)] = -1
    with pytest.warns(UserWarning, match="pass tuple"):
        written[key] = -1
    assert bx.equal(written, expected)


def test_a_list_of_numbers_selects_rows() -> None:
    t = bx.arange(60.0).view(SHAPE)
    for key in ([0, 2], [], [True, False, True], [[0]] * 32, np.array([[0, 1], [1, 2]])):
        expected = t.numpy()[np.array(key, dtype=None if len(key) else int)]
        np.testing.assert_array_equal(t[key].numpy(), expected)


def test_views_with_leading_sizes_of_1_are_written_in_place() -> None:
    t = bx.zeros(2, 2)
    t[:1, :] += 1
    t[None, :1, 1:] *= 3
    assert t.tolist() == [[1, 3], [0, 0]]
    t[0] = bx.ones(1, 1, 2)
    assert t.tolist() == [[1, 1], [0, 0]]


def test_assignment_converts_to_the_tensors_type() -> None:
    t = bx.zeros(3, dtype=bx.int64)
    t[0], t[1:], t[bx.tensor([1])] = 2.9, bx.tensor([5.5, 7.0]), 8
    assert t.tolist() == [2, 8, 7]
    f = bx.zeros(2)
    f[:] = bx.tensor([1.5, 2.5], dtype=bx.float64)
    f[0] = True
    assert f.tolist() == [1.0, 2.5]
    f[:] = bx.tensor([3, 4])
    assert f.tolist() == [3.0, 4.0]


def test_values_at_indices_have_the_tensors_type() -> None:
    x, doubles = bx.zeros(3), bx.ones(2, dtype=bx.float64)
    for key in ([0, 1], bx.tensor([0, 1]), bx.tensor([True, True, False])):
        with pytest.raises(RuntimeError, match="float32, the values float64"):
            x[key] = doubles
        x[key] = doubles.float()
    x[x > 0] = bx.tensor([2.0], dtype=bx.float64)  # one value for a mask fills, and is converted
    assert x.tolist() == [2.0, 2.0, 0.0]
