"""Rules that hold for whole families: position independence, Python numbers, promotion of types."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numeric import arrays, assert_bitwise, assert_same
from op_rows.row import Case, Flags, Real
from op_table import TABLE, call, cast, operation, registered, to_tensors

import backprop_ext as bx

POINTWISE = [
    row for row in TABLE if row.pointwise and row.reference is not None and row.result != "error"
]
LONG = 2500  # more than two blocks of the pointwise driver
DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"]


def long_case(row: Any) -> Case:
    """The row's first case with arguments of LONG elements."""
    first = row.cases[0]
    args = [replace(a, shape=(LONG,)) if isinstance(a, (Real, Flags)) else a for a in first.args]
    kwargs = row.cases[-1].kwargs if row.name.startswith("nn.") else first.kwargs
    return Case(tuple(args), kwargs)


def run(row: Any, args: Any, kwargs: Any, seed: Any) -> list[Any]:
    """The results and, where there are any, the gradients to every input."""
    made = to_tensors(args, row.order > 0)
    y = operation(row.name)(*made, **kwargs)
    if not y.requires_grad:
        return arrays(y)
    leaves = [t for t in made if isinstance(t, bx.Tensor) and t.requires_grad]
    return arrays([y, *bx.autograd.grad(y, leaves, bx.tensor(seed))])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", POINTWISE, ids=lambda r: r.name)
def test_result_does_not_depend_on_the_position(row: Any, dtype: str) -> None:
    case = long_case(row)
    args, kwargs = cast(case.draw(row.name), dtype)
    seed = np.random.default_rng(0).standard_normal(LONG).astype(dtype)
    whole = run(row, args, kwargs, seed)
    for n in range(1, 41):
        at = (n * 37) % (LONG - 40)
        part = slice(at, at + n)
        few = run(row, [a[part] for a in args], kwargs, seed[part])
        for f, w in zip(few, whole, strict=True):
            assert_bitwise(f, w[part])


@pytest.mark.parametrize("row", POINTWISE, ids=lambda r: r.name)
def test_unaligned_view_gives_the_same_bits(row: Any) -> None:
    args, kwargs = cast(long_case(row).draw(row.name), "float32")
    whole = call(row.name, args, kwargs).numpy()
    made = to_tensors(args)
    for at in (1, 2, 3, 5):
        part = operation(row.name)(*(t[at : at + 100] for t in made), **kwargs)
        assert_bitwise(part.numpy(), whole[at : at + 100])


@pytest.mark.parametrize("n", [7, 1023, 1024, 1025, 1500, 3000])
def test_broadcast_rows_and_columns_of_any_length_equal_numpy(n: int) -> None:
    rng = np.random.default_rng(0)
    m, row = rng.standard_normal((5, n)), rng.standard_normal(n)
    column, cube = rng.standard_normal((5, 1)), rng.standard_normal((3, 5, n))
    pairs = [(m, row), (row, m), (m, column), (column, row), (cube, m), (cube, column), (row, cube)]
    pairs += [(m.T, row[:5]), (m[:, ::2], row[::2]), (np.asfortranarray(m), row)]
    for a, b in pairs:
        found = bx.from_numpy(a) * bx.from_numpy(b)
        np.testing.assert_array_equal(found.numpy(), a * b)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_a_row_does_not_depend_on_its_batch(name: str) -> None:
    rng = np.random.default_rng(0)
    for n in range(1, 41):
        x = bx.tensor(rng.standard_normal((7, n)).astype(np.float32), requires_grad=True)
        y = operation(name)(x, 1)
        seed = bx.tensor(rng.standard_normal((7, n)).astype(np.float32))
        (g,) = bx.autograd.grad(y, x, seed)
        for i in (0, 3, 6):
            row = x.detach()[i : i + 1].requires_grad_()
            alone = operation(name)(row, 1)
            (g_alone,) = bx.autograd.grad(alone, row, seed[i : i + 1])
            assert_bitwise(alone.detach().numpy(), y.detach().numpy()[i : i + 1])
            assert_bitwise(g_alone.numpy(), g.numpy()[i : i + 1])


def numeric_places() -> list[Any]:
    """(row, place) of every argument for which a Python number may stand."""
    found = []
    for row in POINTWISE:
        for k, argument in enumerate(registered()[row.name]["overloads"][0]["arguments"]):
            if argument["type"] == "Tensor | Number" and not argument["keyword_only"]:
                found.append((row, k))
    return found


@pytest.mark.parametrize(
    ("row", "place"), numeric_places(), ids=[f"{r.name}-{k}" for r, k in numeric_places()]
)
def test_python_number_stands_for_a_tensor(row: Any, place: int) -> None:
    args, kwargs = row.cases[0].draw(row.name)
    number = float(args[place].ravel()[0])
    with_number = [number if k == place else bx.tensor(a) for k, a in enumerate(args)]
    with_array = [np.full((), number) if k == place else a for k, a in enumerate(args)]
    expected = np.asarray(row.reference(*with_array, **kwargs))
    actual = operation(row.name)(*with_number, **kwargs)
    assert_same(actual.numpy(), np.asarray(expected, actual.numpy().dtype), 1e-12, 1e-12)


def category(dtype: str) -> int:
    return 0 if dtype == "bool" else 2 if "float" in dtype else 1


def promoted(a: str, b: str, b_counts_less: bool) -> str:
    """PyTorch's rule: 0-d tensors and numbers decide only with a higher category."""
    if b_counts_less and category(a) >= category(b):
        return a
    return max(a, b, key=DTYPES.index)


@pytest.mark.parametrize("other", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_types_are_promoted_by_category_then_by_dimensions(dtype: str, other: str) -> None:
    a = bx.ones(2, dtype=getattr(bx, dtype))
    b = bx.ones(2, dtype=getattr(bx, other))
    zero_d = bx.ones((), dtype=getattr(bx, other))
    for op in (bx.add, bx.mul, bx.maximum):
        assert str(op(a, b).dtype) == f"torch.{promoted(dtype, other, False)}"
        assert str(op(a, zero_d).dtype) == f"torch.{promoted(dtype, other, True)}"
        assert str(op(zero_d, a).dtype) == f"torch.{promoted(dtype, other, True)}"
    assert bx.result_type(a, b) == (a + b).dtype
    assert (a == b).dtype == bx.bool
    both = (a.dtype, b.dtype)
    assert str(bx.promote_types(*both)) == f"torch.{promoted(dtype, other, False)}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_python_numbers_keep_the_type_within_its_category(dtype: str) -> None:
    t = bx.ones(2, dtype=getattr(bx, dtype))
    for number, own in ((True, "bool"), (3, "int64"), (2.5, "float32")):
        for result in (t * number, number * t, t + number, bx.add(t, number)):
            assert str(result.dtype) == f"torch.{promoted(dtype, own, True)}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_true_division_and_functions_of_integers_give_the_default_float(dtype: str) -> None:
    t = bx.ones(2, dtype=getattr(bx, dtype))
    expected = t.dtype if "float" in dtype else bx.float32
    assert (t / t).dtype == expected
    assert (t / 2).dtype == expected
    assert (2 / t).dtype == expected
    assert t.exp().dtype == expected
    assert t.sum().dtype == (expected if "float" in dtype else bx.int64)


def test_default_dtype_is_what_numbers_become() -> None:
    assert bx.get_default_dtype() == bx.float32
    bx.set_default_dtype(bx.float64)
    try:
        assert bx.tensor(1.5).dtype == bx.float64
        assert (bx.tensor([1, 2]) * 0.5).dtype == bx.float64
        assert bx.zeros(2).dtype == bx.float64
        assert bx.nn.Linear(2, 2).weight.dtype == bx.float64
        assert repr(bx.tensor(1.5)) == "tensor(1.5000)"
    finally:
        bx.set_default_dtype(bx.float32)
    with pytest.raises(TypeError, match=r"\[set_default_dtype\].*int64.*float32"):
        bx.set_default_dtype(bx.int64)


def test_integers_wrap_and_divide_as_pythons_do() -> None:
    a, b = bx.tensor([7, -7, 7, -7]), bx.tensor([2, 2, -2, -2])
    assert (a // b).tolist() == [3, -4, -4, 3]
    assert (a % b).tolist() == [1, 1, -1, -1]
    assert bx.fmod(a, b).tolist() == [1, -1, 1, -1]
    top = bx.tensor([2**31 - 1], dtype=bx.int32)
    assert (top + 1).tolist() == [-(2**31)]
    smallest = bx.tensor([-(2**31)], dtype=bx.int32)
    assert (smallest // -1).tolist() == [-(2**31)]
    assert (smallest % -1).tolist() == [0]
    assert (bx.tensor([-(2**63)]) // -1).tolist() == [-(2**63)]
    assert abs(bx.tensor([-3, 3])).tolist() == [3, 3]
    assert (bx.tensor([3]) ** 4).tolist() == [81]


def test_out_receives_the_result_and_is_returned() -> None:
    a, out = bx.tensor([1.0, 2.0]), bx.empty(2)
    assert bx.add(a, 1, out=out) is out
    assert out.tolist() == [2.0, 3.0]
    for other in (bx.ones(3), bx.ones(1)):
        with pytest.warns(UserWarning, match=r"\[add\] out has shape .* the result, \(2,\)"):
            assert bx.add(a, 1, out=other) is other
        assert other.tolist() == [2.0, 3.0]
    with pytest.raises(RuntimeError, match="out= does not support automatic differentiation"):
        bx.add(a.requires_grad_(), 1, out=out)


def test_operators_are_the_operations() -> None:
    a, b = bx.tensor([5.0, -3.0]), bx.tensor([2.0, 4.0])
    i, j = bx.tensor([5, 12]), bx.tensor([3, 10])
    pairs: list[tuple[Any, Any]] = [
        (a + b, bx.add(a, b)),
        (a - b, bx.sub(a, b)),
        (a * b, bx.mul(a, b)),
        (a / b, bx.div(a, b)),
        (a // b, bx.floor_divide(a, b)),
        (a % b, bx.remainder(a, b)),
        (a**b, bx.pow(a, b)),
        (2**b, bx.pow(2, b)),
        (1 - a, bx.sub(1, a)),
        (1 / a, bx.reciprocal(a)),
        (7 // b, bx.floor_divide(7, b)),
        (7 % b, bx.remainder(7, b)),
        (-a, bx.neg(a)),
        (abs(a), bx.abs(a)),
        (a @ b, bx.dot(a, b)),
        (i & j, bx.bitwise_and(i, j)),
        (i | j, bx.bitwise_or(i, j)),
        (i ^ j, bx.bitwise_xor(i, j)),
        (~i, bx.bitwise_not(i)),
        (a < b, bx.lt(a, b)),
        (a <= b, bx.le(a, b)),
        (a > b, bx.gt(a, b)),
        (a >= b, bx.ge(a, b)),
        (a == b, bx.eq(a, b)),
        (a != b, bx.ne(a, b)),
    ]
    for actual, expected in pairs:
        assert_bitwise(actual.numpy(), expected.numpy())
    assert +a is a


def test_numbers_keep_float64_in_second_derivatives() -> None:
    """A weight of 0.4 is no float32 in the derivative of the derivative."""
    a, b, g = (bx.tensor([v], dtype=bx.float64, requires_grad=True) for v in (1.3, 2.1, 0.7))
    first = bx.autograd.grad(bx.lerp(a, b, 0.4), (a, b), g, create_graph=True)
    (second,) = bx.autograd.grad(3 * first[0] + 6 * first[1], g)
    assert second.item() == pytest.approx(3 * 0.6 + 6 * 0.4, rel=1e-15)
    (slope,) = bx.autograd.grad(bx.ldexp(a, b), b, create_graph=True)
    expected = 1.3 * 2**2.1 * np.log(2) ** 2
    assert bx.autograd.grad(slope, b)[0].item() == pytest.approx(expected, rel=1e-14)


def test_out_may_be_wider_where_pytorchs_may_be() -> None:
    a, wide = bx.tensor([[1.0, 2.0], [4.0, 8.0]]), bx.empty(0, dtype=bx.float64)
    for write in (
        lambda out: bx.exp(a, out=out), lambda out: bx.mul(a, a, out=out),
        lambda out: bx.cat([a, a], out=out), lambda out: bx.cumsum(a, 0, out=out),
        lambda out: bx.special.i1(a, out=out), lambda out: bx.arcsin(a, out=out),
    ):  # fmt: skip
        assert write(wide) is wide
        assert wide.dtype == bx.float64
        wide = bx.empty(0, dtype=bx.float64)
    with pytest.raises(RuntimeError, match="the result is float32, which out, float64"):
        bx.mm(a, a, out=wide)
    assert wide.shape == (0,)


def test_sizes_are_spread_out_where_they_are_the_only_argument() -> None:
    t = bx.arange(6.0)
    assert t.view(2, 3).shape == t.reshape((2, 3)).shape == bx.zeros(2, 3).shape == (2, 3)
    assert t.view(6).shape == t.reshape(-1).shape == bx.zeros(6).shape == (6,)
    assert t.view(2, 3).permute(1, 0).flip(0).tile(2).shape == (3, 4)
    for mistake in (
        lambda: bx.reshape(t, 6), lambda: bx.reshape(t, 2, 3), lambda: bx.flip(t, 0),
        lambda: t.view(size=6), lambda: bx.zeros(size=3), lambda: t.unflatten(0, 6),
    ):  # fmt: skip
        with pytest.raises(TypeError):
            mistake()


def test_rejected_writes_leave_everything_as_it_was() -> None:
    t, moved = bx.arange(6.0).view(2, 3), bx.zeros(3)
    for mistake in (
        lambda: t.addcdiv_(bx.ones(2, 3).long(), bx.ones(2, 3).long()),
        lambda: t.sub_(bx.ones(2, 3) > 0, alpha=2),
        lambda: t.index_fill_(0, bx.tensor([0]).int(), 1.0),
        lambda: bx.nn.functional.celu(t, 0.0, inplace=True),
        lambda: bx.nn.functional.instance_norm(t[None], moved, None),
        lambda: bx.nn.functional.batch_norm(t.double(), moved, bx.ones(3), training=True),
    ):
        version = t._version
        with pytest.raises((RuntimeError, ValueError, IndexError)):
            mistake()
        assert (t._version, t.tolist(), moved.tolist()) == (
            version,
            [[0, 1, 2], [3, 4, 5]],
            [0] * 3,
        )


def test_what_is_gathered_has_the_type_of_the_empty_tensor_that_it_began_with() -> None:
    found = bx.cat([bx.tensor([]), bx.tensor([1, 2]), bx.tensor([], dtype=bx.float64)])
    assert found.dtype == bx.float64
    np.testing.assert_array_equal(found.numpy(), [1.0, 2.0])
    assert bx.cat([bx.tensor([]), bx.tensor([1, 2])]).dtype == bx.float32
    rows = bx.cat((bx.tensor([], dtype=bx.bool), bx.ones(2, 3)))
    assert (rows.dtype, tuple(rows.shape)) == (bx.float32, (2, 3))


def test_types_of_tensordot_and_ldexp() -> None:
    ones = bx.ones(1)
    with pytest.raises(RuntimeError, match="b float64"):
        bx.tensordot(ones, ones.double(), 1)
    byte = ones.to(bx.uint8)
    assert bx.tensordot(byte, byte, 1).dtype == bx.uint8
    assert bx.ldexp(ones.half(), bx.tensor([1])).dtype == bx.float16
