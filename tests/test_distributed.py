"""torch.distributed: stores, collectives, DistributedDataParallel, spawn and the launcher."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import distributed_jobs as jobs
import pytest

import backprop_ext as bx
from backprop_ext import distributed as dist
from backprop_ext import multiprocessing as mp


@pytest.mark.parametrize(
    ("job", "size"),
    [
        ("reduces", 3),
        ("moves", 2),
        ("moves", 3),
        ("trains", 2),
        ("trains", 3),
        ("norms", 2),
        ("dies", 2),
        ("differs", 2),
    ],
)
def test_processes(job: str, size: int, tmp_path: Path) -> None:
    mp.spawn(jobs.by_name, (job, size, str(tmp_path / "store")), nprocs=size)


@pytest.fixture
def alone() -> Any:
    dist.init_process_group(store=dist.HashStore(), rank=0, world_size=1)
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


def test_one_process_is_a_group(alone: None) -> None:
    t = bx.ones(2, requires_grad=True)
    for op in (dist.ReduceOp.SUM, dist.ReduceOp.AVG, dist.ReduceOp.MAX):
        dist.all_reduce(t, op)
    assert t.tolist() == [1.0, 1.0]
    assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (0, 1, "gloo")
    with pytest.raises(ValueError, match="there is a group already"):
        dist.init_process_group("gloo")
    for call, error in (
        (lambda: dist.broadcast(t, 5), RuntimeError),
        (lambda: dist.broadcast(t), ValueError),
        (lambda: dist.all_gather([bx.ones(3)], t), RuntimeError),
        (lambda: dist.all_gather([bx.ones(2).int()], t), ValueError),
        (lambda: dist.all_gather(t, t), TypeError),
        (lambda: dist.all_reduce([1.0]), TypeError),
        (lambda: dist.gather(t), ValueError),
        (lambda: dist.scatter(t), ValueError),
        (lambda: dist.all_to_all_single(t, bx.ones(2), [2], [1]), RuntimeError),
        (lambda: dist.all_reduce(t.detach().to_sparse()), RuntimeError),
        (lambda: dist.new_group([0, 0]), ValueError),
        (lambda: dist.new_group([3]), ValueError),
        (lambda: dist.isend(t, 0), RuntimeError),
        (lambda: dist.P2POp(dist.send, t, 0), ValueError),
    ):
        with pytest.raises(error, match=r"^\["):
            call()
    with pytest.raises(RuntimeError, match=r"\[all_reduce\].*outside"):
        bx.capture(lambda x: dist.all_reduce(x))(bx.ones(2))


def test_before_there_is_a_group() -> None:
    for call in (dist.get_rank, dist.barrier, lambda: dist.all_reduce(bx.ones(1))):
        with pytest.raises(ValueError, match="call init_process_group"):
            call()
    with pytest.raises(AssertionError, match="destroy_process_group"):
        dist.destroy_process_group()
    with pytest.raises(ValueError, match="there is no group"):
        bx.nn.parallel.DistributedDataParallel(bx.nn.Linear(1, 1))
    for options, error in (
        ({"backend": "nccl"}, RuntimeError),
        ({"backend": "bogus"}, ValueError),
        ({"init_method": "bogus://x"}, RuntimeError),
        ({"init_method": "tcp://127.0.0.1:1"}, ValueError),
        ({"timeout": 3}, TypeError),
        ({"store": dist.HashStore()}, AssertionError),
    ):
        with pytest.raises(error, match=r"^\[init_process_group\]"):
            dist.init_process_group(**options)
    assert dist.is_available()
    assert not dist.is_nccl_available()


@pytest.mark.parametrize("kind", ["hash", "file", "tcp"])
def test_stores(kind: str, tmp_path: Path) -> None:
    store: Any = {
        "hash": dist.HashStore,
        "file": lambda: dist.FileStore(str(tmp_path / "store")),
        "tcp": lambda: dist.TCPStore("127.0.0.1", 0, 1, True),
    }[kind]()
    for each in (store, dist.PrefixStore("p", store)):
        each.set("a", b"\xff\n")
        assert (each.get("a"), each.add("n", 2), each.add("n", -3)) == (b"\xff\n", 2, -1)
        assert (each.check(["a"]), each.check(["a", "b"])) == (True, False)
        assert (each.compare_set("q", "", "1"), each.compare_set("q", "9", "2")) == (b"1", b"1")
        assert each.compare_set("q", "1", "2") == b"2"
        assert (each.delete_key("a"), each.delete_key("a")) == (True, False)
        each.set_timeout(timedelta(seconds=0.1))
        with pytest.raises(dist.DistStoreError, match=r"\[get\].* within 0.1 s"):
            each.get("never")
    assert store.num_keys() >= 4


def test_nobody_listens() -> None:
    with pytest.raises(dist.DistNetworkError, match="rank 0"):
        dist.TCPStore("127.0.0.1", 1, 2, False, timedelta(seconds=0.2))
    master = dist.TCPStore("127.0.0.1", 0, 1, True)
    with pytest.raises(dist.DistNetworkError, match="take another"):
        dist.TCPStore("127.0.0.1", master.port, 1, True)


def fails(rank: int, how: str) -> None:
    if rank == 0:
        __import__("time").sleep(60)
    if how == "raise":
        raise ValueError("no such thing")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(7)


def test_spawn_tells_which_process_failed_and_ends_the_others() -> None:
    with pytest.raises(mp.ProcessRaisedException, match="ValueError: no such thing") as raised:
        mp.spawn(fails, ("raise",), nprocs=2)
    assert raised.value.error_index == 1
    with pytest.raises(mp.ProcessExitedException, match="SIGKILL") as killed:
        mp.spawn(fails, ("kill",), nprocs=2)
    assert (killed.value.exit_code, killed.value.signal_name) == (-9, "SIGKILL")
    with pytest.raises(mp.ProcessExitedException, match="exit code 7"):
        mp.start_processes(fails, ("exit",), 2, start_method="fork")
    context = mp.spawn(abs, nprocs=2, join=False)
    assert len(context.pids()) == 2
    while not context.join():
        pass


SCRIPT = """
import os, sys
import backprop_ext as torch, backprop_ext.distributed as dist
from backprop_ext.distributed.elastic.multiprocessing.errors import record
@record
def main():
    dist.init_process_group("gloo")
    t = torch.ones(1) * dist.get_rank()
    dist.all_reduce(t)
    first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    if "fail" in sys.argv and dist.get_rank() == 1 and first:
        raise SystemExit(3)
    dist.barrier()
    dist.destroy_process_group()
    dist.init_process_group()
    dist.all_reduce(t)
    if dist.get_rank() == 0:
        print("sum", t.item(), os.environ["LOCAL_RANK"], sys.argv[1:])
    dist.destroy_process_group()
main()
"""


def run(tmp_path: Path, module: str, *args: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", f"backprop_ext.distributed.{module}"]
    filled = [str(tmp_path / "script.py") if arg == "SCRIPT" else arg for arg in args]
    return subprocess.run([*command, *filled], capture_output=True, text=True, timeout=100)


def test_the_launcher_starts_processes_and_ends_all_when_one_fails(tmp_path: Path) -> None:
    done = run(tmp_path, "run", "--standalone", "--nproc-per-node=2", "SCRIPT", "x", "--lr", "1")
    assert (done.returncode, done.stdout) == (0, "sum 2.0 0 ['x', '--lr', '1']\n"), done.stderr
    done = run(tmp_path, "launch", "--nproc_per_node=2", "SCRIPT")
    assert done.stdout == "sum 2.0 0 ['--local-rank=0']\n", done.stderr
    done = run(tmp_path, "run", "--nproc_per_node=2", "SCRIPT", "fail")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search("local rank [01] of 2 .* exit code [13]", done.stderr)
    done = run(tmp_path, "run", "--nproc_per_node=2", "--max_restarts=1", "SCRIPT", "fail")
    assert (done.returncode, done.stdout) == (0, "sum 2.0 0 ['fail']\n"), done.stderr


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    code = """
import sys, backprop_ext as bx
assert bx.distributed.is_available() and not bx.distributed.is_initialized()
print([name for name in ("socket", "multiprocessing") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
