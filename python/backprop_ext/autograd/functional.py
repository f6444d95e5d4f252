"""Jacobians, Hessians, and their products with vectors, of functions of tensors.

Source: https://docs.pytorch.org/docs/stable/autograd.html#functional-higher-level-api
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .. import _core
from .._checks import truths
from .._core import Tensor
from .engine import grad
from .grad_mode import enable_grad

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Tensors = tuple[Tensor, ...]

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


class _Transforms(threading.local):
    """Those of torch.func around the caller, and the leaves made meanwhile: it looks for others."""

    def __init__(self) -> None:
        self.level = 0
        self.made: list[Tensor] = []


transforms = _Transforms()


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """J[i][j] = d output_i / d input_j, of shape output_i.shape + input_j.shape.

    A tensor for one input and one output, a tuple for several of either, a tuple of tuples for
    both. strict: an output that does not depend on an input is an error, else zeros. `vectorize`
    changes nothing; `strategy` neither. Raises TypeError for what is no tensor, RuntimeError with
    strict, AssertionError for another strategy. "forward-mode" takes vectorize=True alone:
    RuntimeError for strict, NotImplementedError for create_graph.
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise AssertionError(f"[jacobian] {strategy=}; pass 'reverse-mode' or 'forward-mode'")
    if strategy == "forward-mode" and (create_graph or strict or not vectorize):
        known = RuntimeError if strict and not create_graph else NotImplementedError
        raise known(
            f"[jacobian] strategy='forward-mode' with {create_graph=}, {strict=}, {vectorize=}; "
            "pass vectorize=True alone"
        )
    truths(vectorize)
    with enable_grad():
        xs, one_input = _inputs("jacobian", inputs, create_graph)
        ys, one_output = _outputs("jacobian", func, xs)
        rows = tuple(_row(y, xs, create_graph, strict) for y in ys)
    found: Any = tuple(row[0] for row in rows) if one_input else rows
    return found[0] if one_output else found


def _row(y: Tensor, xs: Tensors, create_graph: bool, strict: bool) -> Tensors:
    """d y / d x for every x: a backward pass for each element of y."""
    elements = y.reshape(-1)
    found: list[list[Tensor]] = [[] for _ in xs]
    for k in range(y.numel()):
        for column, g in zip(
            found, _grads("jacobian", (elements[k],), xs, None, create_graph, strict), strict=True
        ):
            column.append(g)
    return tuple(
        (_core.stack(column) if column else _core.zeros(0, dtype=x.dtype)).view(
            (*y.shape, *x.shape)
        )
        for column, x in zip(found, xs, strict=True)
    )


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """H[i][j] = d^2 f / (d input_i d input_j) of a function with one element as its result.

    A tensor for one input, a tuple of tuples for several. Raises RuntimeError for a result of
    several elements, and as jacobian does.
    """
    one_input = isinstance(inputs, Tensor)

    def gradient(*xs: Tensor) -> Tensors:
        ys, _ = _outputs("hessian", func, xs)
        _check_scalar("hessian", ys)
        return _grads("hessian", ys, xs, None, True, strict)

    found = jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return found[0] if one_input else found


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(func(inputs), J^T v); v has the shapes of the outputs, None stands for 1 of one element.

    Raises RuntimeError for other shapes, and with strict for an input that nothing depends on.
    """
    with enable_grad():
        xs, one_input = _inputs("vjp", inputs, create_graph)
        ys, one_output = _outputs("vjp", func, xs)
        vs = _vectors("vjp", v, ys)
        found = _grads("vjp", ys, xs, vs, create_graph, strict)
    return _out(ys, one_output, create_graph), _out(found, one_input, create_graph)


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(func(inputs), J v); v has the shapes of the inputs, None stands for 1 of one element.

    Two backward passes: J^T u is linear in u, and its derivative is J. Raises as vjp does.
    """
    with enable_grad():
        xs, _ = _inputs("jvp", inputs, create_graph)
        vs = _vectors("jvp", v, xs)
        ys, one_output = _outputs("jvp", func, xs)
        us = tuple(_leaf(_core.zeros_like(y)) for y in ys)
        back = _grads("jvp", ys, xs, us, True, strict)
        found = _grads("jvp", back, us, vs, create_graph, False)
    return _out(ys, one_output, create_graph), _out(found, one_output, create_graph)


def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(f(inputs), v^T H) of a function with one element as its result. Raises as hessian does."""
    with enable_grad():
        xs, one_input = _inputs("vhp", inputs, create_graph)
        vs = _vectors("vhp", v, xs)
        ys, one_output = _outputs("vhp", func, xs)
        _check_scalar("vhp", ys)
        first = _grads("vhp", ys, xs, None, True, strict)
        found = _grads("vhp", first, xs, vs, create_graph, strict)
    return _out(ys, one_output, create_graph), _out(found, one_input, create_graph)


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(f(inputs), H v): H is symmetric, so it is vhp, which is faster than PyTorch's way to it."""
    return vhp(func, inputs, v, create_graph, strict)


def _inputs(op: str, inputs: Any, create_graph: bool) -> tuple[Tensors, bool]:
    """The inputs as leaves; with create_graph, as copies that their own graphs lead to."""
    one = isinstance(inputs, Tensor)
    xs = _tensors(op, "an input", inputs)
    return tuple(as_input(x, create_graph) for x in xs), one


def as_input(x: Tensor, create_graph: bool) -> Tensor:
    """x as an input to differentiate to; its own graph goes on with create_graph."""
    return x.view_as(x) if create_graph and x.requires_grad else _leaf(x.detach())


def _leaf(x: Tensor) -> Tensor:
    if transforms.level:
        transforms.made.append(x)
    return x.requires_grad_()


def _outputs(op: str, func: Callable[..., Any], xs: Sequence[Tensor]) -> tuple[Tensors, bool]:
    result = func(*xs)
    return _tensors(op, "a result of the function", result), isinstance(result, Tensor)


def _tensors(op: str, what: str, values: Any) -> Tensors:
    several = values if isinstance(values, tuple) else (values,)
    for value in several:
        if not isinstance(value, Tensor):
            raise TypeError(
                f"[{op}] {what} is a {type(value).__name__}; pass a Tensor or a tuple of Tensors"
            )
    return several


def _check_scalar(op: str, ys: Tensors) -> None:
    if len(ys) != 1 or ys[0].numel() != 1:
        raise RuntimeError(
            f"[{op}] the function returned shapes {[tuple(y.shape) for y in ys]}; one tensor of "
            "one element is needed"
        )


def _vectors(op: str, v: Any, like: Tensors) -> Tensors:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"[{op}] v can be left out for one element only, the shapes are "
                f"{[tuple(t.shape) for t in like]}; pass v"
            )
        return (_core.ones_like(like[0]),)
    vs = _tensors(op, "v", v)
    shapes = [[tuple(t.shape) for t in tensors] for tensors in (vs, like)]
    if shapes[0] != shapes[1]:
        raise RuntimeError(f"[{op}] v has shapes {shapes[0]}, {shapes[1]} are needed")
    return vs


def _grads(
    op: str, ys: Tensors, xs: Sequence[Tensor], vs: Tensors | None, create_graph: bool, strict: bool
) -> Tensors:
    """sum_i (d y_i / d x)^T v_i for each x, zeros where nothing depends on it."""
    pairs = [(y, None if vs is None else vs[i]) for i, y in enumerate(ys) if y.requires_grad]
    if strict and len(pairs) < len(ys):
        raise RuntimeError(f"[{op}] a result does not depend on the inputs; drop strict for zeros")
    found: Sequence[Tensor | None] = [None] * len(xs)
    if pairs:
        found = grad(
            [y for y, _ in pairs],
            xs,
            [g for _, g in pairs],
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )
    if strict and any(g is None for g in found):
        raise RuntimeError(
            f"[{op}] the results do not depend on input {[g is None for g in found].index(True)}; "
            "drop strict for zeros"
        )
    return tuple(_core.zeros_like(x) if g is None else g for g, x in zip(found, xs, strict=True))


def _out(tensors: Tensors, one: bool, create_graph: bool) -> Any:
    kept = tensors if create_graph else tuple(t.detach() for t in tensors)
    return kept[0] if one else kept
