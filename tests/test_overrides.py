"""Classes with a `__torch_function__` of their own, derived from Tensor or not."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import pytest

import backprop_ext as bx
from backprop_ext import overrides


class Named(bx.Tensor):
    """A tensor whose class says nothing of its own."""


class Told(bx.Tensor):
    """A tensor that writes down what is done to it."""

    told: ClassVar[list[str]] = []

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.told.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs or {})


HANDLED: dict[Any, Any] = {}


class Diagonal:
    """A matrix that keeps its diagonal alone."""

    def __init__(self, values: bx.Tensor) -> None:
        self.values = values

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in HANDLED or not all(issubclass(t, (bx.Tensor, cls)) for t in types):
            return NotImplemented
        return HANDLED[func](*args, **(kwargs or {}))


def implements(func: Any) -> Any:
    def enter(own: Any) -> Any:
        HANDLED[func] = functools.wraps(func, assigned=())(own)
        return own

    return enter


@implements(bx.sum)
def _sum(d: Diagonal) -> bx.Tensor:
    return d.values.sum()


@implements(bx.matmul)
def _matmul(a: Any, b: Any) -> Any:
    return a * b.values if isinstance(b, Diagonal) else a.values[:, None] * b


@implements(bx.cat)
def _cat(parts: Any, dim: int = 0) -> bx.Tensor:
    return bx.cat([bx.diag(p.values) if isinstance(p, Diagonal) else p for p in parts], dim)


@implements(bx.linalg.cholesky)
def _cholesky(d: Diagonal, *, upper: bool = False) -> Diagonal:
    return Diagonal(d.values.sqrt())


def test_results_are_of_the_class_of_their_operands() -> None:
    x = bx.tensor([1.0, 2.0]).as_subclass(Named)
    assert repr(x) == "Named([1., 2.])"
    results = [x + 1, 1 - x, bx.ones(2) / x, x.sum(), bx.exp(x), x[0], bx.cat([x, x]), x @ x, -x]
    results += [bx.nn.functional.relu(x), x.reshape(1, 2).T, x.clone(), x.data, x.max(0).values]
    assert {type(r) for r in results} == {Named}
    assert type(x.split(1)) is tuple
    assert type(x.split(1)[0]) is Named
    assert type(x.shape) is bx.Size
    assert isinstance(x.sum().item(), float)


def test_a_subclass_has_its_place_in_the_graph() -> None:
    leaf = bx.tensor([1.0, 2.0], requires_grad=True)
    y = (leaf.as_subclass(Named) * 3).sum()
    assert y.grad_fn is not None
    assert y.grad_fn.name() == "AliasBackward0"
    y.backward()
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [3.0, 3.0]
    assert type(leaf.grad) is bx.Tensor


def test_a_subclass_is_told_what_is_done() -> None:
    x = bx.tensor([1.0, 2.0]).as_subclass(Told)
    Told.told.clear()
    _ = x + 1, 2 * x, bx.ones(2) @ x, x.exp(), bx.stack([x, x]), x[0], x == 1, 1 - x
    expected = ["add", "mul", "matmul", "exp", "stack", "__getitem__", "__eq__", "__rsub__"]
    assert Told.told == expected


def test_asked_are_subclasses_before_their_bases_and_none_within_the_context() -> None:
    class Deeper(Told):
        pass

    x, y = (bx.ones(2).as_subclass(kind) for kind in (Told, Deeper))
    assert type(x + y) is Deeper
    assert type(bx.add(x, y)) is Deeper
    with bx._C.DisableTorchFunctionSubclass():
        assert type(x + 1) is bx.Tensor
        assert type(bx.exp(x)) is bx.Tensor
    with pytest.raises(TypeError, match="NotImplemented"):
        _ = x + bx.ones(2).as_subclass(Named)


def test_parameters_take_no_part() -> None:
    class Scale(bx.nn.Parameter):
        pass

    scale = Scale(bx.ones(2))
    assert type(scale * 2) is bx.Tensor
    assert not overrides.has_torch_function((scale, bx.ones(1), 2.0))


def test_any_class_may_answer_for_operations_that_do_not_know_it() -> None:
    d, m = Diagonal(bx.tensor([1.0, 4.0])), bx.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert bx.sum(d).item() == 5.0
    assert bx.matmul(m, d).tolist() == [[1.0, 8.0], [3.0, 16.0]]
    assert bx.matmul(d, m).tolist() == [[1.0, 2.0], [12.0, 16.0]]
    assert bx.cat([d, m], dim=1).shape == (2, 4)
    assert bx.linalg.cholesky(d, upper=True).values.tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match=r"\[exp\] __torch_function__ of \['Diagonal'\]"):
        bx.exp(d)


def test_functions_of_ones_own_ask_too() -> None:
    @overrides.wrap_torch_function(lambda a, b: (a, b))
    def average(a: Any, b: Any) -> Any:
        return (a + b) / 2

    HANDLED[average] = lambda a, b: "asked"
    assert average(Diagonal(bx.ones(2)), 1.0) == "asked"
    assert average(1.0, 3.0) == 2.0
    assert overrides.is_tensor_like(Diagonal(bx.ones(2)))
    assert not overrides.is_tensor_like(1.0)
    assert overrides.has_torch_function_variadic(1.0, Diagonal(bx.ones(2)))
