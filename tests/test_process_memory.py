"""Tensor.share_memory_: processes that are forked, spawned or at the end of a queue write the same
memory."""

from __future__ import annotations

import copy
import gc
import os
import pickle
from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext import multiprocessing, nn


def train(model: nn.Module, optimizer: Any, row: bx.Tensor, rank: int) -> None:
    """A step of a worker: the gradients of its own copy, for the parameters of all."""
    own = copy.deepcopy(model)
    own(bx.ones(1, 3)).sum().backward()
    for shared, parameter in zip(model.parameters(), own.parameters(), strict=True):
        shared._grad = parameter.grad
    optimizer.step()
    row[rank] = rank + 1


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_train_one_model(method: str) -> None:
    context = multiprocessing.get_context(method)
    model = nn.Linear(3, 2).share_memory()
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = bx.optim.SGD(model.parameters(), lr=0.5)
    rows = bx.zeros(2, 3).share_memory_()
    for rank in range(2):
        worker = context.Process(target=train, args=(model, optimizer, rows[1], rank))
        worker.start()
        worker.join()
        assert worker.exitcode == 0
    for old, new in zip(before, model.parameters(), strict=True):
        assert new.is_shared()
        assert bx.allclose(new, old - 1, atol=1e-6)
    assert rows.tolist() == [[0, 0, 0], [1, 2, 0]]


def write(queue: Any, done: Any) -> None:
    queue.get().add_(1)
    done.put(True)


def test_a_queue_sends_the_memory_itself() -> None:
    context = multiprocessing.get_context("fork")
    queue, done = context.SimpleQueue(), context.SimpleQueue()
    worker = context.Process(target=write, args=(queue, done))
    worker.start()
    values = bx.arange(6).view(2, 3).share_memory_()
    queue.put(values.t())
    assert done.get()
    worker.join()
    assert values.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_what_is_shared() -> None:
    x = bx.tensor([1.0, 2.0], requires_grad=True)
    assert not x.is_shared()
    assert x.share_memory_() is x
    assert x.is_shared()
    assert x.is_leaf
    assert x.requires_grad
    assert x.tolist() == [1, 2]
    assert x[1:].is_shared()
    assert x.detach().is_shared()
    for other in (x.clone(), x + 0, copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert not other.is_shared()
        assert other.tolist() == [1, 2]
    at = x.data_ptr()
    assert x.share_memory_().data_ptr() == at
    assert bx.ones(0, 3).share_memory_().shape == (0, 3)
    assert bx.tensor(True).share_memory_().item() is True


def test_files_are_closed_with_their_tensors() -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    kept = bx.ones(1000).share_memory_()[3:]
    assert len(os.listdir("/proc/self/fd")) > before
    del kept
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
