"""Several Python threads at once: long kernels run without the interpreter's lock."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

import backprop_ext as bx
import backprop_ext.nn.functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

DRAWS: dict[str, Callable[[bx.Generator | None], object]] = {
    "rand": lambda g: bx.rand(300, 300, generator=g),
    "randn": lambda g: bx.randn(300, 300, generator=g),
    "randint": lambda g: bx.randint(0, 9, (300, 300), generator=g),
    "randperm": lambda g: bx.randperm(90_000, generator=g),
    "bernoulli": lambda g: bx.full((300, 300), 0.5).bernoulli(generator=g),
    "exponential": lambda g: bx.empty(300, 300).exponential_(generator=g),
    "multinomial": lambda g: bx.ones(300, 300).multinomial(2, generator=g),
    "categories": lambda g: bx.ones(300, 300).multinomial(300, True, generator=g),
    "poisson": lambda g: bx.poisson(bx.full((300, 300), 3.0), generator=g),
    "dropout": lambda _: F.dropout(bx.ones(300, 300)),
    "rrelu": lambda _: F.rrelu(-bx.ones(300, 300), training=True),
    "state": lambda g: g.set_state(g.get_state()) if g else bx.set_rng_state(bx.get_rng_state()),
    "seed": lambda g: g.manual_seed(1) if g else bx.manual_seed(1),
}


@pytest.mark.parametrize("own", [False, True])
def test_threads_that_draw_from_one_generator_leave_it_whole(own: bool) -> None:
    generator = bx.Generator() if own else None
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: DRAWS[name](generator), [*DRAWS] * 12))
    bx.manual_seed(3)
    after = bx.rand(5)
    assert after.tolist() == bx.rand(5, generator=bx.Generator().manual_seed(3)).tolist()


def test_each_number_is_drawn_once() -> None:
    """The numbers of all threads are those of one, in some order, for whole refills."""
    size, calls = 624 * 200, 16
    bx.manual_seed(5)
    alone = bx.rand(size * calls).numpy()
    bx.manual_seed(5)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda _: bx.rand(size).numpy(), range(calls)))
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.sort(alone))


def test_transforms_of_one_thread_are_no_concern_of_another() -> None:
    w = bx.randn(300, 300)

    def derivatives(_: int) -> bool:
        g = bx.func.grad(lambda w: (w @ w).tanh().sum())(w)
        _, tangent = bx.func.jvp(lambda w: (w @ w).sum(), (w,), (w,))
        return g.requires_grad or tangent.requires_grad

    with ThreadPoolExecutor(4) as pool:
        assert not any(pool.map(derivatives, range(100)))


def run(program: str) -> None:
    head = "import random, threading, time\nimport backprop_ext as bx\nF = bx.nn.functional\n"
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("captured", [False, True])
def test_a_program_ends_while_its_threads_compute(captured: bool) -> None:
    run(f"""
        def train():
            layer = bx.nn.Linear(300, 300)
            sgd = bx.optim.SGD(layer.parameters())
            def step(x):
                F.dropout(layer(x)).tanh().sum().backward()
                sgd.step()
            if {captured}:
                step = bx.capture(step)
            x = bx.randn(400, 300)
            while True:
                step(x)

        for _ in range(3):
            threading.Thread(target=train, daemon=True).start()
        time.sleep(0.5)
    """)


ABUSES = {
    "shapes": """
        t.data = bx.randn(pick.randrange(1, 400), 300)
        t.copy_(bx.randn(t.shape))
        t.resize_(pick.randrange(1, 500), 300)
        t.t_()
        t.t_()
        t.mul_(0.5)
        (t @ t.T).sum()
        t[0:1].zero_()
        t.exp()
    """,
    "training": """
        net(x).pow(2).mean().backward()
        net(x).pow(2).mean().backward()
        adam.step()
        adam.zero_grad()
        net.double(); net.float()
        net.load_state_dict(saved)
        bx.set_num_threads(pick.choice([1, 2]))
    """,
}


@pytest.mark.parametrize("abuse", ABUSES)
def test_what_other_threads_change_meanwhile_is_an_error_at_worst(abuse: str) -> None:
    acts = textwrap.dedent(ABUSES[abuse]).strip().splitlines()
    run(f"""
        t = bx.randn(300, 300)
        x = bx.randn(400, 300)
        net = bx.nn.Sequential(bx.nn.Linear(300, 300), bx.nn.BatchNorm1d(300), bx.nn.Dropout(0.1))
        saved = {{name: v.clone() for name, v in net.state_dict().items()}}
        adam = bx.optim.Adam(net.parameters())
        acts = [compile(act, "act", "exec") for act in {acts}]

        def run(seed):
            pick = random.Random(seed)
            end = time.monotonic() + 3
            while time.monotonic() < end:
                try:
                    exec(pick.choice(acts), globals() | {{"pick": pick}})
                except (RuntimeError, IndexError):
                    pass

        threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    """)


def test_several_threads_take_the_first_step_of_one_optimizer() -> None:
    run("""
        import sys
        from concurrent.futures import ThreadPoolExecutor

        sys.setswitchinterval(1e-5)
        with ThreadPoolExecutor(3) as pool:
            for _ in range(200):
                parameters = [bx.nn.Parameter(bx.zeros(300, 300)) for _ in range(4)]
                for p in parameters:
                    p.grad = bx.ones(300, 300)
                adam = bx.optim.Adam(parameters)
                for stepped in [pool.submit(adam.step) for _ in range(3)]:
                    stepped.result()
                for p in parameters:
                    assert bx.isfinite(p).all() and adam.state[p]["step"] >= 1
    """)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_forked_while_threads_compute_goes_on() -> None:
    run("""
        import os, warnings
        warnings.simplefilter("ignore")  # Python's about forks beside threads

        def compute():
            while True:
                bx.randn(300, 300).exp() @ bx.rand(300, 300)

        for _ in range(2):
            threading.Thread(target=compute, daemon=True).start()
        time.sleep(0.1)
        for _ in range(20):
            child = os.fork()
            if not child:
                bx.randn(300, 300) @ bx.randn(300, 300)
                os._exit(0)
            end = time.monotonic() + 20
            while os.waitpid(child, os.WNOHANG)[0] == 0:
                if time.monotonic() > end:
                    os.kill(child, 9)
                    raise SystemExit("the child hangs")
                time.sleep(0.001)
    """)
