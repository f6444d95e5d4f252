"""Graph: a program as a list of nodes.

Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.Graph
"""

from __future__ import annotations

import copy
import re
import warnings
from contextlib import contextmanager
from inspect import Signature
from typing import TYPE_CHECKING, Any

from .._names import missing_from
from ..nn.modules.module import Module
from ..nn.parameter import Parameter
from ._codegen import (
    CodeGen,
    Namespace,
    PythonCode,
    _custom_builtins,
    _PyTreeCodeGen,
    _PyTreeInfo,
    inplace_methods,
    magic_methods,
    reflectable_magic_methods,
)
from ._qualified import name_of
from .node import Argument, Node, Target, map_arg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from .graph_module import GraphModule

__all__ = [
    "CodeGen",
    "Graph",
    "PythonCode",
    "_PyTreeCodeGen",
    "_PyTreeInfo",
    "_custom_builtins",
    "inplace_methods",
    "magic_methods",
    "reflectable_magic_methods",
]


class _NodeList:
    """The nodes in their order; nodes may come and go during a walk."""

    def __init__(self, graph: Graph, link: str = "_next") -> None:
        self.graph, self.link = graph, link

    def __len__(self) -> int:
        return self.graph._len

    def __iter__(self) -> Iterator[Node]:
        root = self.graph._root
        at = getattr(root, self.link)
        while at is not root:
            if not at._erased:
                yield at
            at = getattr(at, self.link)

    def __reversed__(self) -> _NodeList:
        return _NodeList(self.graph, "_prev" if self.link == "_next" else "_next")


class _InsertPoint:
    """Where new nodes are put: from now on, or in a block of `with`."""

    def __init__(self, graph: Graph, new_insert: Callable[[Node], None]) -> None:
        self.graph, self.before = graph, graph._insert
        graph._insert = new_insert

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        self.graph._insert = self.before


def _snake_case(name: str) -> str:
    return re.sub("(?<=[a-z])([A-Z])", r"_\1", name).lower()


def _own_name(node: Node) -> str:
    return node.name


class Graph:
    """Nodes in a row: placeholders, then what is called with which arguments, then output."""

    _show: Any = staticmethod(_own_name)

    def __init__(
        self,
        owning_module: GraphModule | None = None,
        tracer_cls: Any = None,
        tracer_extras: dict[str, Any] | None = None,
    ) -> None:
        self._root = Node(self, "", "root", "", (), {})
        self._insert: Callable[[Node], None] = self._root.prepend
        self._len = 0
        self._graph_namespace = Namespace()
        self.owning_module = owning_module
        self._tracer_cls, self._tracer_extras = tracer_cls, tracer_extras
        self._codegen = CodeGen()
        self._co_fields: dict[str, Any] = {}

    @property
    def nodes(self) -> Any:
        """The nodes in their order; `reversed` goes backwards."""
        return _NodeList(self)

    def output_node(self) -> Node:
        """The last node. AssertionError where that is no output."""
        last = self._root._prev
        if last.op != "output":
            raise AssertionError(
                f"[output_node] the last node is {last.op or 'none'}; call output()"
            )
        return last

    def find_nodes(self, *, op: str, target: Target = None, sort: bool = True) -> list[Node]:
        """The nodes of a kind, and of a target; for call_function it must be given."""
        if op == "call_function" and target is None:
            raise AssertionError("[find_nodes] call_function without a target; pass the function")
        return [n for n in self.nodes if n.op == op and target in (None, n.target)]

    def create_node(
        self,
        op: str,
        target: Target,
        args: tuple[Argument, ...] | None = None,
        kwargs: dict[str, Argument] | None = None,
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A new node where nodes are put now: at the end, or where inserting_before says."""
        if not isinstance(args or (), tuple) or not isinstance(kwargs or {}, dict):
            raise AssertionError(
                f"[create_node] args {args!r}, kwargs {kwargs!r}; pass a tuple and a dict"
            )
        candidate = self._target_to_str(target) if name is None else name
        name = self._graph_namespace.create_name(candidate, None)
        node = Node(self, name, op, target, args or (), kwargs or {}, type_expr)
        self._insert(node)
        self._len += 1
        return node

    def _target_to_str(self, target: Target) -> str:
        if callable(target):
            # The last part of its qualified name, where the package calls it otherwise.
            name = target.__name__
            if type(target).__name__ == "Operation":
                name = name_of(target).rpartition(".")[2]
        else:
            name = target
            if name.startswith("__") and name.endswith("__"):
                name = name[2:-2]
        return _snake_case(name)

    def placeholder(
        self, name: str, type_expr: Any = None, default_value: Any = Signature.empty
    ) -> Node:
        """An argument of the function."""
        args = () if default_value is Signature.empty else (default_value,)
        return self.create_node("placeholder", name, args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """A parameter, a buffer or a module, by its dotted name. Warns where there is none."""
        owner = self.owning_module
        if owner is not None:
            path, _, name = qualified_name.rpartition(".")
            try:
                module = owner.get_submodule(path)
                found = getattr(module, name, None)
                known = isinstance(found, (Module, Parameter)) or name in module._buffers
            except AttributeError:
                known = False
            if not known:
                warnings.warn(
                    f"[get_attr] {qualified_name!r} is no module, parameter or buffer of the "
                    "owning GraphModule; add it by add_submodule or register_buffer, say",
                    stacklevel=2,
                )
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(
        self,
        module_name: str,
        args: tuple[Argument, ...] | None = None,
        kwargs: dict[str, Argument] | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A call of a module, by its dotted name. Warns where there is none."""
        owner = self.owning_module
        if owner is not None and module_name not in dict(owner.named_modules()):
            warnings.warn(
                f"[call_module] {module_name!r} is no module of the owning GraphModule; add it by "
                "add_submodule",
                stacklevel=2,
            )
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(
        self,
        method_name: str,
        args: tuple[Argument, ...] | None = None,
        kwargs: dict[str, Argument] | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A call of a method of args[0]."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self,
        the_function: Callable[..., Any],
        args: tuple[Argument, ...] | None = None,
        kwargs: dict[str, Argument] | None = None,
        type_expr: Any = None,
        name: str | None = None,
    ) -> Node:
        """A call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result: Argument, type_expr: Any = None) -> Node:
        """The return statement."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def inserting_before(self, n: Node | None = None) -> _InsertPoint:
        """Put new nodes before n, or at the front; for good, or in a block of `with`."""
        if n is None:
            return self.inserting_after(self._root)
        if n.graph is not self:
            raise AssertionError(f"[inserting_before] {n} is of another graph; pass a node of this")
        return _InsertPoint(self, n.prepend)

    def inserting_after(self, n: Node | None = None) -> _InsertPoint:
        """Put new nodes after n, or at the end; for good, or in a block of `with`."""
        if n is None:
            return self.inserting_before(self._root)
        if n.graph is not self:
            raise AssertionError(f"[inserting_after] {n} is of another graph; pass a node of this")
        return _InsertPoint(self, n.append)

    def erase_node(self, to_erase: Node) -> None:
        """Take a node out that nobody uses. RuntimeError for one that is used, or is not here."""
        if to_erase.users:
            raise RuntimeError(
                f"[erase_node] {to_erase} has {len(to_erase.users)} users, {[*to_erase.users]}; "
                "call replace_all_uses_with first"
            )
        if to_erase.graph is not self:
            raise RuntimeError(f"[erase_node] {to_erase} is of another graph; pass a node of this")
        if to_erase._erased:
            warnings.warn(f"[erase_node] {to_erase} is erased already", stacklevel=2)
            return
        to_erase._remove_from_list()
        to_erase._erased = True
        self._len -= 1
        to_erase.args = map_arg(to_erase.args, lambda node: None)
        to_erase.kwargs = map_arg(to_erase.kwargs, lambda node: None)

    def node_copy(
        self, node: Node, arg_transform: Callable[[Node], Argument] = lambda x: x
    ) -> Node:
        """The same step here; arg_transform says what stands for the nodes of the other graph."""
        args, kwargs = map_arg(node.args, arg_transform), map_arg(node.kwargs, arg_transform)
        made = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        made.meta = copy.copy(node.meta)
        return made

    def graph_copy(
        self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False
    ) -> Any:
        """Copy all nodes but the output, note in val_map what became of each; what g returns."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], lambda n: val_map[n])
                return (result, node) if return_output_node else result
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def __deepcopy__(self, memo: Any = None) -> Graph:
        made = Graph(tracer_cls=self._tracer_cls)
        memo = {} if memo is None else memo
        memo[id(self)] = made
        found = made.graph_copy(self, val_map=memo, return_output_node=True)
        made._codegen = copy.deepcopy(self._codegen)
        if found is not None:
            made.output(found[0], type_expr=found[1].type).meta = copy.copy(found[1].meta)
        return made

    def lint(self) -> None:
        """RuntimeError for a node that is used before it is there, or names what is not there.

        ValueError for a target that is no function or name.
        """
        seen: set[Node] = set()
        names: set[str] = set()
        for node in self.nodes:
            for read in node.all_input_nodes:
                if read.graph is not self:
                    raise RuntimeError(
                        f"[lint] argument {read} of {node} does not belong to this graph; give "
                        f"node_copy an arg_transform\n{self}"
                    )
                if read not in seen:
                    raise RuntimeError(
                        f"[lint] argument {read} of {node} is used before it has been defined; "
                        f"move one of them\n{self}"
                    )
            if node.name in names:
                raise RuntimeError(f"[lint] two nodes are {node.name!r}; rename one")
            seen.add(node)
            names.add(node.name)
            callable_wanted = node.op == "call_function"
            if not (callable(node.target) if callable_wanted else isinstance(node.target, str)):
                raise ValueError(
                    f"[lint] {node} calls {node.target!r}; a function or name is needed"
                )
            if self.owning_module is not None and node.op in ("get_attr", "call_module"):
                found: Any = self.owning_module
                for name in node.target.split("."):
                    found = getattr(found, name, None)
                    if found is None or (
                        node.op == "call_module" and not isinstance(found, Module)
                    ):
                        raise RuntimeError(
                            f"[lint] {node} refers to {node.target!r}, of which {name!r} is "
                            f"{'not there' if found is None else 'no Module'}; add it to the owner"
                        )

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Erase what nobody uses and has no effect; whether there was some."""
        self.lint()
        before = self._len
        for node in reversed(self.nodes):
            needed = node.is_impure() if is_impure_node is None else is_impure_node(node)
            if not needed and not node.users:
                self.erase_node(node)
        return self._len < before

    def process_inputs(self, *args: Any) -> Any:
        """What the placeholders take of the arguments of a call."""
        return self._codegen.process_inputs(*args)

    def process_outputs(self, out: Any) -> Any:
        """What a call returns of the graph's output."""
        return self._codegen.process_outputs(out)

    def set_codegen(self, codegen: CodeGen) -> None:
        """Write this graph's code otherwise."""
        self._codegen = codegen

    def on_generate_code(
        self, make_transformer: Callable[[Any], Any]
    ) -> AbstractContextManager[None]:
        """Let make_transformer(the one before)(lines) change the lines of the code.

        For good, or in a block of `with`.
        """
        before = self._codegen._body_transformer
        self._codegen._body_transformer = make_transformer(before)

        @contextmanager
        def back() -> Iterator[None]:
            try:
                yield
            finally:
                self._codegen._body_transformer = before

        return back()

    def python_code(self, root_module: str, *, verbose: bool = False, **layout: Any) -> PythonCode:
        """The code, in which the module is called root_module, and what it names."""
        names = Namespace()
        self._show = lambda node: names.create_name(node.name, node)
        try:
            return self._codegen._gen_python_code(self.nodes, root_module, names, verbose)
        finally:
            del self._show

    def __str__(self) -> str:
        return "\n    ".join(["graph():", *(node.format_node() for node in self.nodes)])

    def print_tabular(self) -> None:
        """Print the nodes as a table."""
        rows = [[str(x) for x in (n.op, n.name, n.target, n.args, n.kwargs)] for n in self.nodes]
        heads = ["opcode", "name", "target", "args", "kwargs"]
        columns = [*zip(heads, *rows, strict=True)]
        widths = [max(len(head) + 2, *map(len, cells)) for head, *cells in columns]
        for row in [heads, ["-" * width for width in widths], *rows]:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            print("  ".join(cells).rstrip(" "))


__getattr__ = missing_from("torch.fx.graph", globals())
