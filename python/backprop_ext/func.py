"""Derivatives of functions as functions.

Source: https://docs.pytorch.org/docs/stable/func.api.html
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from ._core import Tensor
from .autograd import engine, functional
from .autograd.grad_mode import enable_grad
from .nn.utils.stateless import functional_call

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["functional_call", "grad", "grad_and_value", "hessian", "jacrev", "vjp"]

Numbers = int | tuple[int, ...]


def grad(
    func: Callable[..., Any], argnums: Numbers = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """x -> d func / d x of a function whose result has one element; a tuple for several argnums.

    has_aux: func returns (result, more), and so does this. May be nested. Raises RuntimeError for a
    result of several elements.
    """
    both = grad_and_value(func, argnums, has_aux)

    @wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def grad_and_value(
    func: Callable[..., Any], argnums: Numbers = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """x -> (d func / d x, func(x)), as grad."""

    @wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        nested = any(t.requires_grad for t in _picked(args, argnums))
        with enable_grad():
            changed, wanted = _with_leaves(args, argnums)
            result = func(*changed, **kwargs)
            y, *more = result if has_aux else (result,)
            if not isinstance(y, Tensor) or y.numel() != 1:
                shape = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
                raise RuntimeError(f"[grad] the function returned {shape}; one element is needed")
            found = functional._grads("grad", (y,), wanted, None, nested, False)
        y = y if nested else y.detach()
        value = (y, *more) if has_aux else y
        return found if isinstance(argnums, tuple) else found[0], value

    return gradient


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(func(primals), f) with f(v) = J^T v, a tuple; has_aux as in grad."""
    with enable_grad():
        xs = tuple(
            x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in primals
        )
        result = func(*xs)
    y, more = (result[0], result[1:]) if has_aux else (result, ())
    ys = (y,) if isinstance(y, Tensor) else tuple(y)

    def back(v: Any) -> tuple[Tensor, ...]:
        vs = (v,) if isinstance(v, Tensor) else tuple(v)
        return engine.grad(ys, xs, vs, retain_graph=True, materialize_grads=True)

    shown = y.detach() if isinstance(y, Tensor) else tuple(t.detach() for t in y)
    return (shown, back, *more)


def jacrev(func: Callable[..., Any], argnums: Numbers = 0, **options: Any) -> Callable[..., Any]:
    """x -> d func / d x, of shape result.shape + x.shape; a tuple for several argnums."""

    @wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        def of_picked(*xs: Tensor) -> Any:
            return func(*_replaced(args, argnums, xs), **kwargs)

        picked = _picked(args, argnums)
        found = functional.jacobian(
            of_picked, picked, create_graph=any(x.requires_grad for x in picked)
        )
        if isinstance(argnums, tuple):
            return found
        return tuple(row[0] for row in found) if isinstance(found[0], tuple) else found[0]

    return jacobian


def hessian(func: Callable[..., Any], argnums: Numbers = 0) -> Callable[..., Any]:
    """x -> d^2 func / d x^2."""
    return jacrev(grad(func, argnums), argnums)


def _picked(args: tuple[Any, ...], argnums: Numbers) -> tuple[Tensor, ...]:
    return tuple(args[i] for i in (argnums if isinstance(argnums, tuple) else (argnums,)))


def _replaced(
    args: tuple[Any, ...], argnums: Numbers, values: tuple[Tensor, ...]
) -> tuple[Any, ...]:
    changed = [*args]
    for i, x in zip(argnums if isinstance(argnums, tuple) else (argnums,), values, strict=True):
        changed[i] = x
    return tuple(changed)


def _with_leaves(args: tuple[Any, ...], argnums: Numbers) -> tuple[Any, tuple[Tensor, ...]]:
    wanted = tuple(functional.as_input(x, True) for x in _picked(args, argnums))
    return _replaced(args, argnums, wanted), wanted
