"""What rows cannot say of scatter, sorting and masks: errors, ties, NaN, names of nodes, memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numeric import DirectionCheck

import backprop_ext as bx

nan = float("nan")


def x() -> Any:
    return bx.arange(12.0).reshape(3, 4)


def at(*values: Any) -> Any:
    return bx.tensor(list(values))


WRONG: list[tuple[type[Exception], Any]] = [
    (RuntimeError, lambda t: t.gather(1, at([4]))),
    (RuntimeError, lambda t: t.gather(1, at([-1]))),
    (RuntimeError, lambda t: t.gather(1, at(1))),
    (RuntimeError, lambda t: t.gather(1, at([1.0]))),
    (RuntimeError, lambda t: t.gather(0, bx.zeros(2, 5, dtype=bx.int64))),
    (IndexError, lambda t: t.gather(5, at([1]))),
    (RuntimeError, lambda t: t.scatter_(1, at([0, 4]), t.clone())),
    (RuntimeError, lambda t: t.scatter_(1, at([0, -1]), 2.0)),
    (RuntimeError, lambda t: t.scatter_(1, at([1]), t.double())),
    (RuntimeError, lambda t: t.scatter_(1, at([1]), t, reduce="sum")),
    (RuntimeError, lambda t: t.scatter_add_(1, at([0, 9]), t.clone())),
    (RuntimeError, lambda t: t.scatter_add_(1, at([1, 1, 1, 1, 1]), t)),
    (RuntimeError, lambda t: t.scatter_reduce_(1, at([0, 9]), t.clone(), "sum")),
    (RuntimeError, lambda t: t.scatter_reduce(1, at([1]), t, "median")),
    (IndexError, lambda t: t.index_select(0, at(-1))),
    (IndexError, lambda t: t.index_select(0, at(3))),
    (RuntimeError, lambda t: t.index_select(0, at(1.0))),
    (RuntimeError, lambda t: t.index_add_(0, at(0, 1), t)),
    (RuntimeError, lambda t: t.index_add_(0, at(0, 3), t[:2].clone())),
    (RuntimeError, lambda t: t.index_add_(0, at(1), t[:1].double())),
    (IndexError, lambda t: t.index_copy_(0, at(0, 3), t[:2].clone())),
    (IndexError, lambda t: t.index_copy_(0, at(0, 2), t[:1])),
    (IndexError, lambda t: t.index_fill_(0, at(0, 3), 1)),
    (IndexError, lambda t: t.index_fill_(0, at(1.0), 1)),
    (RuntimeError, lambda t: t.index_fill_(0, at(1), t)),
    (IndexError, lambda t: t.index_reduce_(0, at(0, 3), t[:2].clone(), "prod")),
    (RuntimeError, lambda t: t.index_reduce_(0, at(1), t[:1], "sum")),
    (IndexError, lambda t: t.index_put_((at(0, 5),), bx.tensor(1.0))),
    (RuntimeError, lambda t: t.index_put_((at(0),), bx.tensor(1.0).double())),
    (IndexError, lambda t: t.take(at(12))),
    (IndexError, lambda t: t.take(at(-13))),
    (RuntimeError, lambda t: t.take(at(1.0))),
    (IndexError, lambda t: t.put_(at(0, 12), t[0, :2].clone())),
    (IndexError, lambda t: t.put_(at(1), t[0])),
    (RuntimeError, lambda t: t.put_(at(1), t[0, :1].double())),
    (RuntimeError, lambda t: bx.take_along_dim(t, at(1), 1)),
    (RuntimeError, lambda t: bx.take_along_dim(t, at([4]), 1)),
    (RuntimeError, lambda t: t.masked_select(t)),
    (RuntimeError, lambda t: t.masked_fill_(t, 1)),
    (RuntimeError, lambda t: t.masked_fill_(t > 0, bx.ones(2))),
    (RuntimeError, lambda t: t.masked_scatter_(t >= 0, t[0].clone())),
    (RuntimeError, lambda t: t.masked_scatter_(t >= 0, t.double())),
    (RuntimeError, lambda t: t.select_scatter(t[0, :2], 0, 1)),
    (RuntimeError, lambda t: t.slice_scatter(t[:2], 0, 2)),
    (RuntimeError, lambda t: t[0].fill_diagonal_(1)),
    (RuntimeError, lambda t: t.reshape(1, 3, 4).fill_diagonal_(1)),
    (RuntimeError, lambda t: t.as_strided((3,), (6,))),
    (TypeError, lambda t: bx.sort(t, True)),
    (IndexError, lambda t: t.sort(7)),
    (RuntimeError, lambda t: t.topk(5)),
    (RuntimeError, lambda t: t.topk(-1)),
    (RuntimeError, lambda t: t.kthvalue(0)),
    (RuntimeError, lambda t: t.kthvalue(5)),
    (IndexError, lambda t: t[:0].median(0)),
    (IndexError, lambda t: t[:0].mode(0)),
    (IndexError, lambda t: t[:0].kthvalue(1, 0)),
    (RuntimeError, lambda t: bx.unique(t[:0], dim=1)),
    (RuntimeError, lambda t: bx.searchsorted(t, t[:2])),
    (RuntimeError, lambda t: bx.searchsorted(t[0], t, side="middle")),
    (RuntimeError, lambda t: bx.searchsorted(t[0], t, side="left", right=True)),
    (RuntimeError, lambda t: bx.searchsorted(t[0], t, sorter=at(0, 1, 2, 9))),
    (RuntimeError, lambda t: bx.searchsorted(t[0], t, sorter=at(0, 1))),
    (RuntimeError, lambda t: bx.searchsorted(bx.tensor(1.0), t)),
    (RuntimeError, lambda t: bx.bucketize(t, t)),
]


@pytest.mark.parametrize(("error", "call"), WRONG)
def test_bad_arguments_are_refused_and_nothing_is_written(error: Any, call: Any) -> None:
    t = x()
    with pytest.raises(error, match=r"^\["):
        call(t)
    assert t.tolist() == x().tolist()


@pytest.mark.parametrize(
    ("call", "node"),
    [
        (lambda t: t.gather(1, at([1])), "GatherBackward0"),
        (lambda t: t.scatter(1, at([1]), x()), "ScatterBackward0"),
        (lambda t: t.scatter(1, at([1]), 2.0), "ScatterBackward1"),
        (lambda t: t.scatter_add(1, at([1]), x()), "ScatterAddBackward0"),
        (lambda t: t.scatter_reduce(1, at([1]), x(), "sum"), "ScatterReduceBackward0"),
        (lambda t: t.index_select(0, at(1)), "IndexSelectBackward0"),
        (lambda t: t.index_add(0, at(1), x()[:1]), "IndexAddBackward0"),
        (lambda t: t.index_copy(0, at(1), x()[:1]), "IndexCopyBackward0"),
        (lambda t: t.index_fill(0, at(1), 2), "IndexFillBackward0"),
        (lambda t: t.index_fill(0, at(1), bx.tensor(2.0)), "IndexFillBackward1"),
        (lambda t: t.index_reduce(0, at(1), x()[:1], "prod"), "IndexReduceBackward0"),
        (lambda t: t.take(at(1)), "TakeBackward0"),
        (lambda t: t.put(at(1), x()[0, :1]), "PutBackward0"),
        (lambda t: bx.take_along_dim(t, at([1]), 1), "GatherBackward0"),
        (lambda t: t.masked_select(x() > 3), "MaskedSelectBackward0"),
        (lambda t: t.masked_fill(x() > 3, 1), "MaskedFillBackward0"),
        (lambda t: t.masked_fill(x() > 3, bx.tensor(1.0)), "MaskedFillBackward1"),
        (lambda t: t.masked_scatter(x() > 3, x()), "MaskedScatterBackward0"),
        (lambda t: t.index_put((at(0),), bx.tensor(1.0)), "IndexPutBackward0"),
        (lambda t: t.select_scatter(x()[0], 0, 1), "SelectScatterBackward0"),
        (lambda t: t.slice_scatter(x()[:2], 0, 1), "SliceScatterBackward0"),
        (lambda t: t.diagonal_scatter(x()[0, :3]), "DiagonalScatterBackward0"),
        (lambda t: t.as_strided_scatter(x()[0, :2], (2,), (1,)), "AsStridedScatterBackward0"),
        (lambda t: t.as_strided((2, 2), (1, 1)), "AsStridedBackward0"),
        (lambda t: t.sort()[0], "SortBackward0"),
        (lambda t: t.sort(stable=True)[0], "SortBackward1"),
        (lambda t: t.msort(), "SortBackward0"),
        (lambda t: t.topk(2)[0], "TopkBackward0"),
        (lambda t: t.kthvalue(2)[0], "KthvalueBackward0"),
        (lambda t: t.median(), "MedianBackward0"),
        (lambda t: t.median(1)[0], "MedianBackward1"),
        (lambda t: t.nanmedian(), "NanmedianBackward0"),
        (lambda t: t.nanmedian(1)[0], "NanmedianBackward1"),
        (lambda t: t.mode()[0], "ModeBackward0"),
    ],
)
def test_nodes_have_pytorchs_names(call: Any, node: str) -> None:
    result = call(x().requires_grad_())
    assert result.grad_fn.name() == node
    assert result.is_contiguous() or "strided" in node.lower()


def test_nan_is_the_largest_and_no_nan_equals_another() -> None:
    t = bx.tensor([2.0, nan, -np.inf, 1.0, nan, np.inf])
    assert t.sort().indices.tolist() == [2, 3, 0, 5, 1, 4]
    assert t.sort(descending=True).indices.tolist() == [1, 4, 5, 0, 3, 2]
    assert t.topk(2).indices.sort().values.tolist() == [1, 4]
    assert t.kthvalue(4).values.item() == np.inf
    assert bx.isnan(t.median())
    assert t.median(0).indices.item() == 1
    assert t.nanmedian().item() == 1.0
    assert t.nanmedian(0).indices.item() == 3
    assert bx.isnan(bx.tensor([nan, nan]).nanmedian())
    assert len(t.unique()) == 6
    assert t.unique(return_counts=True)[1].tolist() == [1] * 6
    assert bx.tensor([nan, nan, 5.0]).mode().values.item() == 5.0
    assert not bx.isin(t, t)[1]
    assert bx.searchsorted(bx.tensor([1.0, 2.0]), nan).item() == 2
    assert bx.isnan(bx.zeros(1).scatter_reduce(0, at(0, 0), bx.tensor([nan, 5.0]), "amax"))[0]


def test_zeros_of_both_signs_are_equal_and_keep_their_order() -> None:
    t = bx.tensor([0.0, -0.0, 0.0, -1.0])
    assert t.sort().indices.tolist() == [3, 0, 1, 2]
    assert t.sort(descending=True).indices.tolist() == [0, 1, 2, 3]
    assert len(t.unique()) == 2
    assert t.mode().indices.item() == 2


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("n", [1, 255, 256, 5000])
def test_long_lines_of_every_type_sort_as_in_numpy(dtype: str, n: int) -> None:
    rng = np.random.default_rng(n)
    info: Any = np.iinfo(dtype) if "int" in dtype else None
    low, high = (info.min, info.max) if info else (0, 2) if dtype == "bool" else (-1, 1)
    draw = rng.integers if info or dtype == "bool" else rng.uniform
    a = draw(low, high, (2, n)).astype(dtype)
    a[:, n // 2 :] = a[:, : n - n // 2]  # ties
    for descending in (False, True):
        values, indices = bx.from_numpy(a).sort(1, descending)
        order = np.argsort(a, 1, kind="stable")
        if descending:
            order = n - 1 - np.argsort(a[:, ::-1], 1, kind="stable")[:, ::-1]
        np.testing.assert_array_equal(indices.numpy(), order)
        np.testing.assert_array_equal(values.numpy(), np.take_along_axis(a, order, 1))
    if dtype == "bool":
        return  # topk takes none, as in PyTorch
    k = max(1, n // 3)
    np.testing.assert_array_equal(
        bx.from_numpy(a).topk(k).values.numpy(), np.sort(a, 1)[:, ::-1][:, :k]
    )


def test_sums_do_not_depend_on_the_threads() -> None:
    rng = np.random.default_rng(0)
    index = bx.from_numpy(rng.integers(0, 50, 20000))
    source = bx.from_numpy(rng.standard_normal((20000, 40)).astype(np.float32))
    threads = bx.get_num_threads()
    sums = []
    for n in (1, 2, 5):
        bx.set_num_threads(n)
        sums.append(bx.zeros(50, 40).index_add_(0, index, source).numpy())
    bx.set_num_threads(threads)
    np.testing.assert_array_equal(sums[0], sums[1])
    np.testing.assert_array_equal(sums[0], sums[2])
    one_by_one = np.zeros((50, 40), np.float32)
    np.add.at(one_by_one, index.numpy(), source.numpy())
    np.testing.assert_array_equal(sums[0], one_by_one)


def test_writes_in_place_reach_views_and_their_base() -> None:
    base = bx.zeros(4, 3)
    base[1:3].t().index_add_(1, at(0, 0, 1), bx.ones(3, 3))
    assert base.tolist() == [[0] * 3, [2] * 3, [1] * 3, [0] * 3]
    leaf = bx.ones(4, 3, requires_grad=True)
    y = leaf * 2
    y[1].index_fill_(0, at(0), 5.0)
    y.scatter_add_(0, at([0, 0, 3]), bx.ones(1, 3))
    y.masked_fill_(at([False, True, False]), 7.0)
    (g,) = bx.autograd.grad(y.sum(), leaf)
    assert g.tolist() == [[2, 0, 2], [0, 0, 2], [2, 0, 2], [2, 0, 2]]


SOURCES = [
    lambda t, src: t.scatter(0, at([0, 2, 1], [1, 1, 0])[:, :2], src),  # more than the index reads
    lambda t, src: t.scatter_add(1, at([0, 3], [3, 3]), src),
    lambda t, src: t.scatter_add(1, bx.zeros(3, 0, dtype=bx.int64), src),
    lambda t, src: t.scatter(1, at([0, 3], [3, 3]), src, reduce="add"),
    lambda t, src: t.scatter(1, at([0, 3], [3, 3]), src, reduce="multiply"),
    lambda t, src: t.scatter(1, at([0, 3], [3, 3]), 3.0, reduce="multiply") * src.sum(),
]


@pytest.mark.parametrize("function", SOURCES)
def test_larger_sources_and_old_reductions_have_both_derivatives(function: Any) -> None:
    rng = np.random.default_rng(0)
    check = DirectionCheck(function, [rng.standard_normal((3, 4)), rng.standard_normal((3, 5))])
    check.first()
    check.second()


def test_old_reductions_of_scatter_combine() -> None:
    index, src = at([0, 0, 2]), bx.tensor([[2.0, 3.0, 5.0]])
    start = bx.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert start.scatter(1, index, src, reduce="add").tolist() == [[6, 2, 8, 4]]
    assert start.scatter(1, index, src, reduce="multiply").tolist() == [[6, 2, 15, 4]]
    assert start.scatter(1, index, 2, reduce="multiply").tolist() == [[4, 2, 6, 4]]
    assert start.scatter_(1, index, 1.0, reduce="add") is start
    assert start.tolist() == [[3, 2, 4, 4]]
    with pytest.raises(RuntimeError, match="exceeds"):
        start.scatter(1, index, src[:, :2])


@pytest.mark.parametrize("reduce", ["sum", "mean", "prod", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_a_reduction_in_place_has_the_derivative_of_one_that_is_not(
    reduce: str, include_self: bool
) -> None:
    source = bx.tensor([3.0, 2.0, 5.0, 4.0], requires_grad=True)
    index = at(0, 0, 1, 3)
    grads = []
    for name in ("scatter_reduce", "scatter_reduce_"):
        start = bx.full((4,), 2.5)
        y = getattr(start, name)(0, index, source, reduce, include_self=include_self)
        grads.append(bx.autograd.grad((y * bx.arange(1.0, 5)).sum(), source)[0].tolist())
    assert grads[0] == grads[1]


def test_the_derivative_of_a_product_is_right_at_its_zeros() -> None:
    leaf = bx.tensor([2.0, 0.0, 3.0, 0.0, 0.0], dtype=bx.float64, requires_grad=True)
    y = bx.ones(2, dtype=bx.float64).scatter_reduce(0, at(0, 0, 0, 1, 1), leaf, "prod")
    (g,) = bx.autograd.grad(y.sum(), leaf, create_graph=True)
    assert g.tolist() == [0, 6, 0, 0, 0]
    (h,) = bx.autograd.grad(g, leaf, bx.tensor([1.0, 0.0, 0.0, 1.0, 0.0]).double())
    assert h.tolist() == [0, 3, 0, 0, 1]


def test_indices_are_int32_where_asked_for() -> None:
    bounds = bx.tensor([1, 3, 5])
    for found in (
        bx.searchsorted(bounds, bx.tensor([2, 9]), out_int32=True),
        bx.bucketize(bx.tensor([2, 9]), bounds, out_int32=True),
    ):
        assert found.dtype == bx.int32
        assert found.tolist() == [1, 3]
    for dtype in (bx.int32, bx.bool):
        assert bx.ones(3, dtype=dtype).sort().values.dtype == dtype
        assert bx.ones(3, dtype=dtype).unique().dtype == dtype


def test_results_come_in_number_as_asked_for() -> None:
    t = bx.tensor([3, 1, 1, 2])
    assert isinstance(t.unique(), bx.Tensor)
    values, counts = bx.unique(t, return_counts=True)
    assert (values.tolist(), counts.tolist()) == ([1, 2, 3], [2, 1, 1])
    rows, columns = bx.nonzero(x() > 9, as_tuple=True)
    assert (rows.tolist(), columns.tolist()) == ([2, 2], [2, 3])
    assert [w.tolist() for w in bx.where(x() > 9)] == [[2, 2], [2, 3]]
    assert [w.tolist() for w in bx.where(bx.tensor(1.0))] == [[0]]
    assert bx.argwhere(x() > 10).tolist() == [[2, 3]]
    assert x()[[0, 2], [1, 3]].tolist() == [1, 11]
    assert x()[[2, 0]].tolist() == [x()[2].tolist(), x()[0].tolist()]


def test_diagonals_are_filled_also_wrapped_and_in_cubes() -> None:
    for shape in ((3, 3), (7, 3), (2, 5), (9, 2)):
        for wrap in (False, True):
            expected = np.zeros(shape)
            np.fill_diagonal(expected, 2, wrap=wrap)
            assert bx.zeros(shape).fill_diagonal_(2, wrap).tolist() == expected.tolist()
            turned = bx.zeros(shape[::-1]).t()
            assert turned.fill_diagonal_(2, wrap).tolist() == expected.tolist()
    assert bx.zeros(3, 3, 3).fill_diagonal_(1).sum().item() == 3
    leaf = bx.ones(3, 3, requires_grad=True)
    (g,) = bx.autograd.grad((leaf * 2).fill_diagonal_(5).sum(), leaf)
    assert g.tolist() == (2 - 2 * np.eye(3)).tolist()


def test_strided_walks_share_gradients_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch")

    def run(lib: Any) -> list[Any]:
        leaf = lib.arange(12.0, dtype=lib.float64).reshape(3, 4).requires_grad_()
        results = []
        for base, size, stride, offset in (
            (leaf * 1, (3, 3), (2, 1), 1),
            ((leaf * 1).t(), (2, 3), (1, 2), 0),
            ((leaf * 1)[1:], (2, 2), (1, 1), None),
            ((leaf[:, :1] * 1).expand(3, 4), (3,), (1,), 0),
        ):
            part = base.as_strided(size, stride, offset)
            (g,) = lib.autograd.grad((part**3).sum(), leaf, create_graph=True)
            (h,) = lib.autograd.grad((g**2).sum(), leaf)
            results += [part.tolist(), g.tolist(), h.tolist()]
        return results

    assert run(bx) == run(torch)
