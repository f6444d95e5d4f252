"""What a captured step runs together: reductions at the end of a chain, and kernels over the same
rows, from the product that makes them on. Compared bit for bit with the eager step."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import backprop_ext as bx
from backprop_ext import Tensor, capture
from backprop_ext.nn import functional as F

Function = Callable[..., Tensor | tuple[Tensor, ...]]


@pytest.fixture(params=[1, 2], autouse=True)
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = bx.get_num_threads()
    bx.set_num_threads(request.param)
    yield
    bx.set_num_threads(before)


def lines(function: Function, *arguments: Tensor) -> list[str]:
    """The instructions of a recording whose replay gives the eager step's bits."""
    step = capture(function)
    expected = function(*arguments)
    step(*arguments)
    for _ in range(2):
        found = step(*arguments)
        several = isinstance(found, tuple)
        for f, e in zip(found, expected, strict=True) if several else [(found, expected)]:
            assert f.dtype == e.dtype
            assert f.shape == e.shape
            assert f.numpy().tobytes() == e.numpy().tobytes()
    return [line.strip() for line in step.explain().splitlines()[2:] if line.strip()]


SIZES = [1, 7, 1023, 1024, 1025, 4096, 131_072, 300_001]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", [bx.float32, bx.float64], ids=str)
def test_reductions_end_a_chain(n: int, dtype: bx.dtype) -> None:
    def chain(x: Tensor) -> tuple[Tensor, ...]:
        y = (x * 2 + 1).tanh() * (-x).exp()
        return y.sum(), (y * y).mean(), y.max(), y.min(), (y > 0).any(), (y > 9).all()

    first = lines(chain, bx.randn(n, dtype=dtype))[0]
    assert all(name in first for name in ("sum", "mean"))
    if n > 1 and dtype == bx.float32:  # of float64, fewer operands fit the cache
        assert all(name in first for name in ("max", "min", "any", "all"))


@pytest.mark.parametrize("dtype", [bx.int32, bx.int64], ids=str)
def test_reductions_of_whole_numbers_end_a_chain(dtype: bx.dtype) -> None:
    x = bx.arange(5000).to(dtype)
    (only,) = lines(lambda x: (x * 3 - 7).max(), x)
    assert "max" in only


@pytest.mark.parametrize("shape", [(30, 100), (3, 4, 500), (1500, 2), (7, 1)])
def test_rows_that_repeat_are_read_block_by_block(shape: tuple[int, ...]) -> None:
    def chain(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
        return ((x + row) * column).square().sum()

    found = lines(chain, bx.randn(shape), bx.randn(shape[-1]), bx.randn(*shape[:-1], 1))
    assert len(found) == 1


def test_a_transposed_operand_is_reduced_in_the_order_of_the_eager_step() -> None:
    lines(lambda x, y: (x.T * y).sum(), bx.randn(70, 90), bx.randn(90, 70))


def test_what_a_reduction_gives_is_read_after_it() -> None:
    def centred(x: Tensor) -> Tensor:
        y = x * 2
        z = y - y.mean()
        return z / z.square().mean().sqrt()

    found = lines(centred, bx.randn(3000))
    assert sum("mean" in line for line in found) == 2


def test_many_operands_leave_a_reduction_alone_rather_than_crowd_the_cache() -> None:
    xs = [bx.randn(2000, dtype=bx.float64) for _ in range(16)]

    def total(*xs: Tensor) -> Tensor:
        y = xs[0]
        for x in xs[1:]:
            y = y * x + 1
        return y.sum()

    lines(total, *xs)


@pytest.mark.parametrize(("rows", "inner", "columns"), [(2, 3, 5), (64, 64, 10), (700, 96, 130)])
def test_a_product_hands_its_rows_on(rows: int, inner: int, columns: int) -> None:
    def layer(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return F.silu(F.linear(x, w, b)) * 2 + 1

    found = lines(layer, bx.randn(rows, inner), bx.randn(columns, inner), bx.randn(columns))
    assert found == [
        f"linear ({rows}, {inner}), ({inner}, {columns}), ({columns},) -> "
        f"({rows}, {columns}) | silu + mul + add ({rows}, {columns}) [{rows} rows]"
    ]


@pytest.mark.parametrize("m", [1, 2, 5, 130, 250, 1100])
@pytest.mark.parametrize("n", [1, 8, 33, 2100])
@pytest.mark.parametrize("k", [1, 17, 700])
def test_every_way_of_multiplying_tells_all_rows_once(m: int, n: int, k: int) -> None:
    lines(lambda a, b: (a @ b).relu() * 2, bx.randn(m, k), bx.randn(k, n))
    if m * n < 10_000:
        lines(lambda a, b: (a.T @ b.T).relu() * 2, bx.randn(k, m), bx.randn(n, k))


@pytest.mark.parametrize("classes", [3, 10, 1000])
@pytest.mark.parametrize("rows", [2, 33, 1000])
def test_softmax_and_cross_entropy_share_their_rows(rows: int, classes: int) -> None:
    target = bx.randint(0, classes, (rows,))
    w = bx.randn(classes, 16, requires_grad=True)

    def gradient(x: Tensor) -> tuple[Tensor, ...]:
        loss = F.cross_entropy(F.linear(x, w), target)
        return loss.detach(), *bx.autograd.grad(loss, [w])

    found = lines(gradient, bx.randn(rows, 16))
    assert found[0].startswith("linear")
    assert all(name in found[0] for name in ("| log_softmax", "| nll_loss"))
    assert any(line.startswith("nll_loss") for line in found if "| log_softmax" in line)


def test_a_target_that_is_no_class_stops_a_replay() -> None:
    step = capture(lambda x, t: F.cross_entropy(x * 2, t))
    x, t = bx.randn(500, 30), bx.randint(0, 30, (500,))
    step(x, t)
    t[400] = 30
    with pytest.raises(IndexError, match="30 is out of range"):
        step(x, t)
    t[400] = 29
    assert step(x, t).item() == F.cross_entropy(x * 2, t).item()


@pytest.mark.parametrize("features", [4, 64, 1500])
def test_normalisations_and_sums_of_rows_run_with_their_neighbours(features: int) -> None:
    def block(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        z = F.layer_norm(x + y, (features,))
        p = (z * 3).softmax(-1)
        return z, p, (p * z).sum(-1), z.abs().amax(-1)

    found = lines(block, bx.randn(300, features), bx.randn(300, features))
    assert len(found) == 1


def test_rows_are_not_read_before_they_are_made() -> None:
    def shifted(x: Tensor) -> Tensor:
        p = x.softmax(-1)
        return p[1:] + p[:-1]  # of a row its neighbour

    lines(shifted, bx.randn(3000, 40))

    def turned(x: Tensor) -> Tensor:
        p = (x @ x).relu()
        return p.T.softmax(-1)

    lines(turned, bx.randn(200, 200))

    def summed(x: Tensor) -> Tensor:
        p = x.softmax(-1)
        return p - p.mean(0)

    lines(summed, bx.randn(3000, 40))


def test_a_buffer_is_not_overwritten_while_a_product_reads_it() -> None:
    x = bx.randn(300, 300)

    def step(w: Tensor) -> Tensor:
        y = x @ w
        return y.relu()

    lines(step, bx.randn(300, 300))

    @capture
    def in_place(x: Tensor, w: Tensor) -> Tensor:
        y = (x @ w).relu()
        x.copy_(y)
        return y

    a, b, w = bx.randn(300, 300), bx.randn(300, 300), bx.randn(300, 300) / 17
    for start in (a, b):
        eager, captured = start.clone(), start.clone()
        eager.copy_((eager @ w).relu())
        in_place(captured, w)
        assert captured.numpy().tobytes() == eager.numpy().tobytes()


def test_a_recurrent_cell_takes_its_rows_from_the_product() -> None:
    bx.manual_seed(0)
    cell = bx.nn.LSTMCell(20, 30)

    def run(x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        h, c = cell(x, (h, c))
        return h.detach(), c.detach()

    found = lines(run, bx.randn(400, 20), bx.randn(400, 30), bx.randn(400, 30))
    assert any("| lstm" in line for line in found)


@pytest.mark.parametrize("shape", [(2, 5000), (127, 129), (33, 700), (1000, 64), (5, 40, 300)])
@pytest.mark.parametrize("dtype", [bx.float32, bx.float64], ids=str)
def test_rows_are_summed_as_a_chain_makes_them(shape: tuple[int, ...], dtype: bx.dtype) -> None:
    x, w = bx.randn(shape, dtype=dtype), bx.randn(shape[-1], dtype=dtype)
    first = tuple(range(len(shape) - 1))

    def chain(x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        y = (x * w).tanh()
        return y.sum(first), y.mean(first, keepdim=True), y

    (walk,) = (line for line in lines(chain, x, w) if "tanh" in line)
    assert "| sum" in walk

    def each(x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        y = (x + w).exp()
        return y.amax(0), y.amin(0), (y > 1).any(0), (y > 0).all(0), y.prod(0), y[:, 1:].sum(0)

    lines(each, x, w)


def test_what_rows_come_to_is_read_after_the_last_one() -> None:
    def standardized(x: Tensor) -> Tensor:
        y = x * 2
        z = y - y.mean(0)
        return (z * z.square().mean(0).rsqrt()).sum(1)

    assert len(lines(standardized, bx.randn(500, 100))) > 2


def test_the_gradient_of_a_row_is_summed_as_it_is_made() -> None:
    x = bx.randn(300, 80)
    scale, shift = bx.ones(80, requires_grad=True), bx.zeros(80, requires_grad=True)

    def step(x: Tensor) -> tuple[Tensor, ...]:
        loss = ((x * scale + shift).tanh() - x).square().mean()
        return bx.autograd.grad(loss, (scale, shift))

    assert sum("| sum" in line for line in lines(step, x)) >= 1
