"""torch.masked and torch.signal.windows against NumPy."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

VALUES = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
MASK = np.array([[True, False, True], [False, True, True]])
KEPT = [VALUES[i][MASK[i]] for i in range(2)]


def reduced(name: str, *args: Any, **kwargs: Any) -> Any:
    return getattr(bx.masked, name)(
        bx.tensor(VALUES), *args, mask=bx.tensor(MASK), **kwargs
    ).numpy()


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("sum", np.sum),
        ("prod", np.prod),
        ("amax", np.max),
        ("amin", np.min),
        ("mean", np.mean),
        ("logsumexp", lambda x: np.log(np.sum(np.exp(x)))),
        ("std", lambda x: np.std(x, ddof=1)),
        ("var", lambda x: np.var(x, ddof=1)),
    ],
)
def test_masked_reduction_is_the_reduction_of_what_is_kept(name: str, function: Any) -> None:
    np.testing.assert_allclose(reduced(name, 1), [function(x) for x in KEPT])
    np.testing.assert_allclose(reduced(name, (0, 1)), function(np.concatenate(KEPT)))
    assert reduced(name, 1, keepdim=True).shape == (2, 1)


def test_masked_norm_softmax_and_scan() -> None:
    np.testing.assert_allclose(reduced("norm", 2.0, 1), [np.linalg.norm(x) for x in KEPT])
    np.testing.assert_allclose(reduced("norm", -inf, 1), [np.abs(x).min() for x in KEPT])
    soft = reduced("softmax", 1)
    np.testing.assert_allclose(soft.sum(1), [1, 1])
    assert (soft[~MASK] == 0).all()
    np.testing.assert_allclose(reduced("cumsum", 1), np.cumsum(VALUES * MASK, 1))
    assert reduced("argmax", 1).tolist() == [2, 1]


def test_masked_gradient_reaches_only_what_is_kept() -> None:
    x = bx.tensor(VALUES, requires_grad=True)
    bx.masked.prod(x, mask=bx.tensor(MASK)).backward()
    assert x.grad is not None
    assert (x.grad.numpy()[~MASK] == 0).all()
    assert (x.grad.numpy()[MASK] != 0).all()


@pytest.mark.parametrize("name", ["bartlett", "blackman", "hamming"])
def test_symmetric_windows_are_numpys(name: str) -> None:
    for count in (0, 1, 2, 9):
        window = getattr(bx.signal.windows, name)(count, dtype=bx.float64)
        np.testing.assert_allclose(window.numpy(), getattr(np, name)(count), atol=1e-12)


def test_periodic_window_is_a_longer_one_cut() -> None:
    for name in bx.signal.windows.__all__:
        if name not in ("general_cosine", "cosine"):
            function = getattr(bx.signal.windows, name)
            longer = function(9, dtype=bx.float64)[:8]
            np.testing.assert_allclose(
                function(8, sym=False, dtype=bx.float64).numpy(), longer.numpy()
            )


def test_windows_refuse_what_makes_no_sense() -> None:
    windows = bx.signal.windows
    with pytest.raises(ValueError, match=r"\[hann\]|\[general_cosine\].*-1"):
        windows.hann(-1)
    with pytest.raises(ValueError, match="dtype"):
        windows.hann(3, dtype=bx.int64)
    with pytest.raises(ValueError, match="tau"):
        windows.exponential(3, tau=0.0)
    with pytest.raises(ValueError, match="center"):
        windows.exponential(3, center=1.0)
