"""`explain(loss)`: what the tape holds, and what backpropagation does with it."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _core, _stories
from .._core import Tensor
from ..nn.modules.module import Module
from . import _chain
from ._dot import dot, png
from ._graph import Op, Variable
from ._groups import find, group_ops, unfold
from ._names import Names
from ._record import record
from ._svg import svg
from ._tape import read
from ._text import ROWS, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ._graph import Graph
    from ._memory import MemoryReport

__all__ = ["Explanation", "explain"]


class Explanation:
    """The graph of a loss with its numbers. Plain data: it keeps no tensor and no graph alive.

    `print` it for a table, let a notebook draw it, or `save` it. `ops` and `variables` have the
    numbers: `e["w"].gradient`, `e.ops[0].inputs[0].local`.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._top = group_ops(graph)

    @property
    def ops(self) -> list[Op]:
        """The operations, in forward order."""
        return self.graph.ops()

    @property
    def variables(self) -> list[Variable]:
        """Leaves and constants, in the order of their first use."""
        return self.graph.variables()

    @property
    def notes(self) -> list[str]:
        """What is missing, and how to see it."""
        return list(self.graph.notes)

    def __len__(self) -> int:
        return len(self.graph.items)

    def __iter__(self) -> Iterator[Variable | Op]:
        return iter(self.graph.items)

    def __getitem__(self, name: str) -> Variable | Op:
        """The variable, result or operation of a name. Raises KeyError with the nearest one."""
        for item in self.graph.items:
            if name in ((item.label, item.name) if isinstance(item, Op) else (item.name,)):
                return item
        from difflib import get_close_matches

        names = [i.label if isinstance(i, Op) else i.name for i in self.graph.items]
        near = get_close_matches(name, names, n=1)
        raise KeyError(
            f"[explain] nothing is called {name!r}"
            + (f"; did you mean {near[0]!r}?" if near else f"; there are {names[:8]}")
        )

    def text(self, limit: int | None = ROWS) -> str:
        """The table and the chain rule; above `limit` rows only both ends (None: all)."""
        return text(self.graph, limit)

    __str__ = text
    __repr__ = text

    def svg(self, unfolded: Sequence[str] | None = None) -> str:
        """The picture. `unfolded` names modules or parts to open; None opens what fits.

        Raises ValueError for an unknown one, with the nearest.
        """
        return svg(self.graph, self._top, self._opened(unfolded))

    def dot(self, unfolded: Sequence[str] | None = None) -> str:
        """The picture in Graphviz's language."""
        return dot(self.graph, self._top, self._opened(unfolded))

    def graphviz(self, unfolded: Sequence[str] | None = None) -> Any:
        """The picture as a `Source` of Graphviz's Python package. Raises ImportError without it."""
        try:
            package = import_module("graphviz")
        except ImportError as error:
            raise ImportError(
                "[explain] Graphviz's Python package is not installed; pip install graphviz, or "
                "take .svg() or .dot(), which need nothing"
            ) from error
        return package.Source(self.dot(unfolded))

    def html(self, unfolded: Sequence[str] | None = None) -> str:
        """A page that steps through forward pass, local gradients and backward pass."""
        from ._html import html

        return html(self.graph, self._top, self._opened(unfolded))

    def json(self) -> str:
        """All numbers, as JSON."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=False)

    def _repr_svg_(self) -> str:
        return self.svg()

    def _opened(self, unfolded: Sequence[str] | None) -> set[str]:
        if unfolded is None:
            return unfold(self._top)
        names = [unfolded] if isinstance(unfolded, str) else unfolded
        return {group.key for name in names for group in find(self._top, name)}

    def save(self, path: str | Path, unfolded: Sequence[str] | None = None) -> Path:
        """Write .svg, .html, .dot, .json, .txt, or, with Graphviz's `dot`, .png.

        Raises ValueError for another ending, RuntimeError for .png without `dot`.
        """
        path = Path(path)
        write: dict[str, Callable[[], str | bytes]] = {
            ".svg": lambda: self.svg(unfolded),
            ".html": lambda: self.html(unfolded),
            ".dot": lambda: self.dot(unfolded),
            ".json": self.json,
            ".txt": lambda: self.text(None) + "\n",
            ".png": lambda: png(self.dot(unfolded)),
        }
        if path.suffix not in write:
            raise ValueError(
                f"[explain] cannot write {path.name!r}; end it in one of {', '.join(sorted(write))}"
            )
        content = write[path.suffix]()
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def memory(self) -> MemoryReport:
        """What is kept for the backward pass, by operation."""
        from ._memory import MemoryReport

        return MemoryReport(self.graph)

    def as_dict(self) -> dict[str, Any]:
        """All numbers, in what JSON knows."""
        return {
            "root": self.graph.root,
            "recorded": self.graph.recorded,
            "notes": self.notes,
            "items": [_item(self.graph, item) for item in self.graph.items],
        }


def _item(graph: Graph, item: Variable | Op) -> dict[str, Any]:
    common = {
        "index": item.index,
        "value": _value(item.value),
        "gradient": _value(item.gradient),
    }
    if isinstance(item, Variable):
        kind = "parameter" if item.is_parameter else "leaf" if item.requires_grad else "constant"
        return {"kind": kind, "name": item.name, **common}
    return {
        "kind": "op",
        "name": item.label,
        "op": item.name,
        "symbol": item.symbol,
        "formula": item.formula,
        "module": item.path,
        "line": item.line,
        "code": item.code,
        **common,
        "inputs": [
            {
                "source": one.source,
                "output": one.output,
                "local": one.local and {"kind": one.local.kind, **one.local.value.as_dict()},
                "gradient": _value(one.gradient),
                "rule": _chain.rule(graph, item, one),
            }
            for one in item.inputs
            if one.source >= 0
        ],
        "kept": [vars(kept) for kept in item.kept],
    }


def _value(value: Any) -> dict[str, Any] | None:
    return None if value is None else value.as_dict()


def explain(
    what: Tensor | Callable[..., Tensor],
    *inputs: Any,
    gradient: Tensor | None = None,
    model: Module | None = None,
    names: Mapping[str, Any] | None = None,
) -> Explanation:
    """What the graph of a loss holds, and the numbers of its backward pass.

    A tensor is explained from its tape as it is; a function or module is called with `inputs`
    under `record()`, which also notes source lines, module paths and every forward value.
    `gradient` is d L / d (the result), 1 for a scalar; the result of a function may have any shape,
    and then counts as summed. Names are those of the caller's variables and modules; `model` and
    `names`, {"w": tensor}, go first.

    No hook runs, no `.grad` changes, and the graph is not freed. Raises RuntimeError for a tensor
    without a graph, a freed graph and a loss that is no scalar, TypeError for anything else.
    """
    frame = next(_stories.call_frames(), None) or sys._getframe(1)
    called = not isinstance(what, Tensor)
    if called:
        if not callable(what):
            raise TypeError(
                f"[explain] a {type(what).__name__} has no graph; pass a loss, or a function (or "
                "module) and its inputs"
            )
        with record():
            loss = what(*inputs)
        if not isinstance(loss, Tensor):
            raise TypeError(
                f"[explain] the function returned a {type(loss).__name__}; return one tensor"
            )
        if gradient is None:
            gradient = _core.ones_like(loss.detach())
    else:
        loss = what  # type: ignore[assignment]
        if inputs:
            raise TypeError("[explain] a tensor takes no inputs; pass the function that made it")
    known = Names()
    if isinstance(model, Module):
        known.add_module(model)
    known.add_all(names or {})
    if isinstance(what, Module):
        known.add_module(what)
    known.add_frame(frame)
    known.add_last(loss, "result" if called else "loss")
    return Explanation(read(loss, _seed(loss, gradient), known))


def _seed(loss: Tensor, gradient: Tensor | None) -> Tensor:
    if gradient is None:
        if loss.numel() != 1 and loss.grad_fn is not None:
            raise RuntimeError(
                f"[explain] a gradient can be left out for a scalar only, this tensor has shape "
                f"{tuple(loss.shape)}; reduce it (.sum()), or pass gradient="
            )
        return _core.ones_like(loss.detach())
    if tuple(gradient.shape) != tuple(loss.shape):
        raise RuntimeError(
            f"[explain] a gradient of shape {tuple(gradient.shape)} for a tensor of shape "
            f"{tuple(loss.shape)}; they must be equal"
        )
    return gradient.detach().to(loss.dtype)
