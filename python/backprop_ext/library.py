"""Operations of one's own, by name: torch.library.

    @torch.library.custom_op("mylib::double", mutates_args=())
    def double(x: Tensor) -> Tensor:
        return x * 2

is called as `double(x)` or `torch.ops.mylib.double(x)`, and has the derivative that
`double.register_autograd(backward, setup_context=...)` gives it. What a compiler or another device
would need is kept and not asked. Source: https://docs.pytorch.org/docs/stable/library.html
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from ._core import Tensor
from ._ops import ops
from .autograd.function import Function
from .autograd.grad_mode import no_grad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Run = Callable[..., Any]

__all__ = [
    "CustomOpDef",
    "Library",
    "custom_op",
    "define",
    "impl",
    "register_autograd",
    "register_fake",
    "register_kernel",
]

_defined: dict[str, CustomOpDef] = {}


class _Recorded(Function):
    """A call of an operation that has a derivative, or must refuse to be differentiated."""

    @staticmethod
    def forward(ctx: Any, op: CustomOpDef, named: dict[str, Any], *args: Any) -> Any:
        ctx.op = op
        result = op._kernel(*args, **named)
        if op._setup is not None:
            given = {"inputs": args, "output": result}
            if named:
                given["keyword_only_inputs"] = named
            op._setup(ctx, **given)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        op = ctx.op
        if op._backward is None:
            raise RuntimeError(
                f"[{op._qualname}] Trying to backward through {op._qualname} but no autograd "
                "formula was registered; use register_autograd"
            )
        found = op._backward(ctx, *grads)
        return (None, None, *(found if isinstance(found, tuple) else (found,)))


class CustomOpDef:
    """An operation: a function and what was registered for it."""

    def __init__(self, qualname: str, fn: Run | None, mutates_args: str | Iterable[str]) -> None:
        self._qualname = _checked(qualname)
        self._namespace, _, self._name = qualname.partition("::")
        self._kernels: dict[str, Run] = {} if fn is None else {"cpu": fn}
        self._mutates = mutates_args
        self._fake: Run | None = None
        self._backward: Run | None = None
        self._setup: Run | None = None
        self.__name__ = self._name
        self.__doc__ = getattr(fn, "__doc__", None)
        self._signature = None if fn is None else inspect.signature(fn)
        _defined[qualname] = self
        self._opoverload = getattr(ops, self._namespace)._enter(self._name, self).default

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def _kernel(self, *args: Any, **kwargs: Any) -> Any:
        run = self._kernels.get("cpu", self._kernels.get("default"))
        if run is None:
            raise NotImplementedError(
                f"[{self._qualname}] there is no kernel for the cpu; register one by impl()"
            )
        result = run(*args, **kwargs)
        made = result if isinstance(result, (tuple, list)) else (result,)
        if any(t is arg for t in made if isinstance(t, Tensor) for arg in args):
            raise RuntimeError(
                f"[{self._qualname}] an output is one of the inputs; return a clone() of it"
            )
        return result

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if self._signature is not None:
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        if not any(isinstance(a, Tensor) and a.requires_grad for a in args) or self._mutates:
            with no_grad():
                return self._kernel(*args, **kwargs)
        return _Recorded.apply(self, kwargs, *args)

    def register_kernel(self, device_types: Any, fn: Run | None = None, /) -> Any:
        """The function for a device, or several; the CPU's is what runs here."""

        def enter(run: Run) -> Run:
            kinds = [device_types] if isinstance(device_types, str) else device_types
            for kind in kinds or ["default"]:
                self._kernels[kind] = run
            return run

        return enter if fn is None else enter(fn)

    def register_fake(self, fn: Run, /) -> Run:
        """The function that makes the results' shapes, for a compiler: kept."""
        self._fake = fn
        return fn

    def register_autograd(self, backward: Run, /, *, setup_context: Run | None = None) -> None:
        """backward(ctx, *grads) gives a gradient, or None, for each input."""
        if self._mutates:
            raise RuntimeError(
                f"[{self._qualname}] it writes into {self._mutates!r}: only an operation that "
                "writes nowhere has a derivative"
            )
        self._backward, self._setup = backward, setup_context

    def register_vmap(self, func: Run | None = None) -> Any:
        """A function for vmap, which is a loop here: kept nowhere."""
        return (lambda run: run) if func is None else func


def _checked(qualname: Any) -> str:
    if not isinstance(qualname, str) or qualname.count("::") != 1:
        raise ValueError(f"[library] {qualname!r} is no name; pass 'namespace::name'")
    return qualname


def _found(op: Any) -> CustomOpDef:
    name = getattr(op, "_qualname", None) or getattr(op, "_qualified_op_name", op)
    name = name.name() if hasattr(name, "name") else name
    if name not in _defined:
        raise RuntimeError(f"[library] there is no operation {name!r}; make it by custom_op")
    return _defined[name]


def custom_op(
    name: str,
    fn: Run | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: Any = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """A function, of annotated arguments, as an operation `namespace::name`.

    ValueError for another name, and for an argument without annotation where no schema is given.
    """
    _checked(name)

    def make(run: Run) -> CustomOpDef:
        for key, given in inspect.signature(run).parameters.items():
            if schema is None and given.annotation is inspect.Parameter.empty:
                raise ValueError(
                    f"[infer_schema] parameter {key} of {name} must have a type annotation"
                )
        made = CustomOpDef(name, None if device_types else run, mutates_args)
        if device_types:
            made.register_kernel(device_types, run)
            made._signature = inspect.signature(run)
        return made

    return make if fn is None else make(fn)


def define(qualname: str, schema: str, *, lib: Any = None, tags: Any = ()) -> None:
    """An operation with a schema; impl() gives it a function."""
    CustomOpDef(qualname, None, ())


def impl(qualname: str, types: Any, func: Run | None = None, *, lib: Any = None) -> Any:
    """The function of a defined operation."""
    kinds = (
        "cpu"
        if types in ("CPU", "CompositeExplicitAutograd", "CompositeImplicitAutograd")
        else types
    )
    return _found(qualname).register_kernel(kinds, func)


register_kernel = impl


def register_fake(op: Any, func: Run | None = None, /, **options: Any) -> Any:
    """CustomOpDef.register_fake of an operation or its name."""
    found = _found(op)
    return found.register_fake if func is None else found.register_fake(func)


def register_autograd(
    op: Any, backward: Run, /, *, setup_context: Run | None = None, lib: Any = None
) -> None:
    """CustomOpDef.register_autograd of an operation or its name."""
    _found(op).register_autograd(backward, setup_context=setup_context)


class Library:
    """The operations of a namespace: define and impl by their short names."""

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        if kind not in ("DEF", "IMPL", "FRAGMENT"):
            raise ValueError(f"[Library] {kind=}; pass 'DEF', 'IMPL' or 'FRAGMENT'")
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """`name(Tensor x) -> Tensor`; returns the name."""
        name = schema.partition("(")[0].strip()
        define(f"{self.ns}::{name}", schema)
        return name

    def impl(self, op_name: Any, fn: Run, dispatch_key: str = "", **options: Any) -> None:
        """The function of an operation."""
        name = op_name if isinstance(op_name, str) else op_name.name()
        name = name if "::" in name else f"{self.ns}::{name}"
        impl(name, dispatch_key or self.dispatch_key or "cpu", fn)
