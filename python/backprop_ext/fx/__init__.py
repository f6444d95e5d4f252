"""Programs as graphs: recorded, printed, changed, and run again as Python code.

Source: https://docs.pytorch.org/docs/stable/fx.html
"""

from __future__ import annotations

from .._names import missing_from
from ._symbolic_trace import PH, Tracer, symbolic_trace, wrap
from .graph import CodeGen, Graph
from .graph_module import GraphModule
from .interpreter import Interpreter, Transformer
from .node import Node, has_side_effect, map_arg
from .proxy import Proxy
from .subgraph_rewriter import replace_pattern

__all__ = [
    "PH",
    "CodeGen",
    "Graph",
    "GraphModule",
    "Interpreter",
    "Node",
    "Proxy",
    "Tracer",
    "Transformer",
    "has_side_effect",
    "map_arg",
    "replace_pattern",
    "symbolic_trace",
    "wrap",
]

__getattr__ = missing_from(
    "torch.fx",
    globals(),
    {name: f".{name}" for name in ("experimental", "immutable_collections", "passes")},
)
