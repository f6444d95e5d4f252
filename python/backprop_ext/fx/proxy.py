"""Proxies stand for values while a program is recorded: what is done to them becomes nodes."""

from __future__ import annotations

import copy
import dis
import enum
import operator
import sys
import traceback
from bisect import bisect_left
from collections import OrderedDict
from dataclasses import fields, is_dataclass
from itertools import dropwhile
from types import NoneType
from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from .._device import device
from .._layout import layout
from .._overrides import BINARY
from ._codegen import magic_methods, reflectable_magic_methods
from ._qualified import arguments, is_method
from .node import Argument, Node, Target, map_aggregate, map_arg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .graph import Graph

__all__ = [
    "Attribute",
    "GraphAppendingTracer",
    "ParameterProxy",
    "Proxy",
    "TraceError",
    "TracerBase",
]

_HOME = __file__.rpartition("fx")[0]
base_types = (
    *(str, int, float, bool, complex, NoneType, type(...), enum.Enum),
    *(Tensor, _core.dtype, device, _core.memory_format, layout),
)


class TraceError(ValueError):
    """A program cannot be recorded: what it does next depends on values."""


class TracerBase:
    """What a proxy asks to make nodes."""

    graph: Graph
    record_stack_traces = False
    trace_asserts = False
    proxy_buffer_attributes = False
    traced_func_name = "forward"

    def __init__(self) -> None:
        self.module_stack: OrderedDict[str, tuple[str, Any]] = OrderedDict()

    def create_node(
        self,
        kind: str,
        target: Target,
        args: tuple[Argument, ...],
        kwargs: dict[str, Argument],
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A node of the graph; a subclass may look at it, change it, or refuse."""
        node = self.graph.create_node(kind, target, args, kwargs, name, type_expr)
        if self.module_stack:
            node.meta["nn_module_stack"] = copy.copy(self.module_stack)
        if self.record_stack_traces and not node.stack_trace:
            frames = [*dropwhile(lambda f: f.name != "forward", traceback.extract_stack())]
            frames = [f for f in frames if not f.filename.startswith(_HOME)]
            if frames:
                node.stack_trace = "".join(traceback.format_list(frames)).strip()
        return node

    def proxy(self, node: Node) -> Proxy:
        """What stands for the node's result."""
        return Proxy(node, self)

    def create_proxy(
        self,
        kind: str,
        target: Target,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
        proxy_factory_fn: Callable[[Node], Proxy] | None = None,
    ) -> Proxy:
        """A node of arguments as they are in the program, and what stands for its result."""
        made = (self.create_arg(args), self.create_arg(kwargs))
        return (proxy_factory_fn or self.proxy)(
            self.create_node(kind, target, *made, name, type_expr)
        )

    def create_arg(self, a: Any) -> Argument:
        """A value of the program as an argument of a node. NotImplementedError for others."""
        if isinstance(a, Proxy):
            return a.node
        if hasattr(a, "__fx_create_arg__"):
            return a.__fx_create_arg__(self)
        if isinstance(a, tuple):
            parts = [self.create_arg(item) for item in a]
            return type(a)(*parts) if hasattr(a, "_fields") else tuple(parts)
        if isinstance(a, list):
            return [self.create_arg(item) for item in a]
        if isinstance(a, dict):
            for key in a:
                map_arg(self.create_arg(key), _no_key)
            return {key: self.create_arg(item) for key, item in a.items()}
        if isinstance(a, (slice, range)):
            return type(a)(*(self.create_arg(item) for item in (a.start, a.stop, a.step)))
        if is_dataclass(a) and not isinstance(a, type):
            given = {f.name: self.create_arg(getattr(a, f.name)) for f in fields(a)}
            return self.create_node("call_function", type(a), (), given)
        if isinstance(a, base_types):
            return a
        raise NotImplementedError(
            f"[fx] argument of type: {type(a)}; pass numbers, strings, tensors, or collections of "
            "them, or wrap() the function"
        )

    def to_bool(self, obj: Proxy) -> bool:
        """The truth of a proxy. Raises TraceError; a subclass may know it."""
        raise TraceError(
            f"[fx] symbolically traced variables cannot be used as inputs to control flow: {obj} "
            "has no value yet; wrap() the function that asks, or pass concrete_args"
        )

    def iter(self, obj: Proxy) -> Iterator[Any]:
        """The parts of a proxy. Raises TraceError; a subclass may know how many."""
        raise TraceError(
            f"[fx] Proxy object cannot be iterated: the length of {obj} is not known, in a loop or "
            "as *args; loop over a number of the model's, or wrap() the function"
        )

    def keys(self, obj: Proxy) -> Any:
        """The keys of a proxy, as ** asks for them."""
        return Attribute(obj, "keys")()


def _no_key(node: Node) -> None:
    raise RuntimeError(
        f"[fx] Keys for dictionaries used as an argument cannot contain a Node. Got key: {node}; "
        "use a name or a number"
    )


class GraphAppendingTracer(TracerBase):
    """Appends to a graph that is there already: what `Proxy(node)` uses."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph


def _instruction(depth: int = 2) -> tuple[list[dis.Instruction], int]:
    """The instructions of who called, and the place of the one that is running."""
    frame = sys._getframe(depth)
    steps = [*dis.get_instructions(frame.f_code)]
    return steps, bisect_left([step.offset for step in steps], frame.f_lasti)


class Proxy:
    """Stands for the result of a node; functions, methods, operators make new nodes.

    TraceError for what needs a value: `if`, a loop. Proxy(node) appends to the node's graph.
    """

    def __init__(self, node: Node, tracer: TracerBase | None = None) -> None:
        self.tracer = GraphAppendingTracer(node.graph) if tracer is None else tracer
        self.node = node

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, k: str) -> Attribute:
        return Attribute(self, k)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state

    def __deepcopy__(self, memo: dict[int, Any]) -> Proxy:
        return Proxy(copy.deepcopy(self.node, memo), copy.copy(self.tracer))

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator[Any]:
        steps, at = _instruction()
        if steps[at].opname == "UNPACK_SEQUENCE":
            return (self[i] for i in range(steps[at].argval))  # type: ignore[index]
        return self.tracer.iter(self)

    def __abs__(self) -> Proxy:
        return self.tracer.create_proxy("call_function", operator.abs, (self,), {})

    def __bool__(self) -> bool:
        if self.tracer.trace_asserts:
            steps, at = _instruction()
            if "JUMP" in steps[at].opname and steps[at + 1].opname == "LOAD_ASSERTION_ERROR":
                self.tracer.create_proxy("call_function", assert_fn, (self,), {})
                return True
        return self.tracer.to_bool(self)

    def keys(self) -> Any:
        """The tracer's answer."""
        return self.tracer.keys(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "[fx] 'len' is not supported in symbolic tracing by default: there is no value yet; "
            "call torch.fx.wrap('len') at the top of the module to record the call"
        )

    @classmethod
    def __torch_function__(
        cls, orig_method: Any, types: Any, args: Any = None, kwargs: Any = None
    ) -> Proxy:
        args, kwargs = tuple(args or ()), kwargs or {}
        tracers = {id(proxy.tracer): proxy.tracer for proxy in _proxies(args, kwargs)}
        if len(tracers) > 1:
            raise RuntimeError(
                f"[fx] Found multiple different tracers {[*tracers.values()]} in the arguments of "
                f"{orig_method}; make its proxies with one tracer"
            )
        (tracer,) = tracers.values()
        if is_method(orig_method):
            return tracer.create_proxy("call_method", orig_method.__name__, args, kwargs)
        args, kwargs = arguments(orig_method, args, kwargs)
        name = tracer.graph._target_to_str(orig_method)
        return tracer.create_proxy("call_function", orig_method, args, kwargs, name=name)


def _proxies(*values: Any) -> list[Proxy]:
    found: list[Proxy] = []
    map_aggregate(values, lambda item: found.append(item) if isinstance(item, Proxy) else None)
    return found


def assert_fn(x: object) -> None:
    """An assert of the program, with `trace_asserts`."""
    if not x:
        raise AssertionError("Assertion failed")


class Attribute(Proxy):
    """proxy.name: a step of its own only where it is used as a value, and is not called."""

    def __init__(self, root: Proxy, attr: str) -> None:
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        """The step that reads the attribute."""
        if self._node is None:
            read = (self.root, self.attr)
            self._node = self.tracer.create_proxy("call_function", getattr, read, {}).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """Of a parameter, whose shape is known: Tracer(param_shapes_constant=True)."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Any) -> None:
        super().__init__(node, tracer)
        self.param, self.name = param, name
        for asked in ("size", "dim", "numel", "nelement"):
            self.__dict__[asked] = getattr(param, asked)
        self.__dict__.update(shape=param.shape, ndim=param.ndim)

    def __repr__(self) -> str:
        return f"ParameterProxy({self.name})"


def _magic(name: str) -> Callable[..., Proxy]:
    def call(self: Proxy, *others: Any) -> Proxy:
        function = getattr(operator, name)
        return self.tracer.create_proxy("call_function", function, (self, *others), {})

    return call


def _reflected(name: str) -> Callable[..., Proxy]:
    def call(self: Proxy, other: Any) -> Proxy:
        if isinstance(other, Tensor) and name != "getitem":  # whose own operator is asked first
            method = BINARY[name.strip("_")]
            return self.tracer.create_proxy("call_method", method, (other, self), {})
        function = getattr(operator, name)
        return self.tracer.create_proxy("call_function", function, (other, self), {})

    return call


for _name in magic_methods:
    setattr(Proxy, f"__{_name.strip('_')}__", _magic(_name))
for _name in reflectable_magic_methods:
    setattr(Proxy, f"__r{_name.strip('_')}__", _reflected(_name))
