"""Whether operations are recorded: modes, detach, .data, and results without a derivative."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx


def leaf(*values: float) -> bx.Tensor:
    return bx.tensor(values, dtype=bx.float64, requires_grad=True)


def test_modes_nest_and_come_back() -> None:
    x = leaf(1.0)
    assert bx.is_grad_enabled()
    with bx.no_grad():
        assert not (x * 2).requires_grad
        with bx.enable_grad():
            assert (x * 2).requires_grad
            with bx.set_grad_enabled(False):
                assert not bx.is_grad_enabled()
            assert bx.is_grad_enabled()
        assert not bx.is_grad_enabled()
    assert bx.is_grad_enabled()


def test_mode_comes_back_after_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), bx.no_grad():
        raise ZeroDivisionError
    assert bx.is_grad_enabled()

    @bx.no_grad()
    def fails() -> None:
        assert not bx.is_grad_enabled()
        raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert bx.is_grad_enabled()


def test_mode_as_a_decorator_of_functions_and_generators() -> None:
    x = leaf(1.0)

    @bx.no_grad
    def plain() -> bool:
        return (x * 2).requires_grad

    @bx.no_grad()
    def steps() -> Any:
        yield (x * 2).requires_grad
        yield bx.is_grad_enabled()

    assert plain() is False
    for inside in steps():
        assert inside is False
        assert bx.is_grad_enabled()


def test_mode_belongs_to_its_thread() -> None:
    seen = []
    with bx.no_grad():
        thread = threading.Thread(target=lambda: seen.append(bx.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_detach_shares_memory_and_version_but_no_graph() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    d = y.detach()
    assert not d.requires_grad
    assert d.grad_fn is None
    assert d.data_ptr() == y.data_ptr()
    version = y._version
    d.add_(1)
    assert y._version == version + 1
    assert y.tolist() == [3.0, 5.0]
    assert y.detach_() is y
    assert not y.requires_grad


def test_data_shares_memory_and_counts_no_versions() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    x.data.mul_(2)
    assert x.tolist() == [2.0, 4.0]
    assert x._version == 0
    y.sum().backward()  # sees the new values, as PyTorch's .data does
    assert x.grad.tolist() == [4.0, 8.0]


def test_assigning_data_keeps_the_identity_and_the_graph_of_old_uses() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    kept = x
    x.data = x.data - 0.5
    assert kept is x
    assert x.is_leaf
    assert x.requires_grad
    assert x.tolist() == [0.5, 1.5]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]  # of the values that y was made of
    x.data -= 0.5
    assert x.tolist() == [0.0, 1.0]
    with pytest.raises(TypeError, match=r"\[data\].*ndarray"):
        x.data = np.zeros(2)


def test_no_gradient_flows_through_operations_that_have_none() -> None:
    x = leaf(1.5, -2.5)
    assert not (x > 0).requires_grad
    assert not x.argmax().requires_grad
    assert not x.long().requires_grad
    assert not x.detach().requires_grad
    (x.floor() + x.sign() + x.round()).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]
