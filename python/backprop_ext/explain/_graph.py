"""What a picture is made of: variables, operations, and what flows between them. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._value import Value

__all__ = ["LIVING", "Graph", "Input", "Kept", "Local", "Op", "Variable", "kept_bytes"]

LIVING: Final = ("activation", "constant")  # kinds of memory that are there for the graph alone


@dataclass
class Kept:
    """A tensor that an operation keeps for its backward pass."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int  # of the whole memory behind it: a view keeps all of it
    memory: int | None  # which memory; None: packed by a hook
    kind: str  # parameter, input, activation, borrowed, packed
    stale: bool = False  # written to since


@dataclass
class Local:
    """The derivative of an operation by one input.

    kind: "elementwise" (d y_i / d x_i, of the input's shape), "jacobian" (output's and input's
    shape), or "sums" (the sum of d y / d x_i over y: the Jacobian is too large to show).
    """

    kind: str
    value: Value


@dataclass
class Input:
    """An input of an operation: which item it comes from, and what goes back to it."""

    source: int
    output: int = 0
    local: Local | None = None
    gradient: Value | None = None  # upstream times local


@dataclass
class Variable:
    """A box: a leaf that requires a gradient, or a constant."""

    index: int
    name: str
    value: Value | None
    requires_grad: bool
    is_parameter: bool = False
    gradient: Value | None = None
    parts: list[Value] = field(default_factory=list)  # what its uses send back, in order


@dataclass
class Op:
    """A circle: an operation of the tape."""

    index: int
    name: str  # PyTorch's, "MulBackward0"
    symbol: str
    label: str  # of its result: the program's variable, else v3
    formula: str
    line: str
    code: str  # what stands in that line
    path: str
    calls: tuple[tuple[int, str, str], ...]  # (number, path, class) of the modules around it
    outputs: int
    inputs: list[Input] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    values: dict[int, Value] = field(default_factory=dict)  # by output
    gradients: dict[int, Value] = field(default_factory=dict)
    parts: list[Value] = field(default_factory=list)

    @property
    def value(self) -> Value | None:
        """The forward value of the first output that is known."""
        return next(iter(self.values.values()), None)

    @property
    def gradient(self) -> Value | None:
        """d L / d (the first output that has one): the upstream gradient."""
        return next(iter(self.gradients.values()), None)


def kept_bytes(ops: Iterable[Op]) -> int:
    """What lives for the backward pass of operations: memory that is shared counts once, that of
    parameters and of other libraries not at all."""
    return sum({k.memory: k.bytes for op in ops for k in op.kept if k.kind in LIVING}.values())


@dataclass
class Graph:
    """Items in the order in which they were computed, a variable before its first use."""

    items: list[Variable | Op]
    root: int  # the loss
    recorded: bool  # by `record()`, at least in part
    local: bool  # whether local derivatives were computed
    notes: list[str] = field(default_factory=list)  # what is missing, and how to see it

    def ops(self) -> list[Op]:
        """The operations, in forward order."""
        return [item for item in self.items if isinstance(item, Op)]

    def variables(self) -> list[Variable]:
        """The variables, in the order of their first use."""
        return [item for item in self.items if isinstance(item, Variable)]

    def name(self, index: int, output: int = 0) -> str:
        """What an item is called in formulas."""
        item: Any = self.items[index]
        if isinstance(item, Variable):
            return item.name
        return item.label if item.outputs == 1 else f"{item.label}[{output}]"
