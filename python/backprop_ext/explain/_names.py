"""What the program calls its tensors, and how an operation is drawn."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from .. import _core, _stories
from .._core import Tensor
from ..nn.modules.module import Module

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import FrameType

__all__ = ["Names", "formula_of", "symbol_of"]

# The names that a notebook gives to its outputs.
_HISTORY: Final = frozenset({"_", "__", "___", "In", "Out", "_i", "_ii", "_iii"})

_SYMBOLS: Final = {
    "Add": "+",
    "Sub": "−",
    "Rsub": "−",
    "Mul": "×",
    "Div": "÷",
    "Pow": "^",
    "Neg": "−x",
    "Sum": "Σ",
    "Mean": "mean",
    "Mm": "@",
    "Mv": "@",
    "Bmm": "@",
    "Dot": "·",
    "Addmm": "Wx+b",
    "Sqrt": "√",
    "Reciprocal": "1/x",
    "Abs": "|x|",
    "Exp": "exp",
    "Sigmoid": "σ",
    "T": "ᵀ",
    "Transpose": "ᵀ",
    "Convolution": "conv",
    "NativeLayerNorm": "norm",
    "NativeBatchNorm": "norm",
}
# Where the node's name is not the operation's.
_OPERATIONS: Final = {
    "Addmm": "linear",
    "Mm": "linear",
    "Convolution": "conv2d",
    "NativeLayerNorm": "layer_norm",
    "NativeBatchNorm": "batch_norm",
    "PreluKernel": "prelu",
    "Rsub": "sub",
}
_BY_HAND: Final = {
    "Mm": "Y = A B;  d A = G Bᵀ, d B = Aᵀ G",
    "Bmm": "Y_i = A_i B_i;  d A_i = G_i B_iᵀ, d B_i = A_iᵀ G_i",
    "Mv": "y = A v;  d A = g vᵀ, d v = Aᵀ g",
    "Dot": "y = a · b;  d a = g b, d b = g a",
    "Addmm": "Y = X Wᵀ + b;  d X = G W, d W = Gᵀ X, d b = sum of the rows of G",
    "Sum": "y = Σ x_i;  d x_i = g",
    "Mean": "y = Σ x_i / n;  d x_i = g / n",
}


def _base(node: str) -> str:
    return node.partition("Backward")[0]


def symbol_of(node: str) -> str:
    """What stands in the circle: ×, or the operation's name."""
    base = _base(node)
    return _SYMBOLS.get(base) or _snake(base)


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and k else c.lower() for k, c in enumerate(name))


@cache
def _formulas() -> dict[str, str]:
    # The first of a name: a method comes before the namesake in a namespace.
    found: dict[str, str] = {}
    for operation in _core._operations():
        found.setdefault(operation["name"], operation["doc"])
    return found


def formula_of(node: str) -> str:
    """The formula of an operation and of its derivative, from its documentation."""
    base = _base(node)
    return _BY_HAND.get(base) or _formulas().get(_OPERATIONS.get(base, _snake(base)), "")


class Names:
    """The names of tensors, by identity: given ones first, then parameters, then variables."""

    def __init__(self) -> None:
        self._tensors: dict[int, str] = {}
        self._keep: list[Any] = []  # so that no identity is used twice
        self._variables: dict[str, Tensor] = {}
        self._modules: dict[str, Module] = {}
        self._last: list[tuple[Tensor, str]] = []
        self.places: dict[tuple[int, int], str] = {}  # results: (node, output)
        self.results: dict[tuple[int, int], Tensor] = {}
        self.prefixes: dict[int, str] = {}  # of outermost modules

    def hold(self, tensor: Tensor | None) -> None:
        """Keep a tensor while its identity counts."""
        self._keep.append(tensor)

    def add(self, tensor: Tensor, name: str) -> None:
        """The first name stays."""
        if tensor.grad_fn is not None:
            node = tensor.grad_fn
            place = (id(node), tensor.output_nr)
            self._keep.append(node)
            self.places.setdefault(place, name)
            self.results.setdefault(place, tensor)
        elif id(tensor) not in self._tensors:
            self._keep.append(tensor)
            self._tensors[id(tensor)] = name

    def add_last(self, tensor: Tensor, name: str) -> None:
        """A name for what has none otherwise."""
        self._last.append((tensor, name))

    def add_module(self, module: Module, prefix: str = "") -> None:
        """Parameters and buffers by their paths, "layers.2.weight"."""
        self.prefixes[id(module)] = prefix
        for path, tensor in (*module.named_parameters(), *module.named_buffers()):
            self.add(tensor, prefix + path)

    def add_all(self, names: Mapping[str, Any]) -> None:
        """Names that were given: of tensors, and of modules."""
        for name, value in names.items():
            if isinstance(value, Module):
                self.add_module(value, f"{name}." if name else "")
            else:
                self.add(value, name)

    def add_frame(self, frame: FrameType) -> None:
        """The variables of a function and of its module; they count when `resolve` is called."""
        for scope in (_stories.variables(frame), frame.f_globals):
            for name, value in list(scope.items()):
                if name in _HISTORY or name.startswith(("_i", "__")) or not name.isidentifier():
                    continue
                # By its type: a foreign object may run code when it is asked for its __class__.
                if issubclass(type(value), Module):
                    self._modules.setdefault(name, value)
                elif issubclass(type(value), Tensor):
                    self._variables.setdefault(name, value)

    def resolve(self, leaves: Iterable[Tensor], roots: Iterable[Module]) -> None:
        """Name what is in a graph: parameters by paths, after the module where there are several.

        `roots` are modules that were called, which no variable may hold.
        """
        known = {id(module) for module in self._modules.values()}
        for module in roots:
            if id(module) not in known:
                name = type(module).__name__.lower()
                self._modules.setdefault(name, module)
        inside = {id(leaf) for leaf in leaves}
        used = {
            name: module
            for name, module in self._modules.items()
            if id(module) not in self.prefixes and any(id(p) in inside for p in module.parameters())
        }
        held = {id(child) for m in used.values() for child in list(m.modules())[1:]}
        found: dict[int, tuple[str, Module]] = {}
        for name, module in used.items():
            if id(module) not in held:
                found.setdefault(id(module), (name, module))
        for name, module in found.values():
            self.add_module(module, f"{name}." if len(found) > 1 else "")
        for name, tensor in self._variables.items():
            self.add(tensor, name)
        for tensor, name in self._last:
            self.add(tensor, name)

    def of(self, tensor: Tensor) -> str:
        """The name of a leaf, or ""."""
        return self._tensors.get(id(tensor), "")

    def of_result(self, node: Any, outputs: Iterable[int] = (0,)) -> str:
        """The name of a result, or ""."""
        return next(
            (self.places[id(node), nr] for nr in outputs if (id(node), nr) in self.places), ""
        )
