"""Futures: a value, what follows it, and lists of them, as in PyTorch."""

from __future__ import annotations

from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext import futures


def made(lib: str) -> Any:
    return futures if lib == "ours" else pytest.importorskip("torch").futures


@pytest.mark.parametrize("lib", ["ours", "torch"])
def test_a_value_and_what_follows_it(lib: str) -> None:
    future = made(lib).Future()
    after, seen = future.then(lambda done: done.value() + 1), []
    future.add_done_callback(lambda done: seen.append(done.value()))
    assert not future.done()
    future.set_result(2)
    assert after.wait() == 3
    assert (future.done(), future.wait(), future.value(), seen) == (True, 2, 2, [2])
    with pytest.raises(RuntimeError):
        future.set_result(3)


@pytest.mark.parametrize("lib", ["ours", "torch"])
def test_an_exception_is_raised_where_the_value_is_asked_for(lib: str) -> None:
    future = made(lib).Future()
    after = future.then(lambda done: done.value())
    future.set_exception(ValueError("lost"))
    with pytest.raises(ValueError, match="lost"):
        future.wait()
    with pytest.raises(RuntimeError, match="lost"):
        after.wait()


@pytest.mark.parametrize("lib", ["ours", "torch"])
def test_a_list_is_there_when_all_of_it_is(lib: str) -> None:
    module = made(lib)
    first, second = module.Future(), module.Future()
    every = module.collect_all([first, second])
    second.set_result(2)
    assert not every.done()
    first.set_result(1)
    assert [future.value() for future in every.wait()] == [1, 2]
    assert module.wait_all([first, second]) == [1, 2]


def test_what_is_not_there_yet_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"\[value\] there is none yet"):
        futures.Future().value()
    assert futures.collect_all([]).wait() == []


def test_a_future_is_found_at_the_top_too() -> None:
    assert bx.Future is bx.futures.Future
