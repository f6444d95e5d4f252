"""Derivatives of functions as functions, and functions over examples.

Arguments and results may be nested tuples, lists and dicts of tensors, such as a dict of
parameters. Source: https://docs.pytorch.org/docs/stable/func.api.html
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

from . import _core, _tree
from ._checks import truths
from ._core import Tensor
from ._func_checks import (
    Numbers,
    check_chunks,
    check_randomness,
    only_tensors,
    picked,
    with_aux,
)
from ._names import missing_from
from ._vmap import vmap
from .autograd import functional
from .autograd.functional import transforms
from .autograd.grad_mode import enable_grad, is_grad_enabled
from .nn.utils import stateless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .nn.modules.module import Module

__all__ = [
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]

__getattr__ = missing_from("torch.func", globals())


@contextmanager
def _inside() -> Iterator[None]:
    """While a function runs: a derivative that it takes may be differentiated from outside."""
    transforms.level += 1
    try:
        with enable_grad():
            yield
    finally:
        transforms.level -= 1
        if not transforms.level:
            transforms.made.clear()


def _leads_elsewhere(outputs: list[Any], own: Sequence[Tensor]) -> bool:
    """Whether outputs depend on tensors that require grad and were not made by transforms."""
    known = [*own, *transforms.made]
    return _core._leads_elsewhere([t for t in outputs if isinstance(t, Tensor)], known)


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
        call = _Call(args, argnums)
        y, more = call.run(func, kwargs, has_aux)
        if not isinstance(y, Tensor) or y.numel() != 1:
            shape = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise RuntimeError(f"[grad] the function returned {shape}; one element is needed")
        found = functional._grads("grad", (y,), call.leaves, None, call.nested, False)
        value = y if call.nested else y.detach()
        return call.build(found), (value, *more) if has_aux else value

    return gradient


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(func(primals), f) with f(v) = J^T v, a tuple; has_aux as in grad."""
    for p in (*primals, *_tree.leaves(primals)):
        if p is None or not isinstance(p, (Tensor, tuple, list, dict)):
            raise ValueError(f"[vjp] {p!r} is no Tensor; bind other arguments with partial")
    call = _Call(primals, tuple(range(len(primals))))
    y, more = call.run(func, {}, has_aux)
    ys, build = _tree.flatten(y)
    only_tensors("vjp", ys, y)

    def back(v: Any) -> Any:
        vs = tuple(_tree.leaves(v))
        return call.build(functional._grads("vjp", tuple(ys), call.leaves, vs, call.nested, False))

    return (build([t if call.nested else t.detach() for t in ys]), back, *more)


def jvp(
    func: Callable[..., Any],
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """(func(primals), J v), v the tangents, by two backward passes; has_aux as in grad.

    strict: a result that does not depend on the primals is an error. Raises RuntimeError for
    tangents of other shapes.
    """
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, tuple) or not given:
            raise RuntimeError(f"[jvp] {name}={given!r}; pass a tuple of one or more")
        only_tensors("jvp", _tree.leaves(given), given)
    xs, build = _tree.flatten(primals)
    nested = bool(transforms.level) or any(x.requires_grad for x in xs)
    recorded = nested or is_grad_enabled()
    more: list[Any] = []
    shape_of: list[Any] = []
    kept: list[bool] = []

    def flat(*values: Tensor) -> tuple[Tensor, ...]:
        with _inside():
            result = func(*build(list(values)))
            result, *rest = with_aux("jvp", result) if has_aux else (result,)
            found, rebuild = _tree.flatten(result)
            only_tensors("jvp", found, result)
            kept[:] = [nested or (recorded and _leads_elsewhere(found, values))]
        more[:] = rest if kept[0] else map(_detached, rest)
        shape_of[:] = [rebuild]
        return tuple(found)

    vs = tuple(_tree.leaves(tangents))
    ys, found = functional.jvp(flat, tuple(xs), vs, recorded, strict)
    (rebuild,) = shape_of
    pair = (rebuild(list(ys)), rebuild(list(found)))
    return (*(pair if kept[0] else map(_detached, pair)), *more)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(func(primals), f) with f(v) = J v: jvp at one point; each call of f runs func again."""
    with _inside():
        value = func(*primals)

    def push(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return value, push


def jacrev(
    func: Callable[..., Any],
    argnums: Numbers = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """x -> d func / d x, of shape result.shape + x.shape; a tuple for several argnums.

    One backward pass for each element of the result; chunk_size and _preallocate_and_copy change
    nothing. A nested result gives a nest of Jacobians, each in the structure of x. has_aux as in
    grad.
    """
    check_chunks("jacrev", chunk_size)
    truths(_preallocate_and_copy)

    @wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        call = _Call(args, argnums)
        y, more = call.run(func, kwargs, has_aux)
        ys, build = _tree.flatten(y)
        only_tensors("jacrev", ys, y)
        rows = [functional._row(t, call.leaves, call.nested, False) for t in ys]
        found = build([call.build(row) for row in rows])
        return (found, *more) if has_aux else found

    return jacobian


def jacfwd(func: Callable[..., Any], argnums: Numbers = 0, **options: Any) -> Callable[..., Any]:
    """The Jacobian as jacrev returns it, and computes it."""
    check_randomness("jacfwd", options.pop("randomness", "error"))
    return jacrev(func, argnums, **options)


def hessian(func: Callable[..., Any], argnums: Numbers = 0) -> Callable[..., Any]:
    """x -> d^2 func / d x^2, of shape result.shape + x.shape + x.shape."""
    return jacrev(jacrev(func, argnums), argnums)


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """nn.utils.stateless.functional_call with one dict, or several. ValueError: a name in two."""
    given: dict[str, Tensor] = {}
    if isinstance(parameter_and_buffer_dicts, dict):
        given = parameter_and_buffer_dicts
    elif not isinstance(parameter_and_buffer_dicts, (list, tuple)) or not all(
        isinstance(part, dict) for part in parameter_and_buffer_dicts
    ):
        raise ValueError(
            f"[functional_call] {parameter_and_buffer_dicts=}; pass a dict, or a list of them"
        )
    else:
        for part in parameter_and_buffer_dicts:
            twice = sorted(set(part) & set(given))
            if twice:
                raise ValueError(
                    f"[functional_call] {twice} are in several dictionaries; keep one of each"
                )
            given |= part
    return stateless.functional_call(
        module, given, args, kwargs, tie_weights=tie_weights, strict=strict
    )


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """func itself: what it writes in place has derivatives here.

    Raises RuntimeError for another `remove` than PyTorch's two.
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(f"[functionalize] {remove=}; 'mutations' or 'mutations_and_views'")
    return func


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """root, its BatchNorm layers without running statistics: they use those of the batch."""
    from .nn.modules.batchnorm import _BatchNorm

    for module in root.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


def stack_module_state(
    models: Sequence[Module],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(parameters, buffers) of modules of one kind, by name, stacked along a new first dimension.

    Raises RuntimeError for no modules, or of different classes or modes.
    """
    kinds = dict.fromkeys((type(m).__name__, m.training) for m in models)
    if len(kinds) != 1:
        shown = ", ".join(f"{kind} in {'train' if on else 'eval'} mode" for kind, on in kinds)
        raise RuntimeError(
            f"[stack_module_state] the modules are {shown or 'none'}; "
            "pass modules of one class and mode"
        )
    parameters: dict[str, Tensor] = {}
    for name, first in models[0].named_parameters():
        each = [dict(m.named_parameters())[name].detach() for m in models]
        parameters[name] = _core.stack(each).requires_grad_(first.requires_grad)
    buffers = {
        name: _core.stack([dict(m.named_buffers())[name] for m in models])
        for name, _ in models[0].named_buffers()
    }
    return parameters, buffers


def _detached(tree: Any) -> Any:
    values, build = _tree.flatten(tree)
    return build([v.detach() if isinstance(v, Tensor) else v for v in values])


class _Call:
    """A call of a function, with the tensors of some arguments as leaves to differentiate to.

    nested: a derivative is taken of the derivative, from outside; it needs a graph. So does one of
    a function that reads other tensors that require grad, as the weights of a module.
    """

    def __init__(self, args: tuple[Any, ...], argnums: Numbers) -> None:
        places = picked(len(args), argnums)
        tensors, build = _tree.flatten([args[i] for i in places])
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise ValueError(
                    f"[func] a {type(tensor).__name__} is to be differentiated to; pass tensors, "
                    "or choose other argnums"
                )
        inputs = [t for t in _tree.leaves(args) if isinstance(t, Tensor)]
        self.nested = bool(transforms.level) or any(t.requires_grad for t in inputs)
        self._recorded = is_grad_enabled()
        with enable_grad():
            self.leaves = tuple(functional.as_input(t, self.nested) for t in tensors)
        self._build, self._several = build, isinstance(argnums, tuple)
        self._args = [*args]
        for i, value in zip(places, build(list(self.leaves)), strict=True):
            self._args[i] = value

    def run(self, func: Callable[..., Any], kwargs: Any, has_aux: bool) -> tuple[Any, list[Any]]:
        """(result, what comes with it)."""
        with _inside():
            result = func(*self._args, **kwargs)
            y, *more = with_aux("func", result) if has_aux else (result,)
            if self._recorded and not self.nested:
                self.nested = _leads_elsewhere(_tree.leaves(y), self.leaves)
        return y, more if self.nested else [_detached(part) for part in more]

    def build(self, found: Sequence[Tensor]) -> Any:
        """Derivatives in the structure of the arguments."""
        built = self._build(list(found))
        return tuple(built) if self._several else built[0]
