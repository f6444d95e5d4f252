"""The chain rule at one input of one operation, written out with its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._graph import Op, Variable
from ._value import shape_text

if TYPE_CHECKING:
    from ._graph import Graph, Input
    from ._value import Value

__all__ = ["local_text", "rule", "sum_rule", "upstream_text"]

_LONGEST = 12  # elements that are written out


def rule(graph: Graph, op: Op, one: Input) -> str:
    """dL/dx = dL/dy · dy/dx = 2 · 3 = 6; with vectors, the product is elementwise or Jᵀ g."""
    x, y = graph.name(one.source, one.output), _result(op)
    up, product = _text(op.gradient), _text(one.gradient)
    if one.gradient is None:
        return f"∂L/∂{x}: no gradient arrived"
    local = one.local
    if local is None:
        return f"∂L/∂{x} = {product}, by {op.name} from ∂L/∂{y} = {up}"
    if local.kind == "sums":
        return (
            f"∂L/∂{x} = Jᵀ ∂L/∂{y} = {product}, "
            f"with J of {shape_text(_size(op.gradient))} by {shape_text(local.value.shape)} numbers"
        )
    factor = _text(local.value)
    if local.kind == "elementwise":
        times = "·" if local.value.size == 1 else "⊙"
        return f"∂L/∂{x} = ∂L/∂{y} {times} ∂{y}/∂{x} = {up} {times} {factor} = {product}"
    if op.gradient is not None and op.gradient.size == 1:
        return f"∂L/∂{x} = ∂L/∂{y} · ∂{y}/∂{x} = {up} · {factor} = {product}"
    start = f"∂L/∂{x} = (∂{y}/∂{x})ᵀ ∂L/∂{y}"
    if local.value.size > _LONGEST:
        return f"{start} = {product}"
    return f"{start} = {factor}ᵀ {up} = {product}"


def local_text(graph: Graph, op: Op, one: Input) -> str:
    """∂y/∂x = 3, or what kind of number it is."""
    x, y = graph.name(one.source, one.output), _result(op)
    if one.local is None:
        return f"∂{y}/∂{x}: not computed" if one.gradient else f"∂{y}/∂{x}: not needed"
    value = _text(one.local.value)
    if one.local.kind == "sums":
        return f"∂{y}/∂{x}: its sums over {y} are {value}"
    suffix = ", element by element" if _many(one) else ""
    return f"∂{y}/∂{x} = {value}{suffix}"


def upstream_text(op: Op) -> str:
    """∂L/∂y, which arrived from above."""
    return f"∂L/∂{_result(op)} = {_text(op.gradient)}"


def sum_rule(graph: Graph, item: Variable | Op) -> str:
    """∂L/∂x = 6 + 2 = 8, where a value is used more than once."""
    gradient = item.gradient
    if gradient is None:
        return ""
    name = graph.name(item.index)
    if len(item.parts) < 2:
        return f"∂L/∂{name} = {_text(gradient)}"
    parts = " + ".join(_text(part) for part in item.parts[:8])
    more = " + ..." if len(item.parts) > 8 else ""
    return f"∂L/∂{name} = {parts}{more} = {_text(gradient)}"


def _result(op: Op) -> str:
    if op.outputs == 1:
        return op.label
    return f"{op.label}[{next(iter(op.gradients), 0)}]"


def _many(one: Input) -> bool:
    return one.local is not None and one.local.kind == "elementwise" and one.local.value.size > 1


def _size(value: Value | None) -> tuple[int, ...]:
    return () if value is None else value.shape


def _text(value: Value | None) -> str:
    return "?" if value is None else value.text(_LONGEST)
