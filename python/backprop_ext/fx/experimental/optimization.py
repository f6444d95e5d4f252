"""Modules made faster for inference: batch norms folded into the layer before."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from ... import nn
from ...nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from .._symbolic_trace import symbolic_trace
from ..graph_module import GraphModule
from ..node import Node

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "fuse",
    "matches_module_pattern",
    "replace_node_module",
]


def _parent_name(target: str) -> tuple[str, str]:
    parent, _, name = target.rpartition(".")
    return parent, name


def matches_module_pattern(
    pattern: Iterable[type], node: Node, modules: dict[str, nn.Module]
) -> bool:
    """Whether the node and its first argument call modules of exactly these two classes."""
    steps = (node.args[0], node) if node.args else ()
    return bool(steps) and all(
        isinstance(step, Node)
        and step.op == "call_module"
        and type(modules.get(step.target)) is kind
        for kind, step in zip(pattern, steps, strict=False)
    )


def replace_node_module(node: Node, modules: dict[str, nn.Module], new_module: nn.Module) -> None:
    """Put another module where the one stands that a node calls."""
    parent, name = _parent_name(node.target)
    modules[node.target] = new_module
    setattr(modules[parent], name, new_module)


def fuse(model: nn.Module, inplace: bool = False, no_trace: bool = False) -> GraphModule:
    """A copy with each batch norm folded into the convolution or linear layer before it."""
    if not inplace:
        model = copy.deepcopy(model)
    traced = model if no_trace and isinstance(model, GraphModule) else symbolic_trace(model)
    assert isinstance(traced, GraphModule)
    modules = dict(traced.named_modules())
    graph = copy.deepcopy(traced.graph)
    for first, norm, folded in (
        (nn.Conv1d, nn.BatchNorm1d, fuse_conv_bn_eval),
        (nn.Conv2d, nn.BatchNorm2d, fuse_conv_bn_eval),
        (nn.Conv3d, nn.BatchNorm3d, fuse_conv_bn_eval),
        (nn.Linear, nn.BatchNorm1d, fuse_linear_bn_eval),
    ):
        for node in graph.nodes:
            if matches_module_pattern((first, norm), node, modules):
                layer: Any = modules[node.args[0].target]
                after: Any = modules[node.target]
                if len(node.args[0].users) == 1 and after.track_running_stats:
                    replace_node_module(node.args[0], modules, folded(layer, after))
                    node.replace_all_uses_with(node.args[0])
                    graph.erase_node(node)
    return GraphModule(traced, graph)
