"""Errors of autograd name the tensor, the operation, the lines and the cure."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext import explain


def line() -> str:
    """The caller's line as messages write it."""
    frame: Any = inspect.currentframe()
    return f"test_explain_errors.py:{frame.f_back.f_lineno}"


def failure(run: Any) -> str:
    with pytest.raises(RuntimeError) as caught:
        run()
    return str(caught.value)


def test_a_second_backward() -> None:
    w = bx.ones(2, requires_grad=True)
    loss = (w * w).sum()
    loss.backward()
    message = failure(loss.backward)
    assert "MulBackward0 kept were freed by an earlier backward" in message
    assert "retain_graph=True, or compute the loss again" in message
    assert "MulBackward0 used 'w'" in message
    assert "`with backprop_ext.explain.record():`" in message


def test_a_second_backward_names_both_lines_when_recorded() -> None:
    w = bx.ones(2, requires_grad=True)
    with explain.record():
        square, made = w * w, line()
        loss = square.sum()
        loss.backward(), (freed := line())
        message = failure(lambda: loss.backward())
    assert f"MulBackward0 was recorded at {made}, the earlier backward ran at {freed}" in message


def test_a_loss_that_is_kept_alive_across_steps() -> None:
    w = bx.ones(2, requires_grad=True)
    total = bx.tensor(0.0)
    with explain.record():
        total = total + (w * w).sum()
        total.backward()
        total = total + (w * w).sum()
        message = failure(total.backward)
    assert "another loss which shares this part of the graph" in message
    assert "detach() what is carried over" in message
    assert "total += loss.item()" in message
    same = (w * w).sum()
    same.backward()
    assert "another loss" not in failure(same.backward)


def test_a_write_that_broke_a_kept_value() -> None:
    w, factor = bx.ones(2, requires_grad=True), bx.ones(2)
    y = (w * factor).sum()
    factor.add_(1)
    message = failure(y.backward)
    assert "a tensor 'factor' of shape (2,) that MulBackward0 kept" in message
    assert "write out of place" in message
    assert "explain.record()" in message


def test_a_write_that_broke_a_kept_value_names_both_lines_when_recorded() -> None:
    w, factor = bx.ones(2, requires_grad=True), bx.ones(2)
    with explain.record():
        y, made = (w * factor).sum(), line()
        factor.mul_(2)
        factor.add_(1), (wrote := line())
        message = failure(y.backward)
    assert f"MulBackward0 was recorded at {made}" in message
    assert f"the tensor was written by add at {wrote}" in message


def test_a_leaf_written_in_place_is_named() -> None:
    w = bx.ones(2, requires_grad=True)
    assert "[add] a leaf tensor 'w' that requires grad (shape (2,))" in failure(lambda: w.add_(1))
    model = bx.nn.Sequential(bx.nn.Linear(2, 3))
    message = failure(lambda: model[0].weight.mul_(2))
    assert "a leaf tensor 'model.0.weight' that requires grad (shape (3, 2))" in message
    assert "under no_grad(), or on .data" in message


def test_a_tensor_without_a_name_is_told_by_its_shape() -> None:
    message = failure(lambda: bx.ones(2, requires_grad=True).add_(1))
    assert "[add] a leaf tensor that requires grad (shape (2,))" in message


def test_the_module_stands_beside_the_line() -> None:
    model = bx.nn.Sequential(bx.nn.Linear(2, 2), bx.nn.Sequential(bx.nn.Tanh()))
    with explain.record():
        loss = model(bx.ones(1, 2)).sum()
        loss.backward()
        message = failure(loss.backward)
    assert " in 1.0, the earlier backward ran at " in message
