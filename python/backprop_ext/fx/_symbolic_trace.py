"""Tracer: runs a program on proxies, and so records it as a graph."""

from __future__ import annotations

import builtins
import copy
import functools
import inspect
import math
import sys
import warnings
from contextlib import ExitStack
from itertools import count
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

from .. import fft, linalg, nn, special, torch
from .._core import Tensor
from ..nn.modules.module import Module
from ..nn.parameter import Parameter
from ..utils import _pytree as pytree
from ._qualified import in_package, place, python_functions
from .graph import Graph, _PyTreeCodeGen, _PyTreeInfo
from .graph_module import GraphModule
from .proxy import ParameterProxy, Proxy, TracerBase, _proxies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from .node import Argument

    _F = TypeVar("_F", bound=Callable[..., Any] | str)

__all__ = ["PH", "PHBase", "Tracer", "is_fx_tracing", "symbolic_trace", "wrap"]

_STARS = {"*": inspect.CO_VARARGS, "**": inspect.CO_VARKEYWORDS}
_VARIADIC = sum(_STARS.values())
# Functions that wrap() names, and the globals they stand in.
_wrapped_fns_to_patch: dict[tuple[int, str], dict[str, Any]] = {}
# Under the names that libraries with a tracer of their own take them by.
_orig_module_call: Any = Module.__call__
_orig_module_getattr: Any = object.__getattribute__
_tracing = 0


class ScriptObject:
    """Of PyTorch's compiled programs: nothing here is one."""


def compatibility(is_backward_compatible: bool) -> Callable[[_F], _F]:
    """A mark on PyTorch's functions: those that will not change."""
    return lambda function: function


def is_fx_tracing() -> bool:
    """Whether a program is being recorded now."""
    return _tracing > 0


class PHBase:
    """Stands in `concrete_args` for what is an argument still."""

    def __repr__(self) -> str:
        return "PH"


PH = PHBase()


def wrap(fn_or_name: _F) -> _F:
    """A call of this function of the module is one step: nobody looks into it.

    To be called at the top of a module, with the function, its name, or as a decorator; raises
    NotImplementedError elsewhere, RuntimeError for something else.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError(f"[wrap] {fn_or_name!r}; pass a function, or the name of one")
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError(
            f"[wrap] called in {frame.f_code.co_name}; call it at the top level of a module"
        )
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    _wrapped_fns_to_patch[id(frame.f_globals), name] = frame.f_globals
    return fn_or_name


def _wrapped(function: Any) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for proxy in _proxies(args, kwargs):
            made = proxy.tracer.create_proxy("call_function", function, args, kwargs)
            made.node.meta["is_wrapped"] = True
            return made
        return function(*args, **kwargs)

    vars(call)["__fx_already_patched"] = True
    return call


def _noticed(function: Any) -> Any:
    """A function of the package's that is no operation, whose calls are recorded as those are."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for proxy in _proxies(args, kwargs):
            return type(proxy).__torch_function__(function, (), args, kwargs)
        return function(*args, **kwargs)

    return call


class _Patcher(ExitStack):
    """Functions and methods replaced under their names, until the end of the block."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()

    def patch(self, names: dict[str, Any], name: str, value: Any) -> None:
        if name in names:
            self.callback(names.__setitem__, name, names[name])
        else:
            self.callback(names.pop, name, None)
        names[name] = value

    def patch_method(self, cls: type, name: str, value: Any, deduplicate: bool = True) -> None:
        if cls is Module and name == "__getattr__":
            name, value = "__getattribute__", _of_members(value)
        if name in vars(cls):
            self.callback(setattr, cls, name, vars(cls)[name])
        else:
            self.callback(delattr, cls, name)
        setattr(cls, name, value)


def _of_members(read: Any) -> Any:
    """A module's __getattribute__ that asks for members alone: PyTorch's __getattr__ finds them."""

    def get(module: Module, name: str) -> Any:
        value = _orig_module_getattr(module, name)
        if not isinstance(value, (Tensor, Module)):
            return value
        members = _orig_module_getattr(module, "__dict__").get("_kinds", ())
        return read(module, name) if name in members else value

    return get


def _autowrap_check(patcher: _Patcher, names: dict[str, Any], function_ids: set[int]) -> None:
    """Replace what is to be recorded among these globals."""
    if id(names) in patcher.seen:
        return
    patcher.seen.add(id(names))
    for name, value in [*names.items()]:
        if id(value) in function_ids and callable(value) and name[0] != "_":
            patcher.patch(names, name, _wrapped(value))
        elif id(value) in python_functions():
            patcher.patch(names, name, _noticed(value))


def _patch_wrapped_functions(patcher: _Patcher) -> None:
    for (_, name), names in [*_wrapped_fns_to_patch.items()]:
        found = names.get(name, getattr(builtins, name, None))
        if found is not None and not hasattr(found, "__fx_already_patched"):
            patcher.patch(names, name, _wrapped(found))
    for space in (torch, nn.functional, fft, linalg, special):
        _autowrap_check(patcher, vars(space), set())


@wrap
def _assert_is_none(value: object, msg: str) -> None:
    if value is not None:
        raise AssertionError(msg)


class Tracer(TracerBase):
    """Records what a module or function does; a subclass says how.

    Layers of torch.nn are one step each, other modules are looked into: is_leaf_module.
    """

    def __init__(
        self,
        autowrap_modules: tuple[ModuleType, ...] = (math,),
        autowrap_functions: tuple[Callable[..., Any], ...] = (),
        param_shapes_constant: bool = False,
    ) -> None:
        super().__init__()
        self._autowrap_function_ids = {
            id(value)
            for module in autowrap_modules
            for name, value in vars(module).items()
            if name[0] != "_" and callable(value)
        } | {id(function) for function in autowrap_functions}
        self._autowrap_search = [*autowrap_modules]
        self.param_shapes_constant = param_shapes_constant
        self.submodule_paths: dict[Module, str] | None = None
        self.root_module_name = ""
        self.num_calls: dict[str, int] = {}

    def get_fresh_qualname(self, prefix: str) -> str:
        """prefix0, prefix1, ...: the first that the root has not."""
        return next(f"{prefix}{i}" for i in count() if not hasattr(self.root, f"{prefix}{i}"))

    def create_arg(self, a: Any) -> Argument:
        """A value as an argument: members of the root by their names, other tensors kept there."""
        if isinstance(a, Parameter):
            for name, param in self.root.named_parameters():
                if param is a:
                    return self.create_node("get_attr", name, (), {})
            raise NameError("[fx] parameter is not a member of this module; assign it to one")
        if isinstance(a, (Tensor, Module)):
            tensor = isinstance(a, Tensor)
            named: Any = self.root.named_buffers() if tensor else self.root.named_modules()
            for name, member in named:
                if member is a:
                    return self.create_node("get_attr", name, (), {})
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            return self.create_node(
                "call_function", type(a), tuple(self.create_arg(item) for item in a), {}
            )
        if isinstance(a, Tensor):
            if a not in self.tensor_attrs:
                self.tensor_attrs[a] = self.get_fresh_qualname("_tensor_constant")
                setattr(self.root, self.tensor_attrs[a], a)
            return self.create_node("get_attr", self.tensor_attrs[a], (), {})
        return super().create_arg(a)

    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        """Whether a call of this module is one step."""
        home = place(type(m).__module__)
        return home.startswith(("torch.nn", "torch.ao.nn")) and not isinstance(m, nn.Sequential)

    def path_of_module(self, mod: Module) -> str:
        """The dotted name of a module below the root. NameError where it is not there."""
        paths = self.submodule_paths or {m: name for name, m in self.root.named_modules()}
        if mod not in paths:
            raise NameError(
                f"[fx] module is not installed as a submodule: {type(mod).__name__}; assign it to "
                "an attribute of the root"
            )
        return paths[mod]

    def call_module(
        self,
        m: Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """What a call of a module gives: a step of a leaf, else what its forward does."""
        path = self.path_of_module(m)
        calls = self.num_calls.get(path, 0)
        self.num_calls[path] = calls + 1
        key = f"{path}@{calls}" if calls else path
        self.module_stack[key] = (path, type(m))
        try:
            if self.is_leaf_module(m, path):
                return self.create_proxy("call_module", path, args, kwargs)
            return forward(*args, **kwargs)
        finally:
            self.module_stack.pop(key, None)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Proxy]) -> Any:
        """What reading a member of a module gives: of a parameter a proxy."""
        if isinstance(attr_val, Parameter):
            named: Iterable[tuple[str, Tensor]] = self.root.named_parameters()
        elif self.proxy_buffer_attributes and isinstance(attr_val, Tensor):
            named = self.root.named_buffers()
        else:
            return attr_val
        for name, member in named:
            if member is attr_val:
                if name not in parameter_proxy_cache:
                    made: dict[str, Any] = {}
                    if self.param_shapes_constant:
                        made["proxy_factory_fn"] = lambda node, name=name: ParameterProxy(
                            self, node, name, attr_val
                        )
                    parameter_proxy_cache[name] = self.create_proxy(
                        "get_attr", name, (), {}, **made
                    )
                return parameter_proxy_cache[name]
        return attr_val

    def create_args_for_root(
        self, root_fn: Any, is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        """The placeholders of a function's parameters, and what to call with them."""
        shown = inspect.unwrap(root_fn)
        code, sig = shown.__code__, inspect.signature(shown)
        total = code.co_argcount + code.co_kwonlyargcount
        names = [*code.co_varnames]
        if is_module and total == 0:
            raise RuntimeError("[fx] ``self`` argument cannot be part of *args expansion; name it")
        args: list[Any] = [self.root] if is_module else []
        wanted = names[len(args) : total]
        if isinstance(concrete_args, tuple):
            if len(wanted) != len(concrete_args):
                raise RuntimeError(
                    f"[fx] Tracing expected {len(wanted)} arguments but got {len(concrete_args)} "
                    "concrete arguments; pass one for each, or a dict"
                )
            concrete_args = dict(zip(wanted, concrete_args, strict=True))
        stars = [mark for mark, flag in _STARS.items() if code.co_flags & flag]
        wanted += [mark + name for mark, name in zip(stars, names[total:], strict=False)]
        for name in wanted:
            args.append(self._placeholder(name, concrete_args or {}, sig, shown))
        if code.co_kwonlyargcount or code.co_flags & _VARIADIC:
            root_fn = _by_place(root_fn, len(args))
        leaves, in_spec = pytree.tree_flatten(tuple(args))
        if all(spec.is_leaf() for spec in in_spec.children_specs):
            return root_fn, args
        codegen = _PyTreeCodeGen(_PyTreeInfo(names[:total], in_spec, None))
        self.graph.set_codegen(codegen)

        def flat(*given: Any) -> Any:
            result = root_fn(*pytree.tree_unflatten(given, in_spec))
            out, out_spec = pytree.tree_flatten(result)
            codegen.pytree_info = codegen.pytree_info._replace(out_spec=out_spec)
            return out

        return flat, leaves

    def _placeholder(self, name: str, concrete: dict[str, Any], sig: Any, shown: Any) -> Any:
        default: tuple[Any, ...] = ()
        if name[0] != "*" and sig.parameters[name].default is not inspect.Parameter.empty:
            default = (sig.parameters[name].default,)
        if name not in concrete:
            kind = _annotated(shown, name)
            return self.create_proxy("placeholder", name, default, {}, type_expr=kind)
        number = count(1)

        def specialized(value: Any) -> Any:
            made = self.create_proxy("placeholder", f"{name}_{next(number)}", default, {})
            said = f"{name} has been specialized to have value {value} but got another value"
            if isinstance(value, PHBase):
                return made
            if type(value) in (bool, int, float, str, complex):
                self.create_proxy("call_function", torch._assert, (made == value, said), {})
            elif value is None:
                self.create_proxy("call_function", _assert_is_none, (made, said), {})
            else:
                warnings.warn(
                    f"[fx] {name} is {value!r} in the graph, and no assertion guards it; call it "
                    "with that alone",
                    stacklevel=2,
                )
            return value

        return pytree.tree_map(specialized, concrete[name])

    def trace(self, root: Any, concrete_args: Any = None) -> Graph:
        """The graph of a module or function, of which self.root is the module afterwards."""
        global _tracing
        is_module = isinstance(root, Module)
        self.root: Module = root if is_module else Module()
        function = getattr(type(root), self.traced_func_name) if is_module else root
        if not isinstance(function, FunctionType):
            raise AssertionError(
                f"[fx] {function!r} is no function in Python; pass one, or a Module"
            )
        if is_module:
            self.root_module_name = root._get_name()
            self.submodule_paths = {module: name for name, module in root.named_modules()}
        self.graph = Graph(tracer_cls=type(self))
        code = function.__code__
        self.graph._co_fields = {
            "co_name": code.co_name,
            "co_filename": code.co_filename,
            "co_firstlineno": code.co_firstlineno,
        }
        self.tensor_attrs: dict[Any, str] = {}
        for path, module in self.root.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Tensor):
                    self.tensor_attrs[value] = f"{path}.{name}" if path else name
        _tracing += 1
        try:
            run, args = self.create_args_for_root(function, is_module, concrete_args)
            with _Patcher() as patcher:
                self._patch(patcher, function)
                result = self.create_arg(run(*args))
                kind = _annotated(inspect.unwrap(run), "return")
                self.create_node("output", "output", (result,), {}, type_expr=kind)
        finally:
            _tracing -= 1
        self.submodule_paths = None
        return self.graph

    def _patch(self, patcher: _Patcher, function: FunctionType) -> None:
        """Let calls of modules, reads of parameters and wrapped functions come to this tracer."""
        cache: dict[str, Proxy] = {}

        def read(module: Module, name: str) -> Any:
            return self.getattr(name, _orig_module_getattr(module, name), cache)

        def call(module: Module, *args: Any, **kwargs: Any) -> Any:
            def forward(*args: Any, **kwargs: Any) -> Any:
                return _orig_module_call(module, *args, **kwargs)

            check(getattr(type(module).forward, "__globals__", {}))
            return self.call_module(module, forward, args, kwargs)

        def check(names: dict[str, Any]) -> None:
            _autowrap_check(patcher, names, self._autowrap_function_ids)

        patcher.patch_method(Module, "__getattr__", read)
        patcher.patch_method(Module, "__call__", call)
        for space in self._autowrap_search:
            check(vars(space))
        _patch_wrapped_functions(patcher)
        check(function.__globals__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tracer:
        made = Tracer.__new__(Tracer)
        for name, value in vars(self).items():
            plain = name == "_autowrap_search"
            vars(made)[name] = copy.copy(value) if plain else copy.deepcopy(value, memo)
        return made


def _annotated(function: Any, name: str) -> Any:
    """The annotation of an argument; the package's own are text, and say less than PyTorch's."""
    kind = function.__annotations__.get(name)
    if in_package(function):
        return Tensor if kind == "Tensor" else None
    return kind


def _by_place(function: Any, number: int) -> Any:
    """The function with all of its parameters by place, *args and **kwargs as one each."""
    code = function.__code__.replace(
        co_argcount=number,
        co_posonlyargcount=0,
        co_kwonlyargcount=0,
        co_flags=function.__code__.co_flags & ~_VARIADIC,
    )
    return FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )


def symbolic_trace(root: Any, concrete_args: dict[str, Any] | None = None) -> GraphModule:
    """A module or function as a GraphModule, recorded by running it on proxies.

    concrete_args gives values of arguments on which `if` and loops may depend; in nested ones fx.PH
    stands for what is an argument still. TraceError for control flow on other values.
    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.symbolic_trace
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, Module) else root.__name__
    return GraphModule(tracer.root, graph, name)
