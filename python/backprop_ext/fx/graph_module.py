"""GraphModule: a module whose forward is made of a graph."""

from __future__ import annotations

import copy
import linecache
from itertools import accumulate, count
from typing import TYPE_CHECKING, Any

from .._core import Tensor
from ..nn.modules.module import Module
from ..nn.parameter import Parameter
from ._codegen import _custom_builtins
from ._qualified import in_package
from .graph import Graph, PythonCode, _PyTreeCodeGen

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GraphModule", "reduce_graph_module"]

_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"
_numbers = count()


def _function_of(src: str, names: dict[str, Any], origin: dict[str, Any]) -> Callable[..., Any]:
    """The function that source defines; tracebacks and inspect find its lines."""
    file = f"<eval_with_key>.{next(_numbers)}"
    if origin:
        file += " from {co_filename}:{co_firstlineno} in {co_name}".format_map(origin)
    linecache.cache[file] = (len(src), None, src.splitlines(keepends=True), file)
    names = {**names}
    exec(compile(src, file, "exec", dont_inherit=True), names)
    return names["forward"]  # type: ignore[no-any-return]


def _indented(text: str) -> str:
    """All lines but the first."""
    first, *others = text.split("\n")
    return "\n".join([first, *(f"    {line}" if line.strip() else "" for line in others)])


def _import_of(name: str, thing: Any) -> str:
    if name in _custom_builtins:
        return _custom_builtins[name][0]
    if in_package(thing):
        return _custom_builtins["torch"][0]
    return f"from {thing.__module__} import {thing.__qualname__} as {name}"


class _CodeOnlyModule(Module):
    """A module's attributes, to be traced with a forward from source."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__()
        self.__dict__ = body


def reduce_graph_module(body: dict[str, Any], import_block: str) -> GraphModule:
    """The module that was pickled: its code, run and recorded again."""
    from ._symbolic_trace import Tracer

    forward = _function_of(import_block + body["_code"], {}, {})
    kind = body.get("_tracer_cls") or Tracer

    class KeepModules(kind):  # type: ignore[misc, valid-type]
        def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
            return True

    root = type("_CodeOnlyModule", (_CodeOnlyModule,), {"forward": forward})(body)
    graph = KeepModules().trace(root)
    graph._tracer_cls = kind
    made = GraphModule(root, graph)
    for name, value in body.items():
        if not hasattr(made, name):
            setattr(made, name, value)
    return made


def _install(module: Module, name: str, value: Any) -> None:
    """A member of a module; a tensor as a buffer."""
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        module.register_buffer(name, value)
    else:
        setattr(module, name, value)


def _below(module: Module, name: str) -> Module:
    if getattr(module, name, None) is None:
        setattr(module, name, Module())
    return getattr(module, name)  # type: ignore[no-any-return]


def _copy_attr(from_module: Module, to_module: Module, target: str) -> None:
    """The member of a dotted name also here, below empty modules where there are none yet."""
    *path, name = target.split(".")
    for part in path:
        source = getattr(from_module, part)
        if getattr(to_module, part, None) is source:
            return
        from_module, to_module = source, _below(to_module, part)
    _install(to_module, name, getattr(from_module, name))


class GraphModule(Module):
    """A module whose `forward` is the code of its `graph`, with the members that it names.

    After changes of the graph call recompile(), or assign it. Source:
    https://docs.pytorch.org/docs/stable/fx.html#torch.fx.GraphModule
    """

    meta: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> GraphModule:
        # forward stands in the class, so each object has one of its own.
        base = next(
            k for k in cls.__mro__ if k.__qualname__.rpartition(".")[2] != "GraphModuleImpl"
        )

        class GraphModuleImpl(base):  # type: ignore[misc, valid-type]
            pass

        return object.__new__(GraphModuleImpl)

    def __init__(
        self, root: Module | dict[str, Any], graph: Graph, class_name: str = "GraphModule"
    ) -> None:
        super().__init__()
        type(self).__name__ = class_name
        targets = [node.target for node in graph.nodes if node.op in ("get_attr", "call_module")]
        if isinstance(root, Module):
            self.training = getattr(root, "training", True)
            if isinstance(root, _CodeOnlyModule):
                targets = [*root._kinds, *targets]
            for target in targets:
                _copy_attr(root, self, target)
        elif isinstance(root, dict):
            for target in sorted(targets, key=lambda name: name.count(".")):
                if target not in root:
                    raise RuntimeError(
                        f"[GraphModule] the graph names {target!r}, root has {[*root]}; give it too"
                    )
                *path, name = target.split(".")
                module: Module = self
                for part in path:
                    module = _below(module, part)
                _install(module, name, root[target])
        else:
            raise RuntimeError(
                f"[GraphModule] Unsupported type {type(root).__name__} passed for root; pass a "
                "Module or a dict"
            )
        self.meta = {}
        self.graph = graph
        kind = graph._tracer_cls
        self._tracer_cls = None if kind is None or "<locals>" in kind.__qualname__ else kind

    @property
    def graph(self) -> Graph:
        """The graph; assigned, it is compiled."""
        return self._graph

    @graph.setter
    def graph(self, g: Graph) -> None:
        if not isinstance(g, Graph):
            raise AssertionError(f"[GraphModule] graph is a {type(g).__name__}; assign a Graph")
        self._graph = g
        g.owning_module = self
        self.recompile()

    @property
    def code(self) -> str:
        """The code of forward."""
        return self._code

    def recompile(self) -> PythonCode:
        """Make forward anew of the graph, as it is now."""
        codegen = self._graph._codegen
        if isinstance(codegen, _PyTreeCodeGen):
            self._in_spec, self._out_spec = codegen.pytree_info[1:]
        made = self._graph.python_code(root_module="self")
        self._code = made.src
        type(self).forward = _function_of(made.src, made.globals, self._graph._co_fields)  # type: ignore[method-assign]
        for child in self.children():
            if isinstance(child, GraphModule):
                child.recompile()
        return made

    def add_submodule(self, target: str, m: Module) -> bool:
        """Put a module under a dotted name; False where something else stands on the way."""
        *path, name = target.split(".")
        module: Module = self
        for part in path:
            module = _below(module, part)
            if not isinstance(module, Module):
                return False
        module.add_module(name, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Take the module of a dotted name out; whether there was one."""
        path, _, name = target.rpartition(".")
        try:
            parent = self.get_submodule(path)
            self.get_submodule(target)
        except AttributeError:
            return False
        delattr(parent, name)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Take the modules out that no node names, nor one of their members."""
        used: set[str] = set()
        for node in self.graph.nodes:
            if node.op in ("call_module", "get_attr"):
                used.update(accumulate(node.target.split("."), "{}.{}".format))
            if node.op == "call_module":
                try:
                    below = self.get_submodule(node.target).named_modules(prefix=node.target)
                except AttributeError:
                    continue
                used.update(name for name, _ in below)
        for name in [name for name, _ in self.named_modules() if name and name not in used]:
            self.delete_submodule(name)

    def print_readable(self, print_output: bool = True, **layout: Any) -> str:
        """The code as a class, with shapes that a run has noted, and that of the modules below."""
        text = self._readable(self._get_name())
        if print_output:
            print(text)
        return text

    def _readable(self, name: str) -> str:
        code = self._graph.python_code(root_module="self", verbose=True).src.lstrip("\n")
        parts = [f"class {name}(torch.nn.Module):\n{code}"]
        below = [""]
        for child_name, child in self.named_children():
            if isinstance(child, GraphModule):
                below.append(child._readable(child_name))
        parts.append("\n".join(below))
        return "".join(map(_indented, parts))

    def __reduce__(self) -> Any:
        body = {name: value for name, value in self.__dict__.items() if name != "_graph"}
        imports = {_import_of(*item) for item in self.recompile().globals.items()}
        return reduce_graph_module, (body, "\n".join(sorted(imports)))

    def __deepcopy__(self, memo: dict[int, Any]) -> GraphModule:
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        type(made).__name__ = "GraphModule"
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        made.graph = made._graph
        return made

    def __copy__(self) -> GraphModule:
        made = GraphModule(self, self.graph)
        made.meta = self.meta
        return made

    def __str__(self) -> str:
        hint = "# To see more debug info, please use `graph_module.print_readable()`"
        return "\n".join([super().__str__(), self._code, hint])
