"""See the graph: `explain(loss)` draws it, with the numbers of its backward pass.

The package is itself the function: `backprop_ext.explain(loss)`, `explain.record()`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from ._explanation import Explanation, explain
from ._growth import Growth, memory_growth
from ._living import LivingGraphs, living_graphs
from ._memory import MemoryReport, memory_report
from ._record import record
from ._summary import Summary, summary

__all__ = [
    "Explanation",
    "Growth",
    "LivingGraphs",
    "MemoryReport",
    "Summary",
    "explain",
    "living_graphs",
    "memory_growth",
    "memory_report",
    "record",
    "summary",
]


class _Callable(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Explanation:
        return explain(*args, **kwargs)


_Callable.__call__.__doc__ = explain.__doc__
sys.modules[__name__].__class__ = _Callable
