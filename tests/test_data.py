"""Datasets, samplers and the DataLoader, the orders of seeds as PyTorch gives them."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    get_worker_info,
    random_split,
)


class Squares(Dataset[Any]):
    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        if not 0 <= i < self.n:
            raise IndexError(i)
        return bx.tensor(float(i)), i * i


class Stream(IterableDataset[Any]):
    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Any:
        info = get_worker_info()
        start, step = (info.id, info.num_workers) if info else (0, 1)
        return iter(range(start, self.n, step))


def pairs(n: int) -> TensorDataset:
    return TensorDataset(bx.arange(3.0 * n).reshape(n, 3), bx.arange(n))


def labels(loader: Any) -> list[Any]:
    return [batch[1].tolist() for batch in loader]


def all_orders(torch: Any, data: Any) -> list[Any]:
    """Every source of random order, as lists: the same script for both libraries."""

    def generator() -> Any:
        return torch.Generator().manual_seed(3)

    n = 11
    tensors = data.TensorDataset(torch.arange(3.0 * n).reshape(n, 3), torch.arange(n))
    fractions = data.random_split(tensors, [0.5, 0.3, 0.2], generator())
    loaders = [
        data.DataLoader(tensors, 4, shuffle=True),
        data.DataLoader(tensors, 4, shuffle=True, drop_last=True),
        data.DataLoader(tensors, 4, shuffle=True, generator=generator()),
        data.DataLoader(tensors, 11, shuffle=True, generator=generator()),
        data.DataLoader(tensors, 4, sampler=data.RandomSampler(tensors, True, 40)),
        data.DataLoader(tensors, 4, sampler=data.RandomSampler(tensors, num_samples=30)),
        data.DataLoader(
            tensors, 5, sampler=data.RandomSampler(tensors, True, 70, generator=generator())
        ),
        data.DataLoader(tensors, 4, sampler=data.SubsetRandomSampler([9, 1, 5, 3, 7])),
        data.DataLoader(fractions[1], 2, shuffle=True),
        data.DataLoader(data.random_split(tensors, [8, 3], generator())[0], 3),
        data.DataLoader(
            tensors, batch_sampler=data.BatchSampler(data.RandomSampler(tensors), 3, True)
        ),
    ]
    for rank in range(3):
        for drop_last in (False, True):
            share = data.DistributedSampler(tensors, 3, rank, seed=2, drop_last=drop_last)
            share.set_epoch(4)
            loaders.append(data.DataLoader(tensors, 2, sampler=share))
    loaders.append(data.DataLoader(tensors, sampler=data.DistributedSampler(tensors, 30, 29)))
    if hasattr(bx, "multinomial"):
        weights = [float(i % 4) for i in range(n)]
        loaders.append(data.DataLoader(tensors, 4, sampler=data.WeightedRandomSampler(weights, 9)))
    torch.manual_seed(7)
    seen = []
    for loader in loaders:
        seen.append([labels(loader), labels(loader), torch.rand(1).item()])
    return seen


def test_orders_are_torchs() -> None:
    torch = pytest.importorskip("torch")
    assert all_orders(bx, bx.utils.data) == all_orders(torch, torch.utils.data)


def test_order_of_a_seed() -> None:
    bx.manual_seed(7)
    loader = DataLoader(pairs(6), 4, shuffle=True)
    assert [labels(loader), labels(loader)] == [[[5, 1, 3, 0], [4, 2]], [[5, 3, 0, 2], [4, 1]]]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
def test_whole_batches_are_what_samples_give(shuffle: bool, drop_last: bool) -> None:
    whole = Subset(pairs(23), [*range(20, 1, -1)])

    def batches(collate: Any) -> Any:
        bx.manual_seed(1)
        loader = DataLoader(whole, 4, shuffle, drop_last=drop_last, collate_fn=collate)
        return [[t.tolist() for t in batch] for batch in loader]

    assert batches(None) == batches(lambda samples: default_collate(samples))
    assert type(next(iter(DataLoader(whole, 4)))) is list


def test_batches_are_copies_and_carry_gradients() -> None:
    x = bx.ones(4, 2, requires_grad=True)
    (batch,) = next(iter(DataLoader(TensorDataset(x), 2)))
    (batch * 3).sum().backward()
    assert x.grad.tolist() == [[3.0, 3.0], [3.0, 3.0], [0.0, 0.0], [0.0, 0.0]]
    y = bx.ones(4)
    for (batch,) in DataLoader(TensorDataset(y), 2):
        batch.zero_()
    assert y.tolist() == [1.0] * 4


def test_a_subclass_that_changes_samples_is_asked_for_them() -> None:
    class Doubled(TensorDataset):
        def __getitem__(self, index: Any) -> Any:
            return tuple(2 * t for t in super().__getitem__(index))

    assert labels(DataLoader(Doubled(bx.ones(3), bx.arange(3)), 2)) == [[0, 2], [4]]


def test_an_index_out_of_range_is_an_index_error() -> None:
    for dataset in (pairs(3), Squares(3), Subset(pairs(3), [5])):
        with pytest.raises(IndexError):
            list(DataLoader(dataset, batch_sampler=[[0, 5]]))


def test_datasets() -> None:
    both = ConcatDataset([Squares(2), Squares(3)])
    assert [both[i][1] for i in range(-5, 5)] == [0, 1, 0, 1, 4] * 2
    assert len(Squares(2) + Squares(3)) == 5
    with pytest.raises(ValueError, match=r"\[ConcatDataset\] index -6"):
        both[-6]
    with pytest.raises(AssertionError, match="no datasets"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="ChainDataset"):
        ConcatDataset([Stream(2)])
    assert list(ChainDataset([Stream(2), Stream(3)])) == [0, 1, 0, 1, 2]
    assert list(Stream(2) + Stream(1)) == [0, 1, 0]
    with pytest.raises(AssertionError, match="ConcatDataset"):
        list(ChainDataset([Squares(2)]))
    assert StackDataset(range(3), "abc")[1] == (1, "b")
    named = StackDataset(x=range(3), y=Subset(range(9), [2, 4, 6]))
    assert named[2] == {"x": 2, "y": 6}
    assert next(iter(DataLoader(named, 2)))["y"].tolist() == [2, 4]
    for arguments in (((), {}), ((range(3), range(2)), {}), ((range(3),), {"x": range(3)})):
        with pytest.raises(ValueError, match=r"\[StackDataset\]"):
            StackDataset(*arguments[0], **arguments[1])
    with pytest.raises(AssertionError, match=r"\[TensorDataset\].*\[2, 3\]"):
        TensorDataset(bx.ones(2), bx.ones(3))
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset()[0]

    class Half(Subset[Any]):
        def __getitem__(self, index: Any) -> Any:
            return self.dataset[index // 2]

    with pytest.raises(NotImplementedError, match="__getitems__"):
        Half(Squares(2), [0])


def test_random_split() -> None:
    parts = random_split(range(10), [0.33, 0.33, 0.34])
    assert [len(part) for part in parts] == [4, 3, 3]
    assert sorted(i for part in parts for i in part) == list(range(10))
    with pytest.raises(ValueError, match=r"sum to 9, the dataset has 10"):
        random_split(range(10), [4, 5])
    with pytest.raises(ValueError, match=r"fraction 0 is -0\.5"):
        random_split(range(10), [-0.5, 1.5])
    with pytest.warns(UserWarning, match="split 1 has length 0"):
        random_split(range(1), [0.5, 0.5])


def test_samplers() -> None:
    assert list(SequentialSampler(range(3))) == [0, 1, 2]
    assert sorted(RandomSampler(range(5))) == [0, 1, 2, 3, 4]
    assert len(list(RandomSampler(range(5), True, 77))) == 77
    assert len(list(RandomSampler(range(5), num_samples=13))) == 13
    assert sorted(SubsetRandomSampler([4, 2])) == [2, 4]
    batches = BatchSampler(range(7), 3, False)
    assert list(batches) == [[0, 1, 2], [3, 4, 5], [6]]
    assert len(batches) == 3
    assert list(BatchSampler(range(7), 3, True)) == [[0, 1, 2], [3, 4, 5]]
    assert len(BatchSampler(range(7), 3, True)) == 2
    for make, error in [
        (lambda: RandomSampler([]), ValueError),
        (lambda: RandomSampler([1], num_samples=0), ValueError),
        (lambda: RandomSampler([1], replacement=1), TypeError),  # type: ignore[arg-type]
        (lambda: WeightedRandomSampler([1.0], 0), ValueError),
        (lambda: WeightedRandomSampler([[1.0]], 1), ValueError),  # type: ignore[list-item]
        (lambda: BatchSampler([], 0, False), ValueError),
        (lambda: BatchSampler([], True, False), ValueError),
        (lambda: BatchSampler([], 1, 0), ValueError),  # type: ignore[arg-type]
        (lambda: DistributedSampler([1], 2, 2), ValueError),
        (lambda: DistributedSampler([1], 2), ValueError),
    ]:
        with pytest.raises(error, match=r"^\[\w+Sampler\]"):
            make()
    with pytest.raises(NotImplementedError):
        iter(Sampler())


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_workers": -1},
        {"timeout": -1},
        {"prefetch_factor": 2},
        {"persistent_workers": True},
        {"shuffle": True, "sampler": [0]},
        {"batch_sampler": [[0]], "batch_size": 2},
        {"batch_size": None, "drop_last": True},
        {"batch_size": 0},
    ],
)
def test_arguments_that_exclude_one_another(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"^\[(DataLoader|BatchSampler)\]"):
        DataLoader(Squares(3), **arguments)


def test_stream_takes_no_order() -> None:
    for arguments in ({"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}):
        with pytest.raises(ValueError, match="IterableDataset"):
            DataLoader(Stream(3), **arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch_size cannot be set"):
        DataLoader(Squares(3)).batch_size = 2


def test_collate() -> None:
    Point = namedtuple("Point", "x y")
    sample = {"t": bx.ones(2), "p": Point(1, 2.5), "s": "a", "b": True, "a": np.ones(2, np.int32)}
    batch = default_collate([sample, sample])
    assert tuple(batch["t"].shape) == (2, 2)
    assert batch["p"].y.dtype == bx.float64
    assert batch["p"].x.tolist() == [1, 1]
    assert batch["s"] == ["a", "a"]
    assert batch["b"].dtype == bx.bool
    assert batch["a"].dtype == bx.int32
    assert default_collate([(1, [2]), (3, [4])])[1][0].tolist() == [2, 4]
    assert type(default_collate([OrderedDict(a=1)])) is OrderedDict
    assert default_collate([np.float64(1), np.float64(2)]).dtype == bx.float64
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([[1, 2], [1]])
    with pytest.raises(TypeError, match=r"NoneType.*collate_fn"):
        default_collate([None])
    with pytest.raises(TypeError, match="arrays of <U1"):
        default_collate([np.array(["a"])])
    with pytest.raises(RuntimeError):
        default_collate([bx.ones(2), bx.ones(3)])
    converted = default_convert({"a": np.ones(2), "b": [np.float32(1), "c"], "n": Point(1, 2)})
    assert converted["a"].tolist() == [1.0, 1.0]
    assert converted["b"][0].item() == 1.0
    assert converted["n"] == Point(1, 2)


def test_without_batches() -> None:
    assert [i for _, i in DataLoader(Squares(3), batch_size=None)] == [0, 1, 4]
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]
    assert len(DataLoader(Squares(3), batch_size=None)) == 3


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_give_the_same_batches(workers: int) -> None:
    for dataset in (Squares(10), pairs(10)):
        for arguments in ({}, {"persistent_workers": True}, {"prefetch_factor": 1}):
            loader = DataLoader(dataset, 4, num_workers=workers, **arguments)  # type: ignore[arg-type]
            alone = DataLoader(dataset, 4)
            for _ in range(2):
                assert labels(loader) == labels(alone)
            next(iter(loader))  # left early
            assert labels(loader) == labels(alone)


def test_workers_share_a_stream() -> None:
    loader = DataLoader(Stream(11), 2, num_workers=3)
    batches = [batch.tolist() for batch in loader]
    assert batches[:3] == [[0, 3], [1, 4], [2, 5]]
    assert sorted(i for batch in batches for i in batch) == list(range(11))
    assert [b.tolist() for b in DataLoader(Stream(5), 2)] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in DataLoader(Stream(5), 2, drop_last=True)] == [[0, 1], [2, 3]]


def test_a_worker_knows_itself_and_has_its_own_numbers() -> None:
    class Noise(Dataset[Any]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, i: int) -> Any:
            info = get_worker_info()
            assert info is not None
            assert info.num_workers == 2
            assert info.seed == bx.initial_seed()
            assert info.dataset is not dataset
            return info.id, bx.rand(1)

    dataset, started = Noise(), []
    loader = DataLoader(dataset, 1, num_workers=2, worker_init_fn=started.append)
    bx.manual_seed(0)
    first = [(i.item(), r.item()) for i, r in loader]
    after = bx.rand(1).item()
    bx.manual_seed(0)
    assert [(i.item(), r.item()) for i, r in loader] == first
    assert bx.rand(1).item() == after
    assert [i for i, _ in first] == [0, 1, 0, 1]
    assert sorted(started) == [0, 0, 1, 1]
    assert get_worker_info() is None


def test_a_workers_error_reaches_the_loop_and_threads_end() -> None:
    class Bad(Squares):
        def __getitem__(self, i: int) -> Any:
            if i == 2:
                raise KeyError("lost")
            return super().__getitem__(i)

    before = threading.active_count()
    for workers in (0, 2):
        with pytest.raises(KeyError, match="lost"):
            list(DataLoader(Bad(4), num_workers=workers))

    def fail(worker: int) -> None:
        raise OSError(f"worker {worker}")

    with pytest.raises(OSError, match="worker 0"):
        list(DataLoader(Squares(4), num_workers=1, worker_init_fn=fail))
    list(DataLoader(Squares(4), num_workers=2))
    for _ in range(200):
        if threading.active_count() <= before:
            break
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_timeout() -> None:
    gate = threading.Event()

    class Slow(Squares):
        def __getitem__(self, i: int) -> Any:
            gate.wait(10)
            return super().__getitem__(i)

    with pytest.raises(RuntimeError, match=r"\[DataLoader\] timed out after 0.01 seconds"):
        next(iter(DataLoader(Slow(4), num_workers=1, timeout=0.01)))
    gate.set()


def test_lengths() -> None:
    assert [len(DataLoader(pairs(10), 4, drop_last=d)) for d in (False, True)] == [3, 2]

    class Told(Stream):
        def __len__(self) -> int:
            return 3

    loader = DataLoader(Told(5), 2)
    assert len(loader) == 2
    with pytest.raises(TypeError):
        len(DataLoader(Stream(3)))
    many = DataLoader(Told(8), 1)
    len(many)
    with pytest.warns(UserWarning, match="says that it has 3 samples"):
        list(many)


def test_generator_survives_copies() -> None:
    import copy
    import pickle

    g = bx.Generator().manual_seed(5)
    bx.randn(3, generator=g)
    for again in (pickle.loads(pickle.dumps(g)), copy.deepcopy(g)):
        h = bx.Generator()
        h.set_state(g.get_state())
        assert bx.randn(20, generator=again).tolist() == bx.randn(20, generator=h).tolist()


def test_a_context_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="zz"):
        DataLoader([1, 2], num_workers=1, multiprocessing_context="zz")
