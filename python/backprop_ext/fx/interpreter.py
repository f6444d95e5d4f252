"""Interpreter runs a graph node by node; Transformer makes another graph of it so."""

from __future__ import annotations

from inspect import Signature
from typing import TYPE_CHECKING, Any

from ._symbolic_trace import Tracer
from .graph import Graph
from .graph_module import GraphModule
from .node import Argument, Node, Target, map_aggregate, map_arg
from .proxy import Proxy

if TYPE_CHECKING:
    from ..nn.modules.module import Module

__all__ = ["Interpreter", "Transformer"]


class Interpreter:
    """Runs a GraphModule; a subclass overrides what a kind of node does.

    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.Interpreter
    """

    def __init__(
        self, module: Module, garbage_collect_values: bool = True, graph: Graph | None = None
    ) -> None:
        self.module = module
        self.submodules = dict(module.named_modules())
        self.graph: Graph = module.graph if graph is None else graph  # type: ignore[attr-defined]
        self.env: dict[Node, Any] = {}
        self.name = "Interpreter"
        self.garbage_collect_values = garbage_collect_values
        self.extra_traceback = True
        self.user_to_last_uses: dict[Node, list[Node]] = {}
        seen: set[Node] = set()
        for node in reversed(self.graph.nodes):
            for read in node.all_input_nodes:
                if garbage_collect_values and read not in seen:
                    seen.add(read)
                    self.user_to_last_uses.setdefault(node, []).append(read)

    def run(
        self,
        *args: Any,
        initial_env: dict[Node, Any] | None = None,
        enable_io_processing: bool = True,
    ) -> Any:
        """The result of the graph for these arguments; initial_env has what is known already.

        An error says at which node it arose.
        """
        self.env = {} if initial_env is None else initial_env
        if enable_io_processing:
            args = self.graph.process_inputs(*args)
        self.args_iter = iter(args)
        for node in self.graph.nodes:
            if node not in self.env:
                try:
                    self.env[node] = self.run_node(node)
                except Exception as error:
                    if self.extra_traceback:
                        said = f"While executing {node.format_node()}"
                        said = f"{error.args[0]}\n\n{said}" if error.args else said
                        said += f"\nOriginal traceback:\n{node.stack_trace}"
                        error.args = (said, *error.args[1:])
                        if isinstance(error, KeyError):
                            raise RuntimeError(*error.args) from error
                    raise
                for dead in self.user_to_last_uses.get(node, ()):
                    self.env.pop(dead, None)
            if node.op == "output":
                result = self.env[node]
                return self.graph.process_outputs(result) if enable_io_processing else result
        return None

    def boxed_run(self, args_list: list[Any]) -> Any:
        """run(*args_list), of which the list is emptied first. RuntimeError for another number."""
        wanted = self.graph.find_nodes(op="placeholder")
        if len(wanted) != len(args_list):
            raise RuntimeError(
                f"[boxed_run] {len(args_list)} arguments for {len(wanted)} placeholders; pass one "
                "for each"
            )
        env: dict[Node, Any] = dict(zip(wanted, args_list, strict=True))
        args_list.clear()
        return self.run(initial_env=env)

    def run_node(self, n: Node) -> Any:
        """The result of one node."""
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        return getattr(self, n.op)(n.target, args, kwargs)

    def placeholder(self, target: Target, args: Any, kwargs: Any) -> Any:
        """The next argument, or its default. RuntimeError where there is neither."""
        if str(target).startswith("*"):
            return [*self.args_iter]
        try:
            return next(self.args_iter)
        except StopIteration:
            if args:
                return args[0]
            raise RuntimeError(
                f"[run] Expected positional argument for parameter {target}, but one was not "
                "passed in; pass it"
            ) from None

    def get_attr(self, target: Target, args: Any, kwargs: Any) -> Any:
        """The member of a dotted name."""
        return self.fetch_attr(target)

    def call_function(self, target: Target, args: Any, kwargs: Any) -> Any:
        """target(*args, **kwargs)."""
        return target(*args, **kwargs)

    def call_method(self, target: Target, args: Any, kwargs: Any) -> Any:
        """args[0].target(...)."""
        return getattr(args[0], target)(*args[1:], **kwargs)

    def call_module(self, target: Target, args: Any, kwargs: Any) -> Any:
        """The module of a dotted name, called."""
        return self.fetch_attr(target)(*args, **kwargs)

    def output(self, target: Target, args: Any, kwargs: Any) -> Any:
        """What the graph returns."""
        return args[0]

    def fetch_attr(self, target: str) -> Any:
        """The member of a dotted name. RuntimeError where there is none."""
        found: Any = self.module
        for name in target.split("."):
            if not hasattr(found, name):
                raise RuntimeError(
                    f"[run] Node referenced nonexistent target {target}: no {name!r}; add it"
                )
            found = getattr(found, name)
        return found

    def fetch_args_kwargs_from_env(self, n: Node) -> tuple[Any, Any]:
        """The values of a node's arguments."""
        return self.map_nodes_to_values(n.args, n), self.map_nodes_to_values(n.kwargs, n)

    def map_nodes_to_values(self, args: Argument, n: Node) -> Any:
        """The arguments with values in the place of nodes."""

        def value(node: Node) -> Any:
            if node not in self.env:
                raise RuntimeError(
                    f"[run] Node {n} referenced nonexistent value {node}; call Graph.lint()"
                )
            return self.env[node]

        return map_arg(args, value)


class _TransformerTracer(Tracer):
    def __init__(self, graph: Graph, root: Module) -> None:
        super().__init__()
        self.graph, self.root, self.tensor_attrs = graph, root, {}

    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        return True


class Transformer(Interpreter):
    """Runs a graph on proxies: what the methods return makes up the new graph.

    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.Transformer
    """

    def __init__(self, module: GraphModule) -> None:
        super().__init__(module)
        self.new_graph = Graph()
        self.new_graph.set_codegen(module.graph._codegen)
        self.tracer: Tracer = _TransformerTracer(self.new_graph, module)

    def placeholder(self, target: Target, args: Any, kwargs: Any) -> Any:
        default = args[0] if args else Signature.empty
        return Proxy(self.new_graph.placeholder(target, default_value=default), self.tracer)

    def get_attr(self, target: Target, args: Any, kwargs: Any) -> Any:
        return self.tracer.create_proxy("get_attr", target, args, kwargs)

    def call_module(self, target: Target, args: Any, kwargs: Any) -> Any:
        module = self.fetch_attr(target)
        return self.tracer.call_module(module, module.forward, args, kwargs)

    def call_function(self, target: Target, args: Any, kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_function", target, args, kwargs)

    def transform(self) -> GraphModule:
        """The new module."""
        result = self.run(enable_io_processing=False)
        if result is not None:
            bare = map_aggregate(result, lambda a: a.node if isinstance(a, Proxy) else a)
            self.new_graph.output(bare).meta.update(self.graph.output_node().meta)
        assert isinstance(self.module, GraphModule)
        return GraphModule(self.module, self.new_graph)
