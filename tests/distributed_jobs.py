"""What the processes of test_distributed.py do: functions of a rank, spawned."""

from __future__ import annotations

import copy
import os
import sys
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import distributed as dist
from backprop_ext import nn
from backprop_ext.distributed.nn.functional import all_gather, all_reduce
from backprop_ext.nn.parallel import DistributedDataParallel as DDP  # noqa: N817

R = dist.ReduceOp


def start(rank: int, size: int, path: str, seconds: float = 60) -> None:
    dist.init_process_group(
        "gloo", f"file://{path}", timedelta(seconds=seconds), rank=rank, world_size=size
    )


def given(rank: int, n: int, dtype: Any) -> Any:
    return (bx.arange(n) % 5 + rank).to(dtype)


def reduces(rank: int, size: int, path: str) -> None:
    """all_reduce is NumPy's, for each type, small and large, dense and not."""
    start(rank, size, path)
    numpy_of = {R.SUM: np.sum, R.PRODUCT: np.prod, R.MIN: np.min, R.MAX: np.max}
    numpy_of[R.AVG] = np.mean
    for dtype in (bx.float32, bx.float64, bx.float16, bx.int64, bx.int32, bx.uint8, bx.complex64):
        for op, by_numpy in numpy_of.items():
            if op not in (R.SUM, R.AVG) and dtype.is_complex:
                continue
            if op is R.AVG and not (dtype.is_floating_point or dtype.is_complex):
                continue
            for n in (5, 40000):
                t = given(rank, n, dtype)
                dist.all_reduce(t, op)
                all_ = np.stack([given(r, n, dtype).numpy() for r in range(size)])
                np.testing.assert_allclose(t.numpy(), by_numpy(all_, axis=0), rtol=1e-3)
    flags = bx.tensor([rank == 0, True])
    dist.all_reduce(flags, R.BAND)
    assert flags.tolist() == [False, True]
    base = bx.arange(6.0).reshape(2, 3) + rank
    dist.all_reduce(base.t())
    assert base.tolist() == (bx.arange(6.0).reshape(2, 3) * size + sum(range(size))).tolist()
    bx.manual_seed(rank)
    t = bx.randn(50_001)
    dist.all_reduce(t)
    every: list[Any] = [None] * size
    dist.all_gather_object(every, t.numpy().tobytes())
    assert len({*every}) == 1  # the same bits
    for op, dtype, error in (
        (R.BAND, bx.float32, RuntimeError),
        (R.MAX, bx.complex64, ValueError),
        (R.AVG, bx.int64, RuntimeError),
        ("sum", bx.float32, TypeError),
    ):
        with pytest.raises(error, match="all_reduce"):
            dist.all_reduce(bx.ones(2).to(dtype), op)


def moves(rank: int, size: int, path: str) -> None:
    """What goes from process to process."""
    start(rank, size, path)
    own, ranks = bx.full((2,), float(rank)), [[float(r)] * 2 for r in range(size)]
    t = own.clone()
    dist.broadcast(t, src=1)
    assert t.tolist() == ranks[1]
    got = [bx.zeros(2) for _ in range(size)]
    dist.all_gather(got, own)
    assert [g.tolist() for g in got] == ranks
    whole = bx.zeros(size, 2)
    dist.all_gather_into_tensor(whole, own)
    assert whole.tolist() == ranks
    dist.gather(own, got if rank == 0 else None, dst=0)
    dist.scatter(t, [g * 3 for g in got] if rank == 0 else None, src=0)
    assert (t / 3).tolist() == ranks[rank]
    dist.reduce_scatter(t, [own + r for r in range(size)])
    assert t.tolist() == [sum(range(size)) + size * rank] * 2
    dist.reduce_scatter_tensor(t, bx.ones(2 * size))
    assert t.tolist() == [size] * 2
    out = bx.zeros(size)
    dist.all_to_all_single(out, bx.arange(float(size)) + 10 * rank)
    assert out.tolist() == [10 * r + rank for r in range(size)]
    t = own.clone()
    dist.reduce(t, dst=1)
    assert t.tolist() == [sum(range(size)) if rank == 1 else rank] * 2
    nxt, last = (rank + 1) % size, (rank - 1) % size
    works = dist.batch_isend_irecv(
        [dist.P2POp(dist.isend, own, nxt), dist.P2POp(dist.irecv, t, last)]
    )
    assert all(work.wait() for work in works)
    assert t.tolist() == ranks[last]
    large = bx.zeros(300_000)
    received = dist.irecv(large, last, tag=7)
    dist.send(bx.full((300_000,), float(rank)), nxt, tag=7)
    received.wait()
    assert (received.source_rank(), large[-1].item()) == (last, last)
    dist.barrier()
    if rank == 1:
        dist.send(own, 0)
    elif rank == 0:
        assert dist.recv(t) == 1  # from any
    work = dist.all_reduce(own, async_op=True)
    assert work.get_future().wait()[0] is own
    assert work.is_success()
    objects = [rank, {"t": bx.ones(2) * rank}]
    dist.broadcast_object_list(objects, src=1)
    assert (objects[0], objects[1]["t"].tolist()) == (1, [1.0, 1.0])
    one: list[Any] = [None]
    dist.scatter_object_list(one, [str(r) for r in range(size)] if rank == 0 else None, src=0)
    assert one == [str(rank)]
    pair = dist.new_group([0, 1])
    t = bx.ones(1)
    if rank < 2:
        dist.all_reduce(t, group=pair)
        assert (t.item(), dist.get_rank(pair), dist.get_world_size(pair)) == (2, rank, 2)
    else:
        with pytest.warns(UserWarning, match="not in the group"):
            dist.all_reduce(t, group=pair)
        assert dist.get_rank(pair) == -1
    dist.monitored_barrier()
    dist.destroy_process_group()
    assert not dist.is_initialized()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 8), nn.Linear(8, 1), nn.Linear(8, 1)

    def forward(self, x: Any, c: bool = False) -> Any:
        return (self.c if c else self.b)(self.a(x).tanh())


def trains(rank: int, size: int, path: str) -> None:
    """The mean of the processes' gradients is the gradient of the whole batch."""
    start(rank, size, path)
    bx.manual_seed(0)
    alone, x = Net(), bx.randn(6 * size, 4)
    alone(x).square().mean().backward()
    for options in (
        {"find_unused_parameters": True},
        {"static_graph": True, "bucket_cap_mb": 1e-5},
    ):
        net = Net()  # of other numbers in each process
        if rank == 0:
            net.load_state_dict(alone.state_dict())
        else:
            bx.manual_seed(rank + 1)
            net = Net()
        ddp = DDP(net, **options)
        assert [*ddp.state_dict()] == [f"module.{name}" for name in alone.state_dict()]
        mine = x[6 * rank : 6 * rank + 6]
        ddp(mine).square().mean().backward()
        for p, q in zip(net.parameters(), alone.parameters(), strict=True):
            if q.grad is None:
                assert p.grad is None
            else:
                bx.testing.assert_close(p.grad, q.grad)
        ddp.zero_grad()
        with ddp.no_sync():
            ddp(mine * rank).square().mean().backward()
        ddp(mine, c=rank == 1).square().mean().backward()
        assert net.c.bias.grad is not None  # used in rank 1
        every: list[Any] = [None] * size
        dist.all_gather_object(every, [p.grad.numpy().tobytes() for p in net.parameters()])
        assert all(one == every[0] for one in every)
    ddp = DDP(net := Net())
    ddp(x).sum().backward()
    with pytest.raises(RuntimeError, match="2 of 6 parameters"):
        ddp(x)
    with pytest.raises(RuntimeError, match="DistributedDataParallel"):
        DDP(nn.Linear(2 + rank, 1))
    with pytest.raises(RuntimeError, match="no parameter"):
        DDP(nn.ReLU())
    twin = copy.deepcopy(DDP(net, find_unused_parameters=True))
    twin(x).sum().backward()
    assert twin.module.a.weight.grad is not net.a.weight.grad
    hooked = DDP(nn.Linear(2, 1, bias=False))
    hooked.register_comm_hook(3, lambda state, b: done(b.buffer() * 0 + state + b.index()))
    hooked(bx.ones(1, 2)).sum().backward()
    assert hooked.module.weight.grad.tolist() == [[3.0, 3.0]]


def done(value: Any) -> Any:
    future = bx.futures.Future()
    future.set_result(value)
    return future


def norms(rank: int, size: int, path: str) -> None:
    """SyncBatchNorm has the moments and gradients of the whole batch; gradients go through."""
    start(rank, size, path)
    bx.manual_seed(0)
    x = bx.randn(4 * size, 3, 2)
    alone, here = nn.BatchNorm1d(3), nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm1d(3))
    whole = x.clone().requires_grad_()
    mine = x[4 * rank : 4 * rank + 4].clone().requires_grad_()
    y, z = alone(whole), here(mine)
    bx.testing.assert_close(z, y[4 * rank : 4 * rank + 4])
    y.pow(3).sum().backward()
    z.pow(3).sum().backward()
    bx.testing.assert_close(mine.grad, whole.grad[4 * rank : 4 * rank + 4], rtol=1e-4, atol=1e-5)
    for name, value in alone.named_buffers():
        bx.testing.assert_close(getattr(here, name), value)
    t = bx.ones(2, requires_grad=True)
    (all_reduce(t) * (rank + 1)).sum().backward()
    assert t.grad.tolist() == [sum(range(size + 1))] * 2
    t = bx.ones(2, requires_grad=True)
    (bx.stack(all_gather(t))[rank] * 2).sum().backward()
    assert t.grad.tolist() == [2.0, 2.0]
    assert len(bx.utils.data.DistributedSampler(range(10))) == -(-10 // size)
    half = bx.distributed.optim.ZeroRedundancyOptimizer([t], bx.optim.SGD, lr=0.5)
    half.step()
    assert t.tolist() == [0.0, 0.0]


def dies(rank: int, size: int, path: str) -> None:
    """Who waits for a process that has gone is told so."""
    start(rank, size, path)
    if rank == 1:
        os._exit(0)
    with pytest.raises(dist.DistBackendError, match=r"\[all_reduce\].* gone"):
        reduce_often()


def reduce_often() -> None:
    for _ in range(3):  # what is sent first may still leave
        dist.all_reduce(bx.ones(2))


def differs(rank: int, size: int, path: str) -> None:
    """Other shapes, types or calls are told, and nobody waits longer than the timeout."""
    start(rank, size, path, 2)
    for mine in (bx.ones(2 + rank), bx.ones(2, dtype=bx.int64 if rank else bx.float64)):
        with pytest.raises(dist.DistBackendError, match="all have to call the same"):
            dist.all_reduce(mine)
    dist.barrier()
    if rank == 0:
        with pytest.raises(dist.DistBackendError, match=r"nothing from ranks \[1\] within 2 s"):
            dist.recv(bx.ones(1), 1)
        with pytest.raises(RuntimeError, match=r"ranks \[1\] did not come within 0.1 s"):
            dist.monitored_barrier(timeout=timedelta(seconds=0.1))
        with pytest.raises(ValueError, match="itself"):
            dist.send(bx.ones(1), 0)
    else:
        __import__("time").sleep(3)


def by_name(rank: int, name: str, size: int, path: str) -> None:
    getattr(sys.modules[__name__], name)(rank, size, path)
