"""Operations by name: those of one's own (torch.library), and of the package (torch.ops.aten).

    @torch.library.custom_op("mylib::double", mutates_args=())
    def double(x: Tensor) -> Tensor:
        return x * 2

is called as `double(x)` or `torch.ops.mylib.double(x)`; its derivative comes from
`double.register_autograd(backward, setup_context=...)`. `torch.ops.aten.add`, and `.add.Tensor` as
any overload, are the function, layer function or method of that name.
Source: https://docs.pytorch.org/docs/stable/library.html
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from . import _core
from ._core import Tensor
from .autograd.function import Function
from .autograd.grad_mode import no_grad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Run = Callable[..., Any]

__all__ = [
    "Library",
    "custom_op",
    "define",
    "impl",
    "ops",
    "register_autograd",
    "register_fake",
    "register_kernel",
]


class OpOverload:
    """An operation; its overloads are attributes, all of which do the same."""

    def __init__(self, namespace: str, name: str, run: Any, overload: str = "") -> None:
        self.namespace, self._run, self._overload = namespace, run, overload
        self.overloadpacket = self._overloadpacket = self
        self.__name__ = f"{name}.{overload}" if overload else name
        self._qualified_op_name = f"{namespace}::{self.__name__}".removesuffix(".default")

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._run(*args, **kwargs)

    def __getattr__(self, overload: str) -> OpOverload:
        if overload.startswith("_") or self._overload:
            raise AttributeError(f"{self} has no overload {overload!r}")
        made = OpOverload(self.namespace, self.__name__, self._run, overload)
        made.overloadpacket = made._overloadpacket = self
        return self.__dict__.setdefault(overload, made)  # type: ignore[no-any-return]

    def name(self) -> str:
        """`aten::add.Tensor`."""
        return self._qualified_op_name

    def overloads(self) -> list[str]:
        """["default"]."""
        return ["default"]

    def __repr__(self) -> str:
        return f"{self.namespace}.{self.__name__}"


class OpNamespace:
    """The operations of a namespace, as attributes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> OpOverload:
        from .nn import functional

        homes: Any = (_core, functional, Tensor, _core._nn, _core._special, _core._linalg)
        plain = name.removeprefix("special_").removeprefix("linalg_")
        if self.name == "aten" and name[:2] != "__":
            from ._aten import extra

            homes = [vars(home).get(name if home is _core else plain) for home in homes]
            for found in (extra.get(name), *homes):
                if callable(found):
                    return self._enter(name, found)
        raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{name}'")

    def _enter(self, name: str, run: Any) -> OpOverload:
        made = self.__dict__[name] = OpOverload(self.name, name, run)
        return made


class _Ops:
    def __getattr__(self, name: str) -> OpNamespace:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.__dict__.setdefault(name, OpNamespace(name))  # type: ignore[no-any-return]

    def load_library(self, path: str) -> None:
        """Raises OSError: what is compiled for PyTorch cannot be called from here."""
        raise OSError(f"[load_library] {path!r} is compiled for PyTorch, this is another engine")


ops = _Ops()

_defined: dict[str, CustomOpDef] = {}


class _Recorded(Function):
    """A call of an operation that has a derivative, or must refuse to be differentiated."""

    @staticmethod
    def forward(ctx: Any, op: CustomOpDef, named: dict[str, Any], *args: Any) -> Any:
        ctx.op = op
        result = op._call(args, named)
        if op._setup is not None:
            beside = {"keyword_only_inputs": named} if named else {}
            op._setup(ctx, inputs=args, output=result, **beside)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        op = ctx.op
        if op._backward is None:
            raise RuntimeError(
                f"[{op._qualname}] no autograd formula was registered; use register_autograd"
            )
        found = op._backward(ctx, *grads)
        return (None, None, *(found if isinstance(found, tuple) else (found,)))


class CustomOpDef:
    """An operation: a function and what was registered for it."""

    def __init__(self, qualname: str, fn: Run, mutates_args: str | Iterable[str]) -> None:
        self._qualname, (space, _, self.__name__) = qualname, qualname.partition("::")
        self._kernel, self._mutates = fn, mutates_args
        self._backward: Run | None = None
        self._setup: Run | None = None
        _defined[qualname] = self
        self._opoverload = getattr(ops, space)._enter(self.__name__, self).default

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def _call(self, args: Any, named: Any) -> Any:
        result = self._kernel(*args, **named)
        for made in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(made, Tensor) and any(made is arg for arg in args):
                raise RuntimeError(f"[{self._qualname}] an output is an input; return its clone()")
        return result

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        bound = inspect.signature(self._kernel).bind(*args, **kwargs)
        bound.apply_defaults()
        args, kwargs = bound.args, bound.kwargs
        if not self._mutates and any(isinstance(a, Tensor) and a.requires_grad for a in args):
            return _Recorded.apply(self, kwargs, *args)
        with no_grad():
            return self._call(args, kwargs)

    def register_kernel(self, device_types: Any, fn: Run | None = None, /) -> Any:
        """The function for the CPU; others are not kept."""

        def enter(run: Run) -> Run:
            if device_types is None or "cpu" in device_types:
                self._kernel = run
            return run

        return enter if fn is None else enter(fn)

    def register_fake(self, fn: Run, /) -> Run:
        """The function that makes the results' shapes, which a compiler would ask for."""
        return fn

    def register_autograd(self, backward: Run, /, *, setup_context: Run | None = None) -> None:
        """backward(ctx, *grads) gives a gradient, or None, for each input."""
        if self._mutates:
            raise RuntimeError(
                f"[{self._qualname}] it writes into {self._mutates!r}; only what writes nowhere "
                "has a derivative"
            )
        self._backward, self._setup = backward, setup_context


def _found(op: Any) -> CustomOpDef:
    name = getattr(op, "_qualname", getattr(op, "_qualified_op_name", op))
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
    if name.count("::") != 1:
        raise ValueError(f"[custom_op] {name!r} is no name; pass 'namespace::name'")

    def make(run: Run) -> CustomOpDef:
        for key, given in inspect.signature(run).parameters.items():
            if schema is None and given.annotation is given.empty:
                raise ValueError(f"[custom_op] {key} of {name} must have a type annotation")
        return CustomOpDef(name, run, mutates_args)

    return make if fn is None else make(fn)


def define(qualname: str, schema: str, *, lib: Any = None, tags: Any = ()) -> None:
    """An operation with a schema; impl() gives it a function."""

    def without_kernel(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"[{qualname}] there is no kernel; give one by impl()")

    CustomOpDef(qualname, without_kernel, ())


def impl(qualname: Any, types: Any, func: Run | None = None, /, **_: Any) -> Any:
    """The function of an operation, CustomOpDef.register_kernel."""
    kinds = "cpu" if types in ("CPU", "default") or "Composite" in str(types) else types
    return _found(qualname).register_kernel(kinds, func)


register_kernel = impl


def register_fake(op: Any, func: Run | None = None, /, **options: Any) -> Any:
    """CustomOpDef.register_fake of an operation or its name."""
    enter = _found(op).register_fake
    return enter if func is None else enter(func)


def register_autograd(op: Any, backward: Run, /, *, setup_context: Any = None, **_: Any) -> None:
    """CustomOpDef.register_autograd of an operation or its name."""
    _found(op).register_autograd(backward, setup_context=setup_context)


class Library:
    """The operations of a namespace: define and impl by their short names."""

    def __init__(self, ns: str, kind: str, dispatch_key: str = "CPU") -> None:
        if kind not in ("DEF", "IMPL", "FRAGMENT"):
            raise ValueError(f"[Library] {kind=}; pass 'DEF', 'IMPL' or 'FRAGMENT'")
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key

    def define(self, schema: str, alias_analysis: str = "", **options: Any) -> str:
        """`name(Tensor x) -> Tensor`; returns the name."""
        name = schema.partition("(")[0].strip()
        define(f"{self.ns}::{name}", schema)
        return name

    def impl(self, op_name: str, fn: Run, dispatch_key: str = "", **options: Any) -> None:
        """The function of an operation."""
        impl(f"{self.ns}::{op_name}", dispatch_key or self.dispatch_key, fn)
