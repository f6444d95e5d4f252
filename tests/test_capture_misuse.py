"""Misuse of capture is a clear error, and what outlives a recording is neither lost nor leaked."""

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import os
import pickle
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import capture, nn
from backprop_ext.nn import functional as F

Step = Callable[..., Any]


def _net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


def _step(model: Any, optimizer: Any) -> Step:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


X, Y = bx.ones(3, 4), bx.ones(3, 2)


# What cannot be captured


def _numbers(x: Any) -> Iterator[Any]:
    yield x


async def _later(x: Any) -> Any:
    return x


async def _stream(x: Any) -> Any:
    yield x


class _Yielding:
    def __call__(self, x: Any) -> Iterator[Any]:
        yield x


@pytest.mark.parametrize(
    "f", [_numbers, _later, _stream, _Yielding(), functools.partial(_numbers), _Yielding().__call__]
)
def test_generators_and_coroutines_are_refused(f: Step) -> None:
    with pytest.raises(TypeError, match=r"\[capture\] .*generator or coroutine.*capture the step"):
        capture(f)


def test_a_result_that_runs_later_is_refused() -> None:
    kept: list[Any] = []

    def coroutine(x: Any) -> Any:
        kept.append(_later(x))
        return kept[-1]

    for f in (_numbers, coroutine, _stream, lambda x: map(abs, [x])):
        step = capture(lambda x, f=f: {"later": f(x)})
        with pytest.raises(
            TypeError, match=r"\[capture\] the function returned a .*return tensors"
        ):
            step(X)
        assert step.signatures() == []
    kept[0].close()


def test_an_async_function_may_call_a_captured_one() -> None:
    step = capture(lambda x: x * 2)

    async def main() -> list[Any]:
        async def one(k: int) -> Any:
            await asyncio.sleep(0)
            return step(bx.full((2,), float(k)))

        return await asyncio.gather(*(one(k) for k in range(5)))

    assert [r.tolist() for r in asyncio.run(main())] == [[2.0 * k] * 2 for k in range(5)]


@pytest.mark.parametrize(
    ("recordings", "error"), [(0, ValueError), (-3, ValueError), (1.5, TypeError), ("2", TypeError)]
)
def test_a_wrong_number_of_recordings_is_an_error(recordings: Any, error: Any) -> None:
    with pytest.raises(error, match=r"\[capture\] recordings"):
        capture(lambda x: x, recordings=recordings)


@dataclass
class Settings:
    scale: float


@dataclass(frozen=True)
class Frozen:
    scales: Any


@pytest.mark.parametrize("value", [{1, 2}, Settings(2.0), Frozen([1.0]), [bytearray(b"a")]])
def test_an_argument_that_cannot_be_told_from_others_is_an_error(value: Any) -> None:
    step = capture(lambda x, value: x + 1)
    for _ in range(2):
        with pytest.raises(TypeError, match=r"\[capture\] an argument is a .* no hash.*tuples"):
            step(X, value)
    assert step.signatures() == []


def test_a_frozen_dataclass_is_told_by_its_value() -> None:
    step = capture(lambda x, s: x * s.scales)
    for scale in (1.0, 2.0, 1.0, 2.0):
        assert step(bx.ones(1), Frozen(scale)).item() == scale
    assert len(step.signatures()) == 2


def test_an_argument_that_holds_itself_is_an_error() -> None:
    step = capture(lambda x: bx.ones(1))
    cycle: list[Any] = [X]
    cycle.append(cycle)
    deep: list[Any] = [X]
    for _ in range(100_000):
        deep = [deep]
    for value in (cycle, deep):
        with pytest.raises(RecursionError, match="arguments of a captured function"):
            step(value)
    assert step(X).item() == 1.0


@pytest.mark.parametrize(
    ("array", "error"),
    [
        (np.ones(3, np.uint16), TypeError),
        (np.array(["a"]), TypeError),
        (np.array([None]), TypeError),
        (np.ones(3, ">f4"), ValueError),
        (np.arange(4.0)[::-1], ValueError),
    ],
    ids=lambda v: v.dtype.str if isinstance(v, np.ndarray) else v.__name__,
)
def test_an_array_that_is_no_tensor_is_an_error(array: np.ndarray, error: Any) -> None:
    step = capture(lambda x: x * 2)
    step(np.ones(3))
    with pytest.raises(error, match=r"\[from_numpy\] .*array\.(astype|copy)"):
        step(array)
    assert step(np.ones(3)).tolist() == [2.0, 2.0, 2.0]


# Errors while it runs


def test_an_error_in_the_first_call_leaves_nothing_half_recorded() -> None:
    model = _net()
    inner = _step(model, bx.optim.Adam(model.parameters()))
    fail = True

    @capture
    def step(x: Any, y: Any) -> Any:
        loss = inner(x, y)
        if fail:
            raise KeyError("mine")
        return loss

    with pytest.raises(KeyError, match="mine"):
        step(X, Y)
    assert step.signatures() == []
    assert not bx._core._recording()
    twin = copy.deepcopy(model)
    assert step is not None
    fail = False
    losses = [step(X, Y).item() for _ in range(3)]
    assert losses[0] == F.mse_loss(twin(X), Y).item()
    assert losses[2] < losses[0]


def test_an_error_in_a_replay_changes_no_parameter() -> None:
    table = nn.Embedding(5, 3)
    optimizer = bx.optim.SGD(table.parameters(), lr=0.1)

    @capture
    def step(i: Any) -> Any:
        optimizer.zero_grad()
        loss = table(i).sum()
        loss.backward()
        optimizer.step()
        return loss

    step(bx.tensor([1, 2]))
    before = table.weight.tolist()
    with pytest.raises(IndexError, match=r"\[embedding\] index 9"):
        step(bx.tensor([1, 9]))
    assert table.weight.tolist() == before
    assert len(step.signatures()) == 1
    step(bx.tensor([1, 3]))
    assert table.weight.tolist() != before


class _Host(bx.optim.Optimizer):
    """Its step is Python, and calls what it is told to."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {})
        self.then: Callable[[], Any] = lambda: None

    def step(self, closure: Any = None) -> None:
        self.then()


def _raise() -> None:
    raise KeyError("mine")


def test_an_error_of_an_optimizer_in_a_replay_is_raised_and_over() -> None:
    model = _net()
    optimizer = _Host(model.parameters())
    step = capture(_step(model, optimizer))
    want = step(X, Y).item()
    optimizer.then = _raise
    with pytest.raises(KeyError, match="mine"):
        step(X, Y)
    optimizer.then = lambda: None
    assert step(X, Y).item() == want


def test_calling_it_while_it_runs_is_an_error() -> None:
    model = _net()
    optimizer = _Host(model.parameters())
    step = capture(_step(model, optimizer))
    want = step(X, Y).item()
    optimizer.then = lambda: step(X, Y)
    with pytest.raises(RuntimeError, match=r"\[capture\] .*called while it runs"):
        step(X, Y)
    optimizer.then = lambda: None
    assert step(X, Y).item() == want

    def again(x: Any) -> Any:
        return recursive(x - 1)

    recursive = capture(again)
    with pytest.raises(RuntimeError, match=r"\[capture\] .*capture the outer one"):
        recursive(X)
    with pytest.raises(RuntimeError, match=r"\[capture\] .*capture the outer one"):
        capture(capture(lambda x: x * 2))(X)


def test_the_metric_of_a_scheduler_inside_is_a_value_read() -> None:
    model = _net()
    optimizer = bx.optim.SGD(model.parameters(), lr=0.1)
    schedule = bx.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    inner = _step(model, optimizer)

    @capture
    def step(x: Any, y: Any) -> Any:
        loss = inner(x, y)
        schedule.step(loss)
        return loss

    with pytest.raises(RuntimeError, match=r"\[capture\] a value is read"):
        step(X, Y)


def test_the_gradient_of_an_argument_is_refused() -> None:
    step = capture(lambda x: (x**3).sum().backward())
    with pytest.raises(RuntimeError, match=r"\[capture\] .*\.grad of .*argument.*autograd\.grad"):
        step(bx.ones(3, requires_grad=True))
    assert step.signatures() == []


# Warnings


def test_the_warning_points_at_the_call_and_comes_once() -> None:
    step = capture(nn.Linear(4, 4))  # a module has no __name__
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for n in range(40):
            step(bx.ones(n + 1, 4))
    (warning,) = seen
    assert warning.filename == __file__
    assert "Linear has been recorded 17 times" in str(warning.message)
    assert "pad" in str(warning.message)


def test_printing_inside_is_done_once(capsys: pytest.CaptureFixture[str]) -> None:
    @capture
    def step(x: Any) -> Any:
        print("recorded")
        return x + 1

    for _ in range(3):
        step(X)
    assert capsys.readouterr().out == "recorded\n"


# Methods, copies, pickles


class Scale:
    def __init__(self, by: float) -> None:
        self.by = by

    @capture
    def run(self, x: Any) -> Any:
        return x * self.by

    @capture
    def __call__(self, x: Any) -> Any:
        return x + self.by

    def _plain(self, x: Any) -> Any:
        return x - self.by

    minus = capture(_plain)


def test_methods_are_recorded_once_for_each_instance() -> None:
    a, b = Scale(2.0), Scale(3.0)
    for _ in range(2):
        assert [s.run(bx.ones(1)).item() for s in (a, b)] == [2.0, 3.0]
        assert [s(bx.ones(1)).item() for s in (a, b)] == [3.0, 4.0]
        assert [s.minus(bx.ones(1)).item() for s in (a, b)] == [-1.0, -2.0]
    assert a.run is a.run
    assert a.minus is a.minus
    for bound in (a.run, a.minus, a.__dict__["__call__"]):
        assert len(bound.signatures()) == 1
    assert not isinstance(a._plain, type(a.minus))


def test_an_instance_without_a_dict_is_an_error() -> None:
    class Slots:
        __slots__ = ()

        @capture
        def run(self, x: Any) -> Any:
            return x

    with pytest.raises(TypeError, match=r"\[capture\] run: a Slots has no __dict__"):
        Slots().run(X)


@capture
def doubled(x: Any) -> Any:
    return x * 2


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    @capture
    def run(self, x: Any) -> Any:
        return self.layer(x)


def _pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("copied", [copy.deepcopy, _pickled])
def test_copies_and_pickles_record_anew(copied: Callable[[Any], Any]) -> None:
    assert copied(doubled) is doubled  # as functions are
    scale = Scale(2.0)
    scale.run(bx.ones(1))
    other = copied(scale)
    other.by = 5.0
    for _ in range(2):
        assert other.run(bx.ones(1)).item() == 5.0
        assert scale.run(bx.ones(1)).item() == 2.0
    model = Model()
    model.run(X)
    twin = copied(model)
    with bx.no_grad():
        twin.layer.weight.zero_()
    assert bx.equal(twin.run(X), twin.layer.bias.expand(3, 2))
    assert not bx.equal(model.run(X), twin.run(X))
    assert sorted(twin.state_dict()) == ["layer.bias", "layer.weight"]


def test_a_copy_of_a_captured_function_has_recordings_of_its_own() -> None:
    step = capture(lambda x: x * 2)
    step(X)
    twin = copy.copy(step)
    assert twin.signatures() == []
    assert bx.equal(twin(X), X * 2)
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        pickle.dumps(step)


# What outlives what


def test_a_captured_function_and_its_model_are_freed() -> None:
    class Owner:
        pass

    owner = Owner()
    owner.model = _net()
    owner.optimizer = bx.optim.Adam(owner.model.parameters())
    owner.step = capture(_step(owner.model, owner.optimizer))
    owner.model.owner = [owner]  # a cycle through everything
    for _ in range(3):
        owner.step(X, Y)
    things = (owner, owner.model, owner.optimizer, owner.step, owner.model[0].weight)
    alive = [weakref.ref(t) for t in things]
    del owner, things
    gc.collect()
    assert [r() for r in alive] == [None] * 5
    model = Model()
    model.run(X)
    seen = weakref.ref(model)
    del model
    gc.collect()
    assert seen() is None


def test_arguments_are_let_go_and_what_a_recording_reads_is_kept() -> None:
    outside = [bx.full((1000,), 2.0)]
    step = capture(lambda x: x * outside[0])
    x = bx.ones(1000)
    step(x)
    argument = weakref.ref(x)
    del x
    outside.clear()  # freed behind its back
    gc.collect()
    assert argument() is None
    others = [bx.zeros(1000) for _ in range(50)]  # would take the memory, were it free
    assert step(bx.ones(1000)).sum().item() == 2000.0
    assert all(t.sum().item() == 0 for t in others)


def test_results_outlive_the_captured_function() -> None:
    step = capture(lambda x: [x * 2, x + 1])
    kept = [step(bx.full((100,), float(k))) for k in range(5)]
    del step
    gc.collect()
    assert [(a[0].item(), b[0].item()) for a, b in kept] == [(2.0 * k, k + 1.0) for k in range(5)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="warns of threads")
def test_a_child_process_goes_on_with_a_recording() -> None:
    model = _net()
    step = capture(_step(model, bx.optim.Adam(model.parameters())))
    step(X, Y)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = int(not all(step(X, Y).item() > 0 for _ in range(3)))
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert step(X, Y).item() > 0


# Threads


def _in_threads(work: Callable[[int], None], count: int) -> None:
    errors: list[BaseException] = []

    def run(k: int) -> None:
        try:
            work(k)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


@pytest.fixture
def _often_switched() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_often_switched")
def test_captured_and_eager_models_train_side_by_side() -> None:
    def train(captured: Callable[[int], bool]) -> list[list[Any]]:
        bx.manual_seed(0)
        models = [_net() for _ in range(4)]

        def work(k: int) -> None:
            step = _step(models[k], bx.optim.Adam(models[k].parameters()))
            run = capture(step) if captured(k) else step
            data = np.random.default_rng(k)
            for i in range(60):
                n = (8, 16, 300)[i % 3]
                x, y = data.standard_normal((n, 4)), data.standard_normal((n, 2))
                run(bx.tensor(x, dtype=bx.float32), bx.tensor(y, dtype=bx.float32))
                del x, y

        _in_threads(work, 4)
        return [[p.tolist() for p in m.parameters()] for m in models]

    assert train(lambda k: False) == train(lambda k: k > 0)


@pytest.mark.usefixtures("_often_switched")
def test_recording_in_several_threads_sees_its_own_thread_alone() -> None:
    barrier = threading.Barrier(3)

    def work(k: int) -> None:
        for _ in range(10):
            model = _net()
            step = capture(_step(model, bx.optim.SGD(model.parameters(), lr=0.1)))
            barrier.wait(60)
            step(X, Y)
            (recording,) = step._recordings.values()
            watched = {id(thing) for thing, *_ in recording._watch._kept}
            mine = {id(m) for m in model.modules()}
            assert mine < watched
            assert len(watched) == len(mine) + 1  # and the optimizer
            step(X, Y)

    _in_threads(work, 3)


def test_results_and_captured_functions_are_freed_by_other_threads() -> None:
    model = _net()
    step = capture(_step(model, bx.optim.Adam(model.parameters())))
    kept = [step(X, Y) for _ in range(10)]
    box = [capture(lambda x: x * 2)]
    box[0](X)

    def work(k: int) -> None:
        kept.clear()
        box.clear()

    _in_threads(work, 1)
    assert step(X, Y).item() > 0


def test_what_eager_code_checks_is_checked_at_every_replay() -> None:
    factor = capture(lambda a: bx.linalg.cholesky(a))
    draw = capture(lambda p: bx.bernoulli(p))
    code = capture(lambda c: bx.nn.functional.one_hot(c, 3))
    good, half, classes = 2 * bx.eye(2), bx.full((3,), 0.5), bx.tensor([0, 2])
    for _ in range(2):
        assert bx.allclose(factor(good) @ factor(good).T, good)
        assert draw(half).shape == half.shape
        assert code(classes).tolist() == [[1, 0, 0], [0, 0, 1]]
    with pytest.raises(bx.linalg.LinAlgError, match=r"\[linalg.cholesky\] .*positive-definite"):
        factor(-good)
    with pytest.raises(RuntimeError, match=r"\[bernoulli\] .*outside 0 to 1"):
        draw(half * 3)
    with pytest.raises(RuntimeError, match=r"\[one_hot\] class 3 with num_classes=3"):
        code(classes + 1)
    assert bx.allclose(factor(good) @ factor(good).T, good)


def test_an_error_of_a_check_comes_before_the_update() -> None:
    w = bx.eye(3, requires_grad=True)
    optimizer = bx.optim.SGD([w], lr=0.1)

    @capture
    def step(a: Any) -> Any:
        optimizer.zero_grad()
        loss = bx.logdet(a @ w @ a.T) + bx.linalg.cholesky(a @ w @ a.T).sum()
        loss.backward()
        optimizer.step()
        return loss

    step(bx.eye(3))
    before = w.detach().clone()
    with pytest.raises(bx.linalg.LinAlgError):
        step(bx.zeros(3, 3))
    assert bx.equal(w, before)
    step(bx.eye(3))
    assert not bx.equal(w, before)


def test_what_another_thread_makes_meanwhile_is_refused() -> None:
    before, w = bx.ones(3), bx.ones(3, requires_grad=True)

    def in_a_thread(work: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(work).result()

    @bx.capture
    def step(x: bx.Tensor, how: str) -> bx.Tensor:
        made = before
        if how == "made":
            made = in_a_thread(lambda: before * 2)
        elif how == "borrowed":
            made = in_a_thread(lambda: bx.from_numpy(np.ones(3, np.float32)))
        elif how == "beside":
            in_a_thread(lambda: before * 2)
        return x * w + made

    x = bx.ones(3)
    for how in ("made", "borrowed"):
        with pytest.raises(RuntimeError, match="another thread made"):
            step(x, how)
    assert step(x, "beside").tolist() == step(x, "beside").tolist() == [2, 2, 2]
    # What it made during an earlier recording is a tensor like any other.
    earlier: list[bx.Tensor] = []

    @bx.capture
    def other(x: bx.Tensor) -> bx.Tensor:
        earlier.append(in_a_thread(lambda: before * 3))
        return x + 1

    other(x)
    assert bx.capture(lambda x: x + earlier[0])(x).tolist() == [4, 4, 4]
