"""Random streams: recorded numbers of PyTorch, generators, seeds and states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

TEXT = (Path(__file__).parent / "data" / "random.txt").read_text().splitlines()[1:]
STREAMS = [
    (int(head.split(" ", 1)[0]), head.split(" ", 1)[1], numbers)
    for head, numbers in zip(TEXT[::2], TEXT[1::2], strict=True)
]


@pytest.mark.parametrize(("seed", "expression", "numbers"), STREAMS, ids=[s[1] for s in STREAMS])
def test_stream_is_pytorchs(seed: int, expression: str, numbers: str) -> None:
    bx.manual_seed(seed)
    drawn = eval(expression, {"torch": bx}).detach().double().numpy().ravel()
    np.testing.assert_allclose(drawn, [float(x) for x in numbers.split()], rtol=3e-7, atol=1e-7)


@pytest.mark.parametrize("seed", [0, 7, 2**63 + 11])
def test_long_streams_equal_pytorchs(seed: int) -> None:
    torch = pytest.importorskip("torch")
    programs: list[Any] = [
        lambda lib: lib.rand(1000),
        lambda lib: lib.rand(1000, dtype=lib.float64),
        lambda lib: lib.randint(0, 2**31, (50,)),
        lambda lib: lib.randint(-(2**62), 2**62, (50,)),
        lambda lib: lib.randperm(1000),
        lambda lib: lib.nn.functional.dropout(lib.ones(1000), 0.37),
        lambda lib: lib.nn.functional.dropout(lib.ones(7, 3, dtype=lib.float64), 0.9),
        lambda lib: lib.zeros(1000).bernoulli_(0.2),
        lambda lib: lib.zeros(30).t().uniform_(2, 3),
        lambda lib: lib.zeros(6, 5).t().uniform_(2, 3),
    ]
    for program in programs:
        drawn = []
        for lib in (bx, torch):
            lib.manual_seed(seed)
            drawn.append([program(lib).numpy(), program(lib).numpy()])  # the stream goes on
        np.testing.assert_array_equal(drawn[0], drawn[1])
    for size in (1, 2, 15, 16, 17, 31, 32, 33, 1000):
        for dtype in ("float32", "float64"):
            drawn = []
            for lib in (bx, torch):
                lib.manual_seed(seed)
                drawn.append(lib.randn(size, dtype=getattr(lib, dtype)).numpy())
                drawn.append(lib.rand(1).numpy())
            np.testing.assert_allclose(drawn[0], drawn[2], rtol=2e-5, atol=1e-6)
            np.testing.assert_array_equal(drawn[1], drawn[3])


def test_same_seed_same_numbers_other_seed_others() -> None:
    def draw(seed: int) -> list[float]:
        bx.manual_seed(seed)
        return bx.rand(5).tolist() + bx.randn(20).tolist()

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert bx.initial_seed() == 2
    assert bx.rand(3).tolist() != bx.rand(3).tolist()


def test_generator_has_a_stream_of_its_own() -> None:
    bx.manual_seed(5)
    expected = bx.rand(4).tolist()
    bx.manual_seed(6)
    before = bx.get_rng_state()
    own = bx.Generator()
    assert own.manual_seed(5) is own
    assert own.initial_seed() == 5
    assert bx.rand(4, generator=own).tolist() == expected
    assert bx.get_rng_state() == before
    for draw in (
        lambda g: bx.randn(20, generator=g),
        lambda g: bx.randint(0, 9, (20,), generator=g),
        lambda g: bx.randperm(20, generator=g),
        lambda g: bx.zeros(20).uniform_(0, 1, generator=g),
        lambda g: bx.zeros(20).normal_(generator=g),
        lambda g: bx.zeros(20).bernoulli_(0.5, generator=g),
        lambda g: bx.nn.init.xavier_uniform_(bx.zeros(4, 5), generator=g),
    ):
        twice = [draw(bx.Generator().manual_seed(3)).tolist() for _ in range(2)]
        assert twice[0] == twice[1]
    assert bx.get_rng_state() == before


def test_state_continues_a_stream_also_between_two_normals() -> None:
    bx.manual_seed(0)
    bx.randn(3)  # an odd count leaves a partner for the next one
    state = bx.get_rng_state()
    first = bx.randn(5).tolist() + bx.rand(5).tolist()
    bx.randn(7)
    bx.set_rng_state(state)
    assert bx.randn(5).tolist() + bx.rand(5).tolist() == first
    with pytest.raises((ValueError, RuntimeError)):
        bx.default_generator.set_state(b"not a state")
    bx.set_rng_state(state)
    assert bx.randn(5).tolist() == first[:5]


def test_fresh_seeds_differ() -> None:
    seeds = {bx.seed() for _ in range(4)}
    assert len(seeds) == 4
    assert bx.initial_seed() in seeds


def test_distributions_have_their_moments() -> None:
    bx.manual_seed(0)
    n = 200_000
    u = bx.rand(n, dtype=bx.float64).numpy()
    assert 0 <= u.min() < 1e-4
    assert 1 - 1e-4 < u.max() < 1
    assert abs(u.mean() - 0.5) < 5 / np.sqrt(12 * n)
    g = bx.randn(n, dtype=bx.float64).numpy()
    assert abs(g.mean()) < 5 / np.sqrt(n)
    assert abs(g.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((g**3).mean()) < 5 * np.sqrt(15 / n)
    kept = (bx.nn.functional.dropout(bx.ones(n), 0.3) != 0).float().mean().item()
    assert abs(kept - 0.7) < 5 * np.sqrt(0.21 / n)
    counts = np.bincount(bx.randint(0, 7, (n,)).numpy(), minlength=7)
    assert np.abs(counts - n / 7).max() < 5 * np.sqrt(n / 7)


def test_dropout_scales_what_it_keeps_and_passes_that_gradient() -> None:
    x = bx.ones(1000, requires_grad=True)
    y = bx.nn.functional.dropout(x, 0.25)
    assert set(np.unique(y.detach().numpy())) == {np.float32(0), np.float32(1 / 0.75)}
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()
    layer = bx.nn.Dropout(0.25)
    assert layer.eval()(x) is x or layer.eval()(x).tolist() == x.tolist()
    assert bx.nn.functional.dropout(x, 1.0).sum().item() == 0
