"""Batches in order share the dataset's memory until a side is written: nobody can tell from values.

Every write is done twice, on lazy copies and on copies; all tensors must be equal afterwards.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import io
import pickle
import threading
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from op_rows.row import Real
from op_table import TABLE, cases, operation, registered, to_tensors

import backprop_ext as bx
from backprop_ext.utils.data import DataLoader, TensorDataset

Write = Callable[[Any], object]


def in_use() -> int:
    gc.collect()
    bytes_in_use: int = bx._core._memory_stats()["in_use"]
    return bytes_in_use


def shares(make: Callable[[], Any]) -> tuple[Any, bool]:
    """What `make` returns, and whether its tensor took no memory of its own."""
    before = in_use()
    made = make()
    return made, in_use() == before


def dataset(n: int = 12) -> Any:
    return bx.arange(4.0 * n).reshape(n, 4)


def batches(x: Any, size: int = 4) -> list[Any]:
    return [batch for (batch,) in DataLoader(TensorDataset(x), size)]


def through_numpy(t: Any) -> None:
    t.numpy()[...] = -1


def through_the_buffer(t: Any) -> None:
    memoryview(t).cast("B").cast("f")[0] = -1.0


def through_dlpack(t: Any) -> None:
    np.from_dlpack(t)
    bx.utils.dlpack.from_dlpack(t).fill_(-1)


def through_the_address(t: Any) -> None:
    import ctypes

    (ctypes.c_float * t.numel()).from_address(t.data_ptr())[0] = -1.0


def by_an_optimizer(make: Callable[[Any], Any]) -> Write:
    def write(t: Any) -> None:
        t.requires_grad_()
        optimizer = make([t])
        for _ in range(3):
            optimizer.zero_grad()
            (t * t).sum().backward()
            optimizer.step()
        t.requires_grad_(False)

    return write


def by_a_captured_step(t: Any) -> None:
    step = bx.capture(lambda a: a.mul_(2).add_(1))
    for _ in range(3):
        step(t)


def by_a_captured_closure(t: Any) -> None:
    step = bx.capture(lambda a: t.add_(a))
    for _ in range(3):
        step(bx.ones(4))


def by_a_captured_optimizer(t: Any) -> None:
    t.requires_grad_()
    optimizer = bx.optim.Adam([t], lr=0.1)

    def step(a: Any) -> Any:
        optimizer.zero_grad()
        loss = (t * a).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    captured = bx.capture(step)
    for _ in range(4):
        captured(bx.ones(4))
    t.requires_grad_(False)


def put(t: Any) -> None:
    t[1:3] = -1


def put_one(t: Any) -> None:
    t[0, 0] = -1


def put_mask(t: Any) -> None:
    t[t > 6] = -1


def put_list(t: Any) -> None:
    t[[0, 2]] = bx.ones(2, 4)


def add_to_itself(t: Any) -> None:
    t += t


def set_data(t: Any) -> None:
    t.data = t.data * 2
    t.data.add_(1)


def swap(t: Any) -> None:
    other = bx.zeros(4, 4)
    t.data, other.data = other.data, t.data
    other.fill_(3)
    t.fill_(5)


def accumulate(t: Any) -> None:
    w = bx.ones(4, 4, requires_grad=True)
    w.grad = t[:4]
    (w * 3).sum().backward()
    w.grad.mul_(2)


WRITES: list[Write] = [
    lambda t: t.add_(1),
    lambda t: t.mul_(t),
    lambda t: t.copy_(t.flip(0)),
    lambda t: t.zero_(),
    lambda t: t.fill_(2),
    lambda t: t.exp_(),
    lambda t: t.normal_(),
    lambda t: t.clamp_(1, 3),
    lambda t: t.index_add_(0, bx.tensor([0, 1]), bx.ones(2, 4)),
    lambda t: t.scatter_(0, bx.tensor([[1, 0, 1, 0]]), 9.0),
    lambda t: t.masked_fill_(t > 5, 0),
    lambda t: t.resize_(2, 2).fill_(7),
    lambda t: t.resize_(20, 4).fill_(7),
    lambda t: t.t().fill_(3),
    lambda t: t[1].fill_(3),
    lambda t: t.view(-1)[::2].mul_(3),
    lambda t: t.reshape(-1).mul_(3),
    lambda t: t.detach().add_(1),
    lambda t: t.data.add_(1),
    lambda t: bx.nn.Parameter(t, requires_grad=False).add_(1),
    lambda t: t.unbind()[0].zero_(),
    lambda t: t.split(2)[1].zero_(),
    lambda t: t.diagonal().fill_(-1),
    lambda t: t.as_strided((2,), (1,)).fill_(-1),
    lambda t: bx.nn.init.ones_(t),
    lambda t: bx.nn.functional.relu(t.sub_(3), inplace=True),
    through_numpy,
    through_the_buffer,
    through_dlpack,
    through_the_address,
    by_an_optimizer(lambda p: bx.optim.SGD(p, lr=0.1, momentum=0.9)),
    by_an_optimizer(lambda p: bx.optim.Adam(p, lr=0.1)),
    by_a_captured_step,
    by_a_captured_closure,
    by_a_captured_optimizer,
    put,
    put_one,
    put_mask,
    put_list,
    add_to_itself,
    set_data,
    swap,
    accumulate,
]


@pytest.mark.parametrize("target", ["batch", "first", "last", "dataset", "view", "alias"])
@pytest.mark.parametrize("write", WRITES)
def test_a_write_shows_where_it_would_with_copies(write: Write, target: str) -> None:
    def state(copied: bool) -> list[Any]:
        bx.manual_seed(0)
        x = dataset()
        named = {"dataset": x, "view": x[2:10], "alias": x.detach()}
        parts = [part.clone() for part in batches(x)] if copied else batches(x)
        named |= {"first": parts[0], "batch": parts[1], "last": parts[2], "again": parts[1][:]}
        write(named[target])
        return [t.tolist() for t in named.values()]

    assert state(copied=False) == state(copied=True)


def writers() -> list[Any]:
    """The registered operations that write their first argument, with each of their cases."""
    found = []
    for row, case, seed in cases([r for r in TABLE if r.name != "detach"]):
        for name in {row.name, row.name + "_"} & registered().keys():
            if name.endswith("_") and isinstance(case.args[0], Real) and case.args[0].shape:
                found.append(pytest.param(name, case, seed, id=f"{name}-{seed}"))
    return sorted(found, key=lambda param: str(param.id))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "case", "seed"), writers())
def test_an_operation_writes_one_side(name: str, case: Any, seed: str) -> None:
    args, kwargs = case.draw(seed)

    def run(t: Any) -> None:
        bx.manual_seed(5)
        with contextlib.suppress(RuntimeError, TypeError):  # what cannot be written in place
            operation(name)(t, *to_tensors(args)[1:], **to_tensors(kwargs))

    def state(copied: bool) -> list[Any]:
        whole = bx.tensor(np.stack([args[0]] * 4))
        parts = [whole[i].clone() if copied else whole[i]._lazy_clone() for i in range(3)]
        run(parts[1])
        run(whole[2])
        return [whole.numpy().tobytes(), *(part.numpy().tobytes() for part in parts)]

    assert state(copied=False) == state(copied=True)


def test_batches_in_order_take_no_memory() -> None:
    x, y = dataset(), bx.arange(12)
    made, shared = shares(lambda: [*DataLoader(TensorDataset(x, y), 5)])
    assert shared
    assert [len(part) for part, _ in made] == [5, 5, 2]
    assert bx.equal(bx.cat([part for part, _ in made]), x)
    assert bx.equal(bx.cat([part for _, part in made]), y)


@pytest.mark.parametrize(
    "known",
    [
        lambda x: x.numpy(),
        memoryview,
        lambda x: x.data_ptr(),
        lambda x: x.data,
        bx.nn.Parameter,
        lambda x: bx.capture(lambda a: a + 1)(x),
        lambda x: bx.utils.dlpack.to_dlpack(x),
    ],
)
def test_what_is_known_elsewhere_is_copied(known: Write) -> None:
    x = dataset()
    kept = known(x)
    made, shared = shares(lambda: batches(x))
    assert not shared
    del kept
    assert bx.equal(bx.cat(made), x)


def test_what_came_from_elsewhere_is_copied() -> None:
    array = np.ones((12, 4), np.float32)
    parts = batches(bx.from_numpy(array))
    array[:] = 2
    assert all(bx.equal(part, bx.ones(4, 4)) for part in parts)


def test_a_dataset_written_between_batches_is_copied_once() -> None:
    x = dataset()
    parts = batches(x)
    x.add_(1)
    after, shared = shares(lambda: batches(x))
    assert not shared
    assert bx.equal(bx.cat(parts) + 1, bx.cat(after))


def test_a_dataset_written_without_batches_stays() -> None:
    x = dataset()
    del batches(x)[:]
    before = in_use()
    x.add_(1)
    assert in_use() == before
    _, shared = shares(lambda: batches(x))
    assert shared


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_memory_is_freed_in_any_order(order: tuple[int, ...]) -> None:
    before = in_use()
    x = dataset(3000)
    first, second = batches(x, 1500)
    second.add_(1)
    held = [x, first, second]
    del x, first, second
    for i in order:
        held[i] = None
        for k, t in enumerate(held):
            if t is not None:
                assert t[0].tolist() == [[0, 1, 2, 3], [0, 1, 2, 3], [6001, 6002, 6003, 6004]][k]
    assert in_use() == before


def test_a_batch_of_a_batch() -> None:
    x = dataset()
    (batch,) = batches(x, 12)
    parts = batches(batch, 3)
    batch.zero_()
    x.fill_(1)
    assert bx.equal(bx.cat(parts), dataset())


def test_what_outlives_the_dataset_gives_its_memory_back_when_written() -> None:
    before = in_use()
    part = batches(dataset(3000), 3)[1]
    assert in_use() - before == 3000 * 16
    part.add_(0)
    assert in_use() - before == 3 * 16


@pytest.mark.parametrize("way", ["deepcopy", "pickle", "save", "clone"])
def test_a_batch_is_kept_without_its_dataset(way: str) -> None:
    part = batches(dataset(30_000), 3)[1]

    def saved() -> Any:
        stream = io.BytesIO()
        bx.save(part, stream)
        assert len(stream.getvalue()) < 2000
        stream.seek(0)
        return bx.load(stream)

    if way == "pickle":
        assert len(pickle.dumps(part)) < 2000
    ways: dict[str, Callable[[], Any]] = {
        "deepcopy": lambda: copy.deepcopy(part),
        "pickle": lambda: pickle.loads(pickle.dumps(part)),
        "save": saved,
        "clone": part.clone,
    }
    made = ways[way]()
    assert bx.equal(made, part)
    made.zero_()
    assert part[0].tolist() == [12, 13, 14, 15]


def test_saved_for_backward_the_batch_stays_as_it_was() -> None:
    x, w = dataset(), bx.ones(4, requires_grad=True)
    part = batches(x)[1]
    loss = (part * w).sum()
    x.zero_()  # another tensor's memory: the tape does not mind
    loss.backward()
    assert w.grad.tolist() == dataset()[4:8].sum(0).tolist()
    loss = (part * w).sum()
    part.zero_()
    with pytest.raises(RuntimeError, match="inplace"):
        loss.backward()


def test_a_captured_step_takes_batches_in_order() -> None:
    x, w = dataset(24), bx.ones(4)

    def step(a: Any, b: Any) -> Any:
        w.add_(a.sum(0))
        return (a * b).sum(), a - b

    captured, parts = bx.capture(step), batches(x)
    for a in parts:
        for b in parts:  # both from one memory, a itself among them
            if a is not b:
                loss, difference = captured(a, b)
                assert loss.item() == (a * b).sum().item()
                assert bx.equal(difference, a - b)
    assert bx.equal(x, dataset(24))


def test_a_captured_step_on_a_batch_and_its_dataset() -> None:
    x = dataset()
    first = batches(x)[0]  # begins where the dataset does
    total = bx.capture(lambda a: (a + x[:4]).sum())
    for part in (first, *batches(x)):
        assert total(part).item() == (part + x[:4]).sum().item()
    written = bx.capture(lambda a: x[:4].add_(a).sum())
    parts = batches(dataset(), 4)
    want = dataset()[:4]
    for part in parts:
        want += part
        assert written(part).item() == want.sum().item()
    assert bx.equal(x[:4], want)


def test_a_replay_that_writes_its_argument_writes_only_that() -> None:
    x = dataset(24)
    step = bx.capture(lambda a, b: a.mul_(2).add_(b))
    parts = batches(x)
    for a, b in zip(parts[::2], parts[1::2], strict=True):
        want = a * 2 + b
        assert bx.equal(step(a, b), want)
        assert bx.equal(a, want)
    assert bx.equal(x, dataset(24))
    assert bx.equal(parts[1], dataset(24)[4:8])


def test_batches_drawn_in_a_captured_step_are_read_anew() -> None:
    x = dataset()
    step = bx.capture(lambda a: sum(part.sum() for part in batches(x)) + a)
    for k in range(3):
        assert step(bx.tensor(0.0)).item() == dataset().sum().item() + 48 * k
        x.add_(1)


def test_gradients_flow_into_a_dataset_as_into_its_slices() -> None:
    x = dataset().requires_grad_()
    (batches(x)[1] * 3).sum().backward()
    assert x.grad.sum(1).tolist() == [0.0] * 4 + [12.0] * 4 + [0.0] * 4
    with bx.no_grad():
        part = batches(x)[0]
        x.zero_()
    assert bx.equal(part, dataset()[:4])


def test_threads_that_read_what_another_leaves() -> None:
    """Kernels that run beside a write read what was there before it."""
    x = bx.ones(1 << 12, 64)
    wrong: list[float] = []
    stop = threading.Event()

    def read(part: Any) -> None:
        while not stop.is_set():
            total = (part * 2).sum().item()
            if total != 2 * part.numel():
                wrong.append(total)

    for _ in range(10):
        parts = batches(x, 1 << 11)
        stop.clear()
        threads = [threading.Thread(target=read, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        x.add_(1)
        x.numpy()
        parts[0].numpy()
        del parts
        x = bx.ones(1 << 12, 64)
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_threads_that_load_one_dataset() -> None:
    x = dataset(400)
    sums: list[float] = []

    def load() -> None:
        for _ in range(5):
            for k, part in enumerate(batches(x, 40)):
                if k % 2:
                    part.mul_(2)
                sums.append(part.sum().item() / (1 + k % 2))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sums) == 20 * dataset(400).sum().item()
    assert bx.equal(x, dataset(400))
