"""Memory over many steps, threads, forks and instruction sets."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

STEPS = 100_000


def in_use() -> int:
    gc.collect()
    return bx._core._memory_stats()["in_use"]


def resident() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs code in another interpreter."""
    env = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)


def train(seed: int, steps: int) -> list[float]:
    """A small network on its own data; the losses."""
    rng = np.random.default_rng(seed)
    x = bx.tensor(rng.standard_normal((32, 4)).astype(np.float32))
    y = bx.tensor(rng.standard_normal((32, 1)).astype(np.float32))
    model = bx.nn.Sequential(bx.nn.Linear(4, 8), bx.nn.Tanh(), bx.nn.Linear(8, 1))
    with bx.no_grad():
        for p in model.parameters():
            p.copy_(bx.tensor(rng.standard_normal(tuple(p.shape)).astype(np.float32)))
    optimizer = bx.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = bx.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc")
def test_flat_memory_over_many_steps() -> None:
    w = bx.ones(16, requires_grad=True)
    x = bx.arange(16.0)

    def steps(count: int) -> None:
        for _ in range(count):
            loss = ((w * x - 1).tanh() ** 2).sum()
            loss.backward()
            w.data -= 1e-3 * w.grad.data
            w.grad.data.zero_()

    steps(1000)
    held, pages = in_use(), resident()
    steps(STEPS)
    assert in_use() == held
    assert resident() < pages + 4 * 2**20  # a leak of 42 bytes per step would show


def test_memory_comes_back_after_errors_hooks_and_second_derivatives() -> None:
    def round_trip() -> None:
        x = bx.ones(64, requires_grad=True)
        y = (x.exp() * x).sum()
        y.register_hook(lambda g: g * 1)
        (g,) = bx.autograd.grad(y, x, create_graph=True)
        g.sum().backward()
        with pytest.raises(RuntimeError):
            x @ bx.ones(3)
        z = x * x
        z[3:].mul_(2)
        total = (z * z).sum()
        total.backward()
        with pytest.raises(RuntimeError):
            total.backward()

    round_trip()
    held = in_use()
    for _ in range(50):
        round_trip()
    assert in_use() == held


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="pools are off")
def test_cache_counts_and_empties() -> None:
    bx._core._empty_cache()
    before = bx._core._memory_stats()
    bx._core._reset_peak_memory()
    t = bx.zeros(1_000_000)
    during = bx._core._memory_stats()
    assert during["in_use"] == before["in_use"] + 4_000_000
    assert during["peak"] == during["in_use"]
    del t
    after = bx._core._memory_stats()
    assert after["in_use"] == before["in_use"]
    assert after["cached"] >= 4_000_000
    again = bx.zeros(1_000_000)
    assert bx._core._memory_stats()["cached"] == before["cached"]
    del again
    bx._core._empty_cache()
    assert bx._core._memory_stats()["cached"] == 0


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="pools are off")
def test_the_cache_makes_room_for_the_sizes_that_are_wanted_now() -> None:
    # 60 MB of blocks that nobody wants any more, and then steps on blocks of another size.
    code = """
import backprop_ext as bx
cached = lambda: bx._core._memory_stats()["cached"]
old = [bx.zeros(1_250_000) for _ in range(12)]
del old
assert cached() >= 60_000_000
for step in range(3):
    before = cached()
    new = [bx.zeros(600_000) for _ in range(8)]
    reused = before - cached()
    del new
assert cached() <= 2**26
print(reused >= 8 * 2_400_000)
"""
    result = python(code)
    assert result.stdout == "True\n", result.stderr


def test_two_threads_train_two_models_as_if_alone() -> None:
    alone = [train(seed, 150) for seed in (0, 1)]
    found: dict[int, list[float]] = {}
    threads = [
        threading.Thread(target=lambda s=seed: found.__setitem__(s, train(s, 150)))
        for seed in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[0], found[1]] == alone


def test_threads_may_share_parameters_and_free_each_others_tensors() -> None:
    w = bx.ones(200_000)  # long kernels: the interpreter's lock is released
    made: list[Any] = []

    def work() -> None:
        for _ in range(20):
            made.append((w * 2 + w).sum())
            if len(made) > 10:
                made.pop(0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {t.item() for t in made} == {600_000.0}


def heavy() -> list[Any]:
    """Results of kernels that use several threads."""
    rng = np.random.default_rng(0)
    x = bx.tensor(rng.standard_normal((600, 700)).astype(np.float32), requires_grad=True)
    m = bx.tensor(rng.standard_normal((700, 500)).astype(np.float32), requires_grad=True)
    y = x @ m
    loss = (y.tanh() * y.exp().clamp(max=10)).sum() + x.softmax(1).log().mean() + (x.t() + 1).sum()
    loss.backward()
    results = [y, loss, x.grad, m.grad, x.sum(0), x.var(1), x.max(1).values, x.log_softmax(0)]
    return [t.detach().numpy().tobytes() for t in results]


def test_bits_are_the_same_for_any_number_of_threads() -> None:
    before = bx.get_num_threads()
    try:
        found = []
        for count in (1, 2, 3, 1):
            bx.set_num_threads(count)
            assert bx.get_num_threads() == count
            found.append(heavy())
    finally:
        bx.set_num_threads(before)
    assert all(other == found[0] for other in found[1:])
    with pytest.raises(RuntimeError, match="0"):
        bx.set_num_threads(0)
    assert bx.get_num_threads() == before


def test_number_of_threads_follows_the_environment() -> None:
    code = "import backprop_ext as bx; print(bx.get_num_threads())"
    assert python(code, OMP_NUM_THREADS="3").stdout == "3\n"
    unset = python("import os; os.environ.pop('OMP_NUM_THREADS', 0); " + code)
    assert 1 <= int(unset.stdout) <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_child_runs_parallel_kernels() -> None:
    code = """
import os, warnings, backprop_ext as bx
bx.set_num_threads(2)
x = bx.ones(1000, 1000, requires_grad=True)
expected = ((x * 2).sum() + (x @ x).mean()).item()
read, write = os.pipe()
if os.fork() == 0:
    y = (x * 2).sum() + (x @ x).mean()
    y.backward()
    os.write(write, repr((y.item() == expected, x.grad.shape)).encode())
    os._exit(0)
os.wait()
print(os.read(read, 99).decode())
y = (x * 2).sum() + (x @ x).mean()
print(y.item() == expected)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "(True, torch.Size([1000, 1000]))\nTrue\n", done.stderr


ISA_PROBE = """
import sys, json, numpy as np, backprop_ext as bx
rng = np.random.default_rng(0)
x = bx.tensor(rng.standard_normal((33, 17)).astype(np.float32), requires_grad=True)
m = bx.tensor(rng.standard_normal((17, 29)).astype(np.float32), requires_grad=True)
y = x @ m
parts = [y, (y / 4).exp(), y.tanh(), y.erf(), (x * x + 1).log(), x.sin(), x.softmax(1), y.sum(0),
         y.mean(), x.abs().sqrt(), x.abs() ** 0.3, x.max(0).values]
sum((p * p).sum() for p in parts).backward()
parts += [x.grad, m.grad]
print(json.dumps([bx._core._isa(), [p.detach().double().numpy().ravel().tolist() for p in parts]]))
"""


def test_every_instruction_set_runs_and_agrees() -> None:
    import json

    usable = bx._core._usable_isas()
    assert len(usable) >= 1
    assert bx._core._isa() in usable
    found = {}
    for isa in usable:
        done = python(ISA_PROBE, BACKPROP_EXT_ISA=isa)
        assert done.returncode == 0, done.stderr
        name, found[isa] = json.loads(done.stdout)
        assert name == isa
    best = found[usable[0]]
    for other in found.values():
        for a, b in zip(other, best, strict=True):
            assert np.abs(np.subtract(a, b)).max() <= 1e-5 * np.abs(b).max()


@pytest.mark.parametrize("isa", bx._core._usable_isas())
def test_special_values_and_positions_hold_on_every_instruction_set(isa: str) -> None:
    here = Path(__file__).parent
    if isa == bx._core._isa():
        return  # the files run with it anyway
    files = [
        str(here / name)
        for name in ("test_special_values.py", "test_op_rules.py", "test_accuracy.py")
    ]
    options = ["-q", "-p", "no:cacheprovider", "-k", "not promoted"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files],
        env={**os.environ, "BACKPROP_EXT_ISA": isa},
        cwd=here.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_unknown_instruction_set_is_a_clear_error_at_import() -> None:
    done = python("import backprop_ext", BACKPROP_EXT_ISA="x86-64-v9")
    assert done.returncode == 1
    assert "[isa] BACKPROP_EXT_ISA=x86-64-v9 cannot run here; usable: " in done.stderr
    assert bx._core._usable_isas()[0] in done.stderr
    assert "Traceback" in done.stderr


def test_import_needs_nothing_but_numpy() -> None:
    code = """
import sys
import numpy
before = set(sys.modules)
import backprop_ext
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(sorted(new - set(sys.stdlib_module_names) - {"backprop_ext", "numpy", "pybind11_builtins"}))
"""
    assert python(code).stdout == "[]\n"


def test_interpreter_ends_cleanly_with_everything_alive() -> None:
    code = """
import threading, numpy as np, backprop_ext as bx
a = np.ones(1000)
t = bx.from_numpy(a)
x = bx.ones(1000, 1000, requires_grad=True)
y = (x @ x).exp()
y.register_hook(lambda g: g)
bx.kept = (t, x, y, y.grad_fn, t.numpy(), bx.default_generator)
threading.Thread(target=lambda: bx.ones(100000).exp()).start()
"""
    done = python(code)
    assert (done.returncode, done.stderr) == (0, "")
