"""Sobol's sequence: its first points, what defines it, and PyTorch's numbers."""

from __future__ import annotations

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.quasirandom import SobolEngine


def test_the_first_points() -> None:
    points = SobolEngine(5).draw(3)
    assert points.tolist() == [[0.0] * 5, [0.5] * 5, [0.75, 0.25, 0.25, 0.25, 0.75]]
    assert points.dtype == bx.float32
    assert SobolEngine(2).draw(2, dtype=bx.float64).dtype == bx.float64
    out = bx.empty(0)
    assert SobolEngine(2).draw(2, out=out) is out
    assert out.tolist() == [[0.0, 0.0], [0.5, 0.5]]


@pytest.mark.parametrize("scramble", [False, True])
def test_each_dimension_has_one_point_in_each_part(scramble: bool) -> None:
    points = SobolEngine(128, scramble, seed=5).draw_base2(9, dtype=bx.float64).numpy()
    parts = np.sort((points * 512).astype(int), axis=0)
    assert (parts == np.arange(512)[:, None]).all()


def test_points_follow_one_another() -> None:
    whole, parts = SobolEngine(3, scramble=True, seed=1), SobolEngine(3, scramble=True, seed=1)
    expected = whole.draw(40)
    drawn = [parts.draw(n) for n in (1, 4, 0, 11)]
    assert parts.fast_forward(8) is parts
    drawn.append(parts.draw(16))
    assert bx.equal(bx.cat(drawn), bx.cat([expected[:16], expected[24:]]))
    assert parts.num_generated == 40
    assert bx.equal(parts.reset().draw(40), expected)


def test_what_is_refused() -> None:
    for dimension in (0, 129):
        with pytest.raises(ValueError, match=rf"\[SobolEngine\] dimension is {dimension}, from 1"):
            SobolEngine(dimension)
    engine = SobolEngine(2)
    engine.draw(3)
    with pytest.raises(ValueError, match=r"\[draw_base2\] 3 points were drawn, 7 would be"):
        engine.draw_base2(2)
    assert engine.num_generated == 3


@pytest.mark.parametrize("dimension", [1, 2, 17, 128])
@pytest.mark.parametrize(("scramble", "seed"), [(False, None), (True, 7), (True, None)])
def test_pytorchs_numbers(dimension: int, scramble: bool, seed: int | None) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    bx.manual_seed(3)
    there = torch.quasirandom.SobolEngine(dimension, scramble, seed)
    here = SobolEngine(dimension, scramble, seed)
    assert repr(here) == repr(there)
    for n in (1, 1, 6, 1000):
        assert here.draw(n).tolist() == there.draw(n).tolist()
    assert bx.rand(1).tolist() == torch.rand(1).tolist()
