"""replace_pattern: one part of a graph for another, wherever it is found."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from ..nn.modules.module import Module
from ._symbolic_trace import symbolic_trace
from .graph import Graph
from .graph_module import GraphModule, _copy_attr
from .node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Match", "replace_pattern"]


class Match(NamedTuple):
    """Where a pattern was found: its last node, and what stood for each of its nodes."""

    anchor: Node
    nodes_map: dict[Node, Any]


def _member(node: Node) -> Any:
    found: Any = node.graph.owning_module
    for name in node.target.split("."):
        found = getattr(found, name)
    return found


def _alike(pn: Node, gn: Node) -> bool:
    """Whether two nodes do the same, but for their arguments; a parameter stands for anything."""
    if pn.op == gn.op == "get_attr":
        return type(_member(pn)) is type(_member(gn))
    return pn.op == "placeholder" or (pn.op, pn.target) == (gn.op, gn.target)


def _fits(pn: Any, gn: Any, found: dict[Node, Any]) -> bool:
    """Whether an argument of the pattern is one of the graph; found learns what was met."""
    if isinstance(pn, (list, tuple)) and isinstance(gn, (list, tuple)):
        return len(pn) == len(gn) and all(_fits(p, g, found) for p, g in zip(pn, gn, strict=True))
    if not isinstance(pn, Node):
        return not isinstance(gn, Node) and type(gn) is type(pn) and bool(gn == pn)
    if pn in found:
        return bool(found[pn] == gn)
    if isinstance(gn, Node) and (gn in found.values() or not _alike(pn, gn)):
        return False
    found[pn] = gn
    if pn.op == "placeholder" or not isinstance(gn, Node):
        return pn.op == "placeholder"
    given, wanted = ((*n.args, *n.kwargs.values()) for n in (gn, pn))
    return [*pn.kwargs] == [*gn.kwargs] and _fits(wanted, given, found)


def _matches(graph: Graph, anchors: list[Node], found: dict[Node, Any]) -> Iterator[Any]:
    """What stands for the nodes of a pattern, from its last ones upwards."""
    if not anchors:
        yield found
    for node in graph.nodes if anchors else ():
        tried = {**found}
        if _alike(anchors[0], node) and _fits(anchors[0], node, tried):
            yield from _matches(graph, anchors[1:], tried)


def _comes_back(inner: set[Node]) -> bool:
    """Whether a way leads out of these nodes and in again."""
    outside = [user for node in inner for user in node.users if user not in inner]
    seen: set[Node] = set()
    while outside:
        node = outside.pop()
        if node in inner:
            return True
        if node not in seen:
            seen.add(node)
            outside += node.users
    return False


def _graph_of(program: Any) -> Graph:
    if isinstance(program, Graph):
        return program
    return (program if isinstance(program, GraphModule) else symbolic_trace(program)).graph


def replace_pattern(gm: GraphModule, pattern: Any, replacement: Any) -> list[Match]:
    """Replace each part of the module that does what `pattern` does; the parts that were found.

    Both are functions or modules of the same parameters, by place.
    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.replace_pattern
    """
    graph, sought, new = gm.graph, _graph_of(pattern), _graph_of(replacement)
    given, wanted = (g.find_nodes(op="placeholder") for g in (new, sought))
    if len(given) != len(wanted):
        raise AssertionError(
            f"[replace_pattern] the pattern has {len(wanted)} parameters, the replacement "
            f"{len(given)}; give both the same"
        )
    returned = sought.output_node().all_input_nodes
    anchors = [node for node in returned if len(node.users) == 1]
    inner = [node for node in sought.nodes if node.op not in ("placeholder", "output")]
    taken: set[Node] = set()
    matches: list[dict[Node, Any]] = []
    for found in _matches(graph, anchors, {}) if anchors else ():
        old = {found[node] for node in inner}
        leaks = any(not old.issuperset(found[n].users) for n in inner if n not in returned)
        if not leaks and taken.isdisjoint(old) and not _comes_back(old):
            taken |= old
            matches.append(found)
    changed: dict[Node, Node] = {}
    for found in matches:
        for node in wanted:
            gn = found[node]
            found[node] = changed.get(gn, gn) if isinstance(gn, Node) else gn
        values: dict[Node, Any] = {r: found[p] for r, p in zip(given, wanted, strict=True)}
        last = [found[node] for node in returned]
        users = {user for node in last for user in node.users}
        at = next((node for node in graph.nodes if node in users), None)
        with graph.inserting_before(at or max(last).next):
            results = graph.graph_copy(new, values)
        results = (results,) if isinstance(results, Node) else results
        if len(results) != len(last):
            raise AssertionError(
                f"[replace_pattern] the pattern returns {len(last)} values, the replacement "
                f"{len(results)}; return the same number"
            )
        for node, made in zip(last, results, strict=True):
            node.replace_all_uses_with(made)
            changed[node] = made
        for node in reversed(inner):
            graph.erase_node(found[node])
    if isinstance(replacement, Module):
        _bring(gm, replacement)
    gm.recompile()
    return [Match(anchors[0], found) for found in matches]


def _bring(gm: GraphModule, source: Module) -> None:
    """Copy the members that new nodes name from the module of the replacement."""
    gm.delete_all_unused_submodules()
    source = deepcopy(source)
    for node in gm.graph.nodes:
        if node.op in ("call_module", "get_attr"):
            try:
                _member(node)
            except AttributeError:
                _copy_attr(source, gm, node.target)
    gm.graph.lint()
