"""Node: one step of a graph, in a list of nodes that are linked both ways."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

from .. import torch
from ._qualified import name_of, shown
from .immutable_collections import immutable_dict, immutable_list

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .graph import Graph

__all__ = ["Argument", "Node", "Target", "has_side_effect", "map_aggregate", "map_arg"]

Argument = Any
Target = Any

_LEGAL: Final = ("placeholder", "call_method", "call_module", "call_function", "get_attr", "output")
_side_effectful_functions: set[Any] = {
    *(torch._assert, operator.setitem),
    *(torch.rand, torch.randn, torch.randint, torch.randperm, torch.normal, torch.poisson),
    *(torch.rand_like, torch.randn_like, torch.randint_like, torch.bernoulli, torch.multinomial),
}


def has_side_effect(fn: Any) -> Any:
    """Calls of this function are no dead code."""
    _side_effectful_functions.add(fn)
    return fn


def map_aggregate(a: Argument, fn: Callable[[Any], Any]) -> Any:
    """fn of all that stands in tuples, lists, dicts and slices, in such, lists and dicts fixed."""
    if isinstance(a, tuple):
        parts = [map_aggregate(item, fn) for item in a]
        return type(a)(*parts) if hasattr(a, "_fields") else tuple(parts)
    if isinstance(a, list):
        return immutable_list(map_aggregate(item, fn) for item in a)
    if isinstance(a, dict):
        return immutable_dict((key, map_aggregate(item, fn)) for key, item in a.items())
    if isinstance(a, slice):
        return slice(*(map_aggregate(item, fn) for item in (a.start, a.stop, a.step)))
    return fn(a)


def map_arg(a: Argument, fn: Callable[[Node], Argument]) -> Any:
    """map_aggregate of the nodes alone."""
    return map_aggregate(a, lambda item: fn(item) if isinstance(item, Node) else item)


def _format_arg(arg: object) -> str:
    if isinstance(arg, list):
        return f"[{', '.join(map(_format_arg, arg))}]"
    if isinstance(arg, tuple):
        return f"({', '.join(map(_format_arg, arg))}{',' if len(arg) == 1 else ''})"
    if isinstance(arg, dict):
        return "{" + ", ".join(f"{key}: {_format_arg(item)}" for key, item in arg.items()) + "}"
    return f"%{arg}" if isinstance(arg, Node) else str(arg)


def _format_target(target: Any) -> str:
    if isinstance(target, str):
        return target
    spaces = {"builtins": "builtins", "_operator": "operator"}
    space = spaces.get(getattr(target, "__module__", None) or "")
    return f"{space}.{target.__name__}" if space else name_of(target)


class Node:
    """A step: `op` says of which kind, `target` what it calls, `users` who takes its result.

    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.Node
    """

    def __init__(
        self,
        graph: Graph,
        name: str,
        op: str,
        target: Target,
        args: tuple[Argument, ...],
        kwargs: dict[str, Argument],
        return_type: Any = None,
    ) -> None:
        if op not in (*_LEGAL, "root"):
            raise AssertionError(f"[Node] op is {op!r}; it must be one of {_LEGAL}")
        if not (callable(target) if op == "call_function" else isinstance(target, str)):
            wanted = "a Callable" if op == "call_function" else "a str"
            raise ValueError(
                f"[Node] target of {op} {name!r} is {target!r}, a {type(target).__name__}; "
                f"{wanted} is expected"
            )
        self.graph, self.name, self.op, self.target, self.type = (
            graph,
            name,
            op,
            target,
            return_type,
        )
        self.users: dict[Node, None] = {}
        self.meta: dict[str, Any] = {}
        self._input_nodes: dict[Node, None] = {}
        self._erased = False
        self._prev = self._next = self
        self._update_args_kwargs(args, kwargs)

    def _update_args_kwargs(self, args: tuple[Argument, ...], kwargs: dict[str, Argument]) -> None:
        for node in self._input_nodes:
            node.users.pop(self, None)
        self._input_nodes = {}

        def note(node: Node) -> Node:
            self._input_nodes[node] = None
            node.users[self] = None
            return node

        self._args, self._kwargs = map_arg(args, note), map_arg(kwargs, note)

    @property
    def next(self) -> Node:
        """The node behind this one."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before this one."""
        return self._prev

    def __lt__(self, other: Node) -> bool:
        at = self._next
        while at.op != "root" and at is not other:
            at = at._next
        return at is other

    def _remove_from_list(self) -> None:
        self._prev._next, self._next._prev = self._next, self._prev

    def prepend(self, x: Node) -> None:
        """Put x, of the same graph, before this node."""
        if x.graph is not self.graph:
            raise AssertionError(
                f"[prepend] {x} is of another graph than {self}; copy it with node_copy"
            )
        if x is self:
            return
        x._remove_from_list()
        x._prev, x._next = self._prev, self
        x._prev._next = self._prev = x

    def append(self, x: Node) -> None:
        """Put x, of the same graph, behind this node."""
        self._next.prepend(x)

    @property
    def args(self) -> tuple[Argument, ...]:
        """The arguments by place; assign new ones to change them."""
        return self._args  # type: ignore[no-any-return]

    @args.setter
    def args(self, a: tuple[Argument, ...]) -> None:
        self._update_args_kwargs(a, self._kwargs)

    @property
    def kwargs(self) -> dict[str, Argument]:
        """The arguments by name; assign new ones to change them."""
        return self._kwargs  # type: ignore[no-any-return]

    @kwargs.setter
    def kwargs(self, k: dict[str, Argument]) -> None:
        self._update_args_kwargs(self._args, k)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes among the arguments."""
        return [*self._input_nodes]

    def update_arg(self, idx: int, arg: Argument) -> None:
        """args[idx] = arg."""
        args = [*self.args]
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Argument) -> None:
        """Put an argument before args[idx]. AssertionError beyond the ends."""
        if not 0 <= idx <= len(self.args):
            raise AssertionError(
                f"[insert_arg] idx is {idx}, of {len(self.args)} args; it must be from 0 to that"
            )
        self.args = (*self.args[:idx], arg, *self.args[idx:])

    def update_kwarg(self, key: str, arg: Argument) -> None:
        """kwargs[key] = arg."""
        self.kwargs = {**self.kwargs, key: arg}

    @property
    def stack_trace(self) -> str | None:
        """Where in the program it was recorded, if the tracer was asked to note it."""
        return self.meta.get("stack_trace")

    @stack_trace.setter
    def stack_trace(self, trace: str | None) -> None:
        self.meta["stack_trace"] = trace

    def __repr__(self) -> str:
        return str(self.graph._show(self))

    def format_node(self, *unused: Any, include_tensor_metadata: bool = False) -> str:
        """The line that stands for this node in a printed graph."""
        kind = "" if self.type is None else f"{shown(self.type)} "
        start = f"%{self.name} : {kind}[num_users={len(self.users)}] = {self.op}"
        if self.op == "output":
            return f"return {self.args[0]}"
        target = f"{start}[target={_format_target(self.target)}]"
        if self.op == "placeholder":
            return target + (f"(default={self.args[0]})" if self.args else "")
        if self.op == "get_attr":
            return target
        return f"{target}(args = {_format_arg(self.args)}, kwargs = {_format_arg(self.kwargs)})"

    def replace_all_uses_with(
        self,
        replace_with: Node,
        delete_user_cb: Callable[[Node], bool] | None = None,
        *,
        propagate_meta: bool = False,
    ) -> Sequence[Node]:
        """Let those who take this node's result take another's; returns them."""
        if propagate_meta:
            if replace_with.meta:
                raise AssertionError(
                    f"[replace_all_uses_with] {replace_with} has meta already, "
                    f"{[*replace_with.meta]}; leave propagate_meta out"
                )
            replace_with.meta.update(self.meta)
        users = [user for user in self.users if delete_user_cb is None or delete_user_cb(user)]
        for user in users:
            user.replace_input_with(self, replace_with)
        return users

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Among the arguments the one node instead of the other."""

        def change(node: Node) -> Node:
            return new_input if node is old_input else node

        self._update_args_kwargs(map_arg(self._args, change), map_arg(self._kwargs, change))

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether the step is needed though nobody takes its result."""
        if self.op == "call_module":
            if self.graph.owning_module is None:
                raise AssertionError(
                    f"[is_impure] the graph of {self} has no owning_module; make a GraphModule"
                )
            module = self.graph.owning_module.get_submodule(self.target)
            return bool(getattr(module, "_is_impure", False))
        if self.op == "call_function":
            return self.target in _side_effectful_functions
        return self.op in ("placeholder", "output")
