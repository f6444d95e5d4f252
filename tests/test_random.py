"""Random streams: recorded numbers of PyTorch, generators, seeds and states."""

from __future__ import annotations

import pickle
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
        lambda lib: lib.rand_like(lib.zeros(6, 5).t()),
        lambda lib: lib.zeros(6, 10).t().normal_(2, 3),
        lambda lib: lib.zeros(6, 10)[:, ::2].normal_(),
        lambda lib: lib.randn_like(lib.zeros(6, 5).t()),
        lambda lib: lib.zeros(6, 5).t().bernoulli_(lib.linspace(0, 1, 5).reshape(5, 1)),
        lambda lib: lib.bernoulli(lib.linspace(0, 1, 1000)),
        lambda lib: lib.zeros(1000).geometric_(0.01),
        lambda lib: lib.zeros(1000).random_(),
        lambda lib: lib.zeros(1000, dtype=lib.int64).random_(-(2**63), None),
        lambda lib: lib.poisson(lib.linspace(0, 50, 1000)),
        lambda lib: lib.multinomial(lib.linspace(0, 50, 1000), 700),
        lambda lib: lib.multinomial(lib.linspace(0, 50, 300).reshape(3, 100), 1),
        lambda lib: lib.multinomial(lib.linspace(0, 50, 300).reshape(3, 100), 500, True),
    ]
    for program in programs:
        drawn = []
        for lib in (bx, torch):
            lib.manual_seed(seed)
            drawn.append([program(lib).numpy(), program(lib).numpy()])  # the stream goes on
        np.testing.assert_array_equal(drawn[0], drawn[1])
    close: list[Any] = [
        lambda lib, dtype: lib.zeros(1000, dtype=dtype).exponential_(3),
        lambda lib, dtype: lib.zeros(1000, dtype=dtype).cauchy_(),
        lambda lib, dtype: lib.zeros(1000, dtype=dtype).log_normal_(0, 1),
        lambda lib, dtype: lib.normal(lib.linspace(0, 1, 100, dtype=dtype), 2.0),
        lambda lib, dtype: lib.rrelu(lib.linspace(-1, 1, 100, dtype=dtype), 0.1, 0.3, True),
        lambda lib, dtype: lib.nn.init.trunc_normal_(lib.zeros(999, dtype=dtype), 1, 2, 0, 1.5),
        lambda lib, dtype: lib.nn.init.trunc_normal_(lib.zeros(999, dtype=dtype), 0, 1, 0, 0.2),
        lambda lib, dtype: lib.nn.init.sparse_(lib.zeros(20, 7, dtype=dtype), 0.3),
    ]
    for draw in close:
        for dtype in ("float32", "float64"):
            drawn = []
            for lib in (bx, torch):
                lib.manual_seed(seed)
                drawn.append([draw(lib, getattr(lib, dtype)).numpy(), lib.rand(1).numpy()])
            np.testing.assert_allclose(drawn[0][0], drawn[1][0], rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(drawn[0][1], drawn[1][1])
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
    assert bx.get_rng_state().tolist() == before.tolist()
    for draw in (
        lambda g: bx.randn(20, generator=g),
        lambda g: bx.randint(0, 9, (20,), generator=g),
        lambda g: bx.randperm(20, generator=g),
        lambda g: bx.zeros(20).uniform_(0, 1, generator=g),
        lambda g: bx.zeros(20).normal_(generator=g),
        lambda g: bx.zeros(20).bernoulli_(0.5, generator=g),
        lambda g: bx.nn.init.xavier_uniform_(bx.zeros(4, 5), generator=g),
        lambda g: bx.nn.init.trunc_normal_(bx.zeros(4, 5), generator=g),
        lambda g: bx.rand_like(bx.zeros(20), generator=g),
        lambda g: bx.randn_like(bx.zeros(20), generator=g),
        lambda g: bx.randint_like(bx.zeros(20), 9, generator=g),
        lambda g: bx.zeros(20).random_(generator=g),
        lambda g: bx.zeros(20).random_(3, 9, generator=g),
        lambda g: bx.zeros(20).exponential_(generator=g),
        lambda g: bx.zeros(20).geometric_(0.2, generator=g),
        lambda g: bx.zeros(20).cauchy_(generator=g),
        lambda g: bx.zeros(20).log_normal_(generator=g),
        lambda g: bx.bernoulli(bx.full((20,), 0.5), generator=g),
        lambda g: bx.zeros(20).bernoulli_(bx.full((20,), 0.5), generator=g),
        lambda g: bx.normal(0.0, 1.0, (20,), generator=g),
        lambda g: bx.normal(bx.zeros(20), generator=g),
        lambda g: bx.poisson(bx.full((20,), 5.0), generator=g),
        lambda g: bx.multinomial(bx.ones(20), 5, generator=g),
        lambda g: bx.multinomial(bx.ones(20), 25, True, generator=g),
    ):
        twice = [draw(bx.Generator().manual_seed(3)).tolist() for _ in range(2)]
        assert twice[0] == twice[1]
    assert bx.get_rng_state().tolist() == before.tolist()


def test_state_continues_a_stream_also_between_two_normals() -> None:
    bx.manual_seed(0)
    bx.randn(3)  # an odd count leaves a partner for the next one
    state = bx.get_rng_state()
    first = bx.randn(5).tolist() + bx.rand(5).tolist()
    bx.randn(7)
    bx.set_rng_state(state)
    assert bx.randn(5).tolist() + bx.rand(5).tolist() == first
    for wrong, error in (
        (b"bytes", TypeError),
        (state.double(), TypeError),
        (state[1:], RuntimeError),
        (bx.zeros(5056, dtype=bx.int32), RuntimeError),
    ):
        with pytest.raises(error, match="state"):
            bx.set_rng_state(wrong)
    bx.set_rng_state(state)
    assert bx.randn(5).tolist() == first[:5]
    assert state.dtype == bx.uint8
    for wider in (state.int(), state.numpy(), state.numpy().astype(np.int64)):
        bx.set_rng_state(wider)
        assert bx.randn(5).tolist() == first[:5]


def test_states_are_kept_in_files_and_pickles(tmp_path: Path) -> None:
    bx.manual_seed(3)
    bx.randn(3)
    own = bx.Generator().manual_seed(9)
    bx.save({"rng": bx.get_rng_state(), "own": own.get_state()}, tmp_path / "state.pt")
    twin, pickled = own.clone_state(), pickle.loads(pickle.dumps(own))
    expected, drawn = bx.randn(20).tolist(), bx.rand(4, generator=own).tolist()
    kept = bx.load(tmp_path / "state.pt")
    bx.set_rng_state(kept["rng"])
    assert bx.randn(20).tolist() == expected
    for copy in (twin, pickled, bx.Generator().set_state(kept["own"])):
        assert copy.initial_seed() == 9
        assert bx.rand(4, generator=copy).tolist() == drawn


def test_states_cross_over_to_pytorch_and_back() -> None:
    torch = pytest.importorskip("torch")
    bx.manual_seed(11)
    bx.randn(7)
    torch.set_rng_state(torch.from_numpy(bx.get_rng_state().numpy()))
    assert torch.randn(3).tolist() == bx.randn(3).tolist()
    torch.randn(5)
    bx.set_rng_state(torch.get_rng_state().numpy())
    assert bx.rand(700).tolist() == torch.rand(700).tolist()


def test_fork_leaves_the_stream_where_it_was() -> None:
    bx.manual_seed(1)
    expected = bx.rand(3).tolist()
    bx.manual_seed(1)
    with bx.random.fork_rng():
        bx.manual_seed(77)
        bx.rand(5)
    assert bx.rand(3).tolist() == expected
    with pytest.raises(TypeError), bx.random.fork_rng():
        bx.rand("five")
    with bx.random.fork_rng(enabled=False):
        bx.manual_seed(1)
    assert bx.rand(3).tolist() == expected


def test_seeds_beyond_64_bits_and_other_devices_are_refused() -> None:
    for seed in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match=r"2\^64"):
            bx.manual_seed(seed)
    assert bx.Generator().manual_seed(-1).initial_seed() == 2**64 - 1
    assert str(bx.Generator("cpu").device) == "cpu"
    with pytest.raises(RuntimeError, match="cuda"):
        bx.Generator("cuda")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: bx.multinomial(bx.tensor([1.0, -2.0]), 1), RuntimeError),
        (lambda: bx.multinomial(bx.tensor([1.0, np.inf]), 1), RuntimeError),
        (lambda: bx.multinomial(bx.zeros(2), 1), RuntimeError),
        (lambda: bx.multinomial(bx.ones(2), 3), RuntimeError),
        (lambda: bx.multinomial(bx.ones(2), 0), RuntimeError),
        (lambda: bx.multinomial(bx.ones(2, 2, 2), 1), RuntimeError),
        (lambda: bx.multinomial(bx.tensor([1, 2]), 1), RuntimeError),
        (lambda: bx.bernoulli(bx.tensor([2.0])), RuntimeError),
        (lambda: bx.bernoulli(bx.tensor([1])), NotImplementedError),
        (lambda: bx.bernoulli(bx.zeros(2), 2), RuntimeError),
        (lambda: bx.poisson(bx.tensor([-1.0])), RuntimeError),
        (lambda: bx.poisson(bx.tensor([1])), NotImplementedError),
        (lambda: bx.normal(bx.zeros(2), -bx.ones(2)), RuntimeError),
        (lambda: bx.normal(0.0, -1.0, (2,)), RuntimeError),
        (lambda: bx.normal(0.0, 1.0), TypeError),
        (lambda: bx.zeros(2).exponential_(0), RuntimeError),
        (lambda: bx.zeros(2, dtype=bx.int64).exponential_(), RuntimeError),
        (lambda: bx.zeros(2).geometric_(1), RuntimeError),
        (lambda: bx.zeros(2).cauchy_(0, 0), RuntimeError),
        (lambda: bx.zeros(2).log_normal_(0, 0), RuntimeError),
        (lambda: bx.zeros(2, dtype=bx.int64).log_normal_(), NotImplementedError),
        (lambda: bx.zeros(2).random_(5, 5), RuntimeError),
        (lambda: bx.zeros(2, dtype=bx.int32).random_(0, 2**40), RuntimeError),
        (lambda: bx.rrelu(bx.zeros(2), 0.5, 0.3), RuntimeError),
        (lambda: bx.rand_like(bx.zeros(2, dtype=bx.int64)), NotImplementedError),
    ],
)
def test_impossible_distributions_are_refused_and_draw_nothing(call: Any, error: Any) -> None:
    before = bx.get_rng_state().tolist()
    with pytest.raises(error, match=r"\["):
        call()
    assert bx.get_rng_state().tolist() == before


def test_draws_stop_gradients_and_rrelu_passes_its_slope() -> None:
    x = bx.full((3, 4), 0.5, requires_grad=True)
    for drawn, name in (
        (bx.bernoulli(x), "BernoulliBackward0"),
        (bx.poisson(x), "PoissonBackward0"),
        (bx.normal(x, x), "NormalBackward3"),
        ((x * 1).exponential_(), "ExponentialBackward0"),
        ((x * 1).uniform_(), "UniformBackward0"),
        ((x * 1).random_(3), "RandomBackward1"),
    ):
        assert drawn.grad_fn is not None
        assert drawn.grad_fn.name() == name
        assert not bx.autograd.grad(drawn.sum(), x)[0].any()
    x = bx.linspace(-1, 1, 8).requires_grad_()
    y = bx.rrelu(x, 0.1, 0.3, True)
    (slope,) = bx.autograd.grad(y.sum(), x)
    np.testing.assert_allclose((slope * x).detach().numpy(), y.detach().numpy())


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
