"""The checkers catch wrong derivatives: the tests' own, and the package's gradcheck."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numeric import DirectionCheck, WrongDerivativeError

import backprop_ext as bx
from backprop_ext import testing

X = np.random.default_rng(0).uniform(0.5, 2.0, (3, 4))
ROW = np.random.default_rng(1).uniform(0.5, 2.0, 4)


def tampered(t: bx.Tensor, change: Any) -> bx.Tensor:
    """t with a gradient that `change` makes wrong."""
    result = t * 1
    if result.requires_grad:
        result.register_hook(change)
    return result


def wrong_factor(x: Any, row: Any) -> Any:
    return tampered(x.exp(), lambda g: g * 1.001) * row


def wrong_sign(x: Any, row: Any) -> Any:
    return tampered(x.cos(), lambda g: -g) + row


def wrong_by_one_place(x: Any, row: Any) -> Any:
    return tampered(x, lambda g: bx.cat([g[1:], g[:1]])) ** 2 + row


def wrong_in_one_element(x: Any, row: Any) -> Any:
    def change(g: Any) -> Any:
        g = g.clone()
        g[2, 3] = 0
        return g

    return tampered(x, change) * row


def missing_broadcast_sum(x: Any, row: Any) -> Any:
    def only_first(g: Any) -> Any:
        return bx.cat([g[:1], bx.zeros_like(g[1:])])

    return x * tampered(row.expand(3, 4), only_first)


def transposed_gradient(x: Any, row: Any) -> Any:
    square = x[:, :3]
    return (tampered(square, lambda g: g.t()) @ square) + row[:3]


def forgotten_input(x: Any, row: Any) -> Any:
    return x * row + x.detach() * x


def constant_offset(x: Any, row: Any) -> Any:
    return tampered(x * row, lambda g: g + 1e-3)


WRONG_FIRST = [
    wrong_factor, wrong_sign, wrong_by_one_place, wrong_in_one_element, missing_broadcast_sum,
    transposed_gradient, forgotten_input, constant_offset,
]  # fmt: skip


def detached_gradient(x: Any, row: Any) -> Any:
    return tampered(x.sin(), lambda g: g.detach()) ** 2 * row


def wrong_second_factor(x: Any, row: Any) -> Any:
    """g * 1 in value, g * 1.01 in slope."""
    return tampered(x.exp(), lambda g: g * 1.01 - g.detach() * 0.01) ** 2 * row


def second_of_a_saved_constant(x: Any, row: Any) -> Any:
    """x^2 whose gradient 2x forgets that it depends on x."""
    frozen = x.detach()
    return frozen * (x * 2) - frozen * frozen + row


WRONG_SECOND = [detached_gradient, wrong_second_factor, second_of_a_saved_constant]


def right(x: Any, row: Any) -> Any:
    return (x * row).tanh().exp() / (1 + row**2) + x.softmax(1)


def leaves() -> list[bx.Tensor]:
    return [bx.tensor(X, requires_grad=True), bx.tensor(ROW, requires_grad=True)]


def test_right_derivatives_pass() -> None:
    check = DirectionCheck(right, [X, ROW])
    check.first()
    check.second()
    for fast_mode in (False, True):
        assert testing.gradcheck(right, leaves(), fast_mode=fast_mode)
        assert testing.gradgradcheck(right, leaves(), fast_mode=fast_mode)


@pytest.mark.parametrize("function", WRONG_FIRST, ids=lambda f: f.__name__)
@pytest.mark.parametrize("seed", range(5))
def test_wrong_derivative_is_caught_by_random_directions(function: Any, seed: int) -> None:
    with pytest.raises(WrongDerivativeError, match="first derivative"):
        DirectionCheck(function, [X, ROW], seed=seed).first()


@pytest.mark.parametrize("function", WRONG_SECOND, ids=lambda f: f.__name__)
@pytest.mark.parametrize("seed", range(5))
def test_wrong_second_derivative_is_caught_and_the_first_passes(function: Any, seed: int) -> None:
    check = DirectionCheck(function, [X, ROW], seed=seed)
    check.first()
    with pytest.raises(WrongDerivativeError, match="second derivative"):
        check.second()


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize("function", WRONG_FIRST, ids=lambda f: f.__name__)
def test_wrong_derivative_is_caught_by_gradcheck(function: Any, fast_mode: bool) -> None:
    options = {"rtol": 1e-5, "atol": 1e-7, "fast_mode": fast_mode}
    with pytest.raises(testing.GradcheckError, match=r"\[gradcheck\] the derivative of output 0"):
        testing.gradcheck(function, leaves(), **options)
    assert testing.gradcheck(function, leaves(), raise_exception=False, **options) is False
    if function is constant_offset:
        return  # the offset is no part of the derivative of backward, by which tangents are made
    forward = {"check_forward_ad": True, "check_backward_ad": False}
    with pytest.raises(testing.GradcheckError, match="by forward mode"):
        testing.gradcheck(function, leaves(), **options, **forward)


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize("function", WRONG_SECOND, ids=lambda f: f.__name__)
def test_wrong_second_derivative_is_caught_by_gradgradcheck(function: Any, fast_mode: bool) -> None:
    assert testing.gradcheck(function, leaves(), fast_mode=fast_mode)
    with pytest.raises(testing.GradcheckError, match="derivative"):
        testing.gradgradcheck(function, leaves(), fast_mode=fast_mode)


def test_gradcheck_refuses_what_it_cannot_check_and_warns_of_floats() -> None:
    with pytest.raises(ValueError, match=r"\[gradcheck\].*requires_grad_"):
        testing.gradcheck(right, [bx.tensor(X), bx.tensor(ROW)])
    single = bx.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match=r"float32.*\.double\(\)"):
        assert testing.gradcheck(bx.exp, single, eps=1e-2, atol=1e-2)


def test_gradcheck_sees_a_backward_that_changes() -> None:
    count = iter(range(10**6))

    def unstable(x: Any) -> Any:
        return tampered(x, lambda g: g * (1 + 1e-9 * next(count)))

    x = bx.tensor(ROW, requires_grad=True)
    with pytest.raises(testing.GradcheckError, match="two backward passes"):
        testing.gradcheck(unstable, x)
    assert testing.gradcheck(unstable, x, nondet_tol=1e-3)


def test_assert_close_passes_and_fails_as_documented() -> None:
    a = bx.tensor([1.0, 2.0])
    testing.assert_close(a, a + 1e-7)
    testing.assert_close([a, {"k": a}], [a, {"k": a.clone()}])
    testing.assert_close(bx.tensor(float("nan")), bx.tensor(float("nan")), equal_nan=True)
    wrong: list[tuple[Any, Any]] = [
        (a, a + 1e-3),
        (a, a.double()),
        (a, a[:1]),
        (bx.tensor(float("nan")), bx.tensor(float("nan"))),
        (bx.tensor(float("inf")), bx.tensor(1e38)),
        ([a, a], [a, a + 1]),
        ({"k": a}, {"q": a}),
    ]
    for actual, expected in wrong:
        with pytest.raises(AssertionError, match=r"\[assert_close\]"):
            testing.assert_close(actual, expected)
    with pytest.raises(ValueError, match="both or none"):
        testing.assert_close(a, a, rtol=1e-3)
    with pytest.raises(TypeError, match="cannot be compared"):
        testing.assert_close(a, "x")
