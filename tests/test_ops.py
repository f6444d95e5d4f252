"""Every registered operation against its row: values, types, layouts, derivatives, in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numeric import DirectionCheck, arrays, assert_bitwise, assert_same, tensors
from op_rows.row import map_arrays
from op_table import (
    TABLE,
    call,
    cases,
    cast,
    operation,
    reals_as_arguments,
    registered,
    to_tensors,
)

import backprop_ext as bx

FORMULAS = [row for row in TABLE if row.reference is not None]
# Names that Python hides: a type, and functions whose arguments it sorts first.
BY_PYTHON = ("bool", "einsum", "tensordot", "unravel_index")
# Defined by the memory, not by the values.
LAYOUT_BOUND = ("view", "view_as", "view_copy", "as_strided", "as_strided_", "as_strided_copy",
                "resize_", "resize_as_")  # fmt: skip
# Rows leave out what is better passed.
pytestmark = pytest.mark.filterwarnings("ignore:.(kl_div|grid_sample). ")
NAN_IS_RIGHT = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, on empty means


def parametrized(rows: list[Any]) -> Any:
    found = cases(rows)
    return pytest.mark.parametrize(("row", "case", "seed"), found, ids=[seed for *_, seed in found])


def reference(row: Any, args: Any, kwargs: Any) -> list[Any]:
    result = row.reference(*args, **kwargs)
    return [np.asarray(r) for r in (result if isinstance(result, (tuple, list)) else [result])]


def test_every_operation_has_one_row_and_every_row_an_operation() -> None:
    claimed = [name for row in TABLE for name in row.names]
    assert sorted(set(registered()) - set(claimed)) == []
    assert sorted(set(claimed) - set(registered())) == []
    assert len(claimed) == len(set(claimed))


def test_function_and_method_of_an_operation_are_one_but_for_what_may_come_first() -> None:
    for name, op in registered().items():
        if op["namespace"]:
            home = bx.nn.functional if op["namespace"] == "nn" else getattr(bx, op["namespace"])
            assert getattr(home, op["name"]).__doc__
            continue
        assert op["function"] or op["method"]
        if op["function"]:
            assert getattr(bx, name) is getattr(bx._core, name) or name in BY_PYTHON
        if op["function"] and op["method"]:
            assert getattr(bx.Tensor, name).__doc__ == getattr(bx._core, name).__doc__
        if op["method"]:
            with pytest.raises(TypeError, match="a method of Tensor, called on int"):
                getattr(bx.Tensor, name)(1)


def test_aliases_are_one_operation_under_several_names() -> None:
    for row, case, seed in cases([row for row in TABLE if row.aliases]):
        args, kwargs = case.draw(seed)
        expected = arrays(call(row.name, args, kwargs))
        for alias in row.aliases:
            for a, e in zip(arrays(call(alias, args, kwargs)), expected, strict=True):
                assert_bitwise(a, e)


@NAN_IS_RIGHT
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@parametrized([row for row in FORMULAS if row.result != "error"])
def test_forward_equals_numpy(row: Any, case: Any, seed: str, dtype: str) -> None:
    args, kwargs = cast(case.draw(seed), dtype)
    actual = arrays(call(row.name, args, kwargs))
    wide_args, wide_kwargs = cast((args, kwargs), "float64")
    expected = reference(row, wide_args, wide_kwargs)
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        if case.reals and row.result == "same" and dtype == "float32":
            narrow = {"float64": "float32", "complex128": "complex64"}
            e = e.astype(narrow.get(e.dtype.name, e.dtype))
        rtol = row.rtol if a.real.dtype == np.float32 else max(1e-13, row.rtol**2)
        assert_same(a, e, rtol, atol=rtol if e.dtype.kind in "fc" else 0)


@pytest.mark.parametrize(
    "row", [row for row in TABLE if row.result == "error"], ids=lambda r: r.name
)
def test_bit_logic_refuses_floats(row: Any) -> None:
    args, kwargs = row.cases[0].draw(row.name)
    with pytest.raises(RuntimeError, match=rf"\[{row.name}\].*float64"):
        call(row.name, args, kwargs)


def whole_cases() -> list[Any]:
    """Cases whose numbers may be integers; a Python float beside them would change the type."""
    found = []
    for row, case, seed in cases([row for row in FORMULAS if row.takes_whole()]):
        if row.pointwise and any(isinstance(a, (int, float)) for a in case.args):
            continue
        found += [(row, case, seed, dtype) for dtype in row.whole_dtypes]
    return found


@pytest.mark.parametrize(
    ("row", "case", "seed", "dtype"), whole_cases(), ids=[f"{s}-{d}" for *_, s, d in whole_cases()]
)
def test_forward_of_integers_equals_numpy(row: Any, case: Any, seed: str, dtype: str) -> None:
    args, kwargs = case.draw_whole(seed, dtype)
    actual = arrays(call(row.name, args, kwargs))
    if row.whole_result == "float32":  # NumPy's functions of uint8 are float16
        args = map_arrays(
            lambda a: a.astype("int64") if a.dtype == "uint8" else a, args, np.ndarray
        )
    with np.errstate(all="ignore"):
        expected = reference(row, args, kwargs)
    for a, e in zip(actual, expected, strict=True):
        kind = e.dtype.name if "dtype" in kwargs else row.whole_result
        is_index = len(expected) == 2 and e is expected[1] and row.name in ("max", "min")
        assert a.dtype == ("int64" if is_index else dtype if kind == "same" else kind)
        tolerance = 2e-6 if a.dtype.kind == "f" else 0
        with np.errstate(over="ignore"):
            assert_same(a, e.astype(a.dtype), tolerance, tolerance)


def spread(array: Any) -> Any:
    """The same values with gaps between them in memory."""
    return np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array


def columns_first(array: Any) -> Any:
    """The same values, transposed in memory."""
    return np.array(array, order="F")


@NAN_IS_RIGHT
@pytest.mark.parametrize("layout", [columns_first, spread], ids=["columns first", "gaps"])
@parametrized([r for r in FORMULAS if r.result != "error" and r.name not in LAYOUT_BOUND])
def test_layout_in_memory_does_not_matter(row: Any, case: Any, seed: str, layout: Any) -> None:
    args, kwargs = case.draw(seed)
    args, kwargs = cast((args, kwargs), "float32")
    expected = arrays(call(row.name, args, kwargs))
    other = map_arrays(lambda a: bx.from_numpy(layout(a)), (args, kwargs), np.ndarray)
    actual = arrays(operation(row.name)(*other[0], **other[1]))
    for a, e in zip(actual, expected, strict=True):
        assert_same(a, e, row.rtol, atol=row.rtol if e.dtype.kind in "fc" else 0)


@parametrized([row for row in FORMULAS if row.order >= 1])
def test_first_derivative_is_the_finite_difference(row: Any, case: Any, seed: str) -> None:
    check_derivative(row, case, seed, order=1)


@parametrized([row for row in FORMULAS if row.order >= 2])
def test_second_derivative_is_the_finite_difference(row: Any, case: Any, seed: str) -> None:
    check_derivative(row, case, seed, order=2)


def check_derivative(row: Any, case: Any, seed: str, order: int) -> None:
    args, kwargs = case.draw(seed)
    fixed = {k: bx.tensor(v) for k, v in kwargs.items() if k in row.constants}
    values, rebuild = reals_as_arguments(args, {k: v for k, v in kwargs.items() if k not in fixed})
    inplace = row.name.endswith("_")

    def function(*leaves: bx.Tensor) -> list[bx.Tensor]:
        leaves = (leaves[0] * 1.0, *leaves[1:]) if inplace else leaves
        args, kwargs = rebuild(leaves)
        results = tensors(operation(row.name)(*args, **kwargs, **fixed))
        results = [bx.view_as_real(t) if t.is_complex() else t for t in results]
        return [t for t in results if t.is_floating_point()]

    check = DirectionCheck(function, values)
    if order == 1:
        check.first()
    else:
        check.second()


@NAN_IS_RIGHT
@parametrized([row for row in FORMULAS if row.inplace and row.name != "detach"])
def test_inplace_twin_writes_what_the_operation_returns(row: Any, case: Any, seed: str) -> None:
    if row.result == "error":
        args, kwargs = case.draw_whole(seed, "int64")
    else:
        args, kwargs = cast(case.draw(seed), "float32")
    assert_inplace_equals(row.name, row.name + "_", args, kwargs, {})


def has_flag(name: str) -> bool:
    ways = registered()[name]["overloads"]
    return any(a["name"] == "inplace" for way in ways for a in way["arguments"])


@parametrized([r for r in TABLE if r.name.startswith("nn.") and r.pointwise and has_flag(r.name)])
def test_inplace_flag_writes_what_the_function_returns(row: Any, case: Any, seed: str) -> None:
    args, kwargs = case.draw(seed)
    assert_inplace_equals(row.name, row.name, args, kwargs, {"inplace": True})


def assert_inplace_equals(plain: str, twin: str, args: Any, kwargs: Any, extra: Any) -> None:
    made, keywords = to_tensors(args, True), to_tensors(kwargs, True)
    expected = operation(plain)(*made, **keywords)
    target = made[0].detach().clone()
    if expected.shape != target.shape:
        with pytest.raises(RuntimeError, match=r"in place|written to"):
            operation(twin)(target, *made[1:], **keywords, **extra)
        return
    leaf = made[0].detach().clone().requires_grad_(made[0].requires_grad)
    written = leaf * 1 if leaf.requires_grad else leaf
    before = written._version
    result = operation(twin)(written, *made[1:], **keywords, **extra)
    assert result is written
    assert written._version > before
    assert_bitwise(arrays(written)[0], arrays(expected)[0])
    if not expected.requires_grad or expected.grad_fn.name() == "NotImplemented":
        return
    seed = bx.tensor(np.random.default_rng(1).standard_normal(tuple(expected.shape))).float()
    others = [t for t in made[1:] if isinstance(t, bx.Tensor) and t.requires_grad]
    want = bx.autograd.grad(expected, [made[0], *others], seed.to(expected.dtype))
    got = bx.autograd.grad(written, [leaf, *others], seed.to(expected.dtype))
    for g, w in zip(arrays(got), arrays(want), strict=True):
        assert_bitwise(g, w)


@pytest.mark.parametrize("row", [r for r in TABLE if r.checks], ids=lambda r: r.name)
def test_random_operation_draws_what_it_promises(row: Any) -> None:
    for _, case, seed in cases([row]):
        args, kwargs = cast(case.draw(seed), "float32")
        (t,) = arrays(call(row.name, args, kwargs))
        row.checks(t, args, kwargs)


@pytest.mark.parametrize("name", ["empty", "empty_like"])
def test_empty_has_the_size_and_type_asked_for(name: str) -> None:
    if name == "empty":
        made = [bx.empty((2, 3)), bx.empty(2, 0), bx.empty((), dtype=bx.int64)]
        assert [tuple(t.shape) for t in made] == [(2, 3), (2, 0), ()]
        assert [t.dtype for t in made] == [bx.float32, bx.float32, bx.int64]
    else:
        like = bx.empty_like(bx.zeros(2, 3, dtype=bx.int32))
        assert (tuple(like.shape), like.dtype) == ((2, 3), bx.int32)


def test_arange_counts_in_registers() -> None:
    """As PyTorch does: each group of 32 bytes from its own first value, the rest from the start."""
    x = bx.arange(-3, 3.1, 0.1)
    assert float(x[30]) == pytest.approx(-2.3841858e-08, rel=1e-6)
    assert "-2.3842e-08" in repr(x)
    assert abs(float(bx.arange(-3, 0.1, 0.1)[30])) < 1e-15
    pytest.importorskip("torch")
    import torch

    for dtype in ("float32", "float64"):
        for start, step, count in ((-8, 0.1, 160), (0.5, -0.37, 61), (1, 0.01, 1000), (2, 0.3, 5)):
            args = (start, start + step * (count - 0.5), step)
            theirs = torch.arange(*args, dtype=getattr(torch, dtype))
            assert bx.arange(*args, dtype=getattr(bx, dtype)).tolist() == theirs.tolist()


def test_the_second_argument_of_std_is_unbiased() -> None:
    x = bx.tensor([[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]])
    for method, function in ((x.std, bx.std), (x.var, bx.var)):
        for unbiased in (True, False):
            expected = function(x, dim=0, correction=int(unbiased))
            assert bx.equal(method(0, unbiased), expected)
            assert method(0, unbiased, True).shape == (1, 3)
