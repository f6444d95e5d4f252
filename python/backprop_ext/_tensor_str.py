"""How a tensor is printed: the same characters as PyTorch's.

Read `tensor_str` first, then `_column` (how wide, which notation) and `_rows` (brackets, wrapping).
Source: https://docs.pytorch.org/docs/stable/generated/torch.set_printoptions.html
"""

from __future__ import annotations

from contextlib import contextmanager
from math import inf, isfinite
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from . import _core
from ._bits import as_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from ._core import Tensor

    Array = NDArray[Any]
    Column = tuple[Callable[[Any], str], int]

__all__ = [
    "get_printoptions",
    "graph_notes",
    "noted_str",
    "parts_str",
    "plain_types",
    "printoptions",
    "set_printoptions",
    "tensor_str",
]

_PROFILES: Final[dict[str, dict[str, Any]]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": inf, "edgeitems": 3, "linewidth": 80},
}
PRINT_OPTS: Final = SimpleNamespace(**_PROFILES["default"], sci_mode=None)
_options: Final[dict[str, Any]] = vars(PRINT_OPTS)

# Printed as `tensor(...)`; any other class under its own name.
plain_types: Final[set[type]] = {_core.Tensor}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose digits, the size that is summarized, items kept at its edges, and columns.

    `profile` ("default", "short", "full") is applied first; sci_mode=None lets each tensor decide.
    """
    if profile is not None:
        _options.update(_PROFILES.get(profile, {}))  # PyTorch passes over another one
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    _options.update((name, value) for name, value in given.items() if value is not None)
    _options["sci_mode"] = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options in force, as keyword arguments of `set_printoptions`."""
    return dict(_options)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Other print options inside a `with`."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        _options.update(before)


def tensor_str(self: Tensor, contents: str | None = None) -> str:
    """tensor(values, size=, dtype=, grad_fn= or requires_grad=), without what goes by default.

    `contents` stands for the values.
    """
    prefix = "tensor(" if type(self) in plain_types else f"{type(self).__name__}("
    shape, dtype, default = tuple(self.shape), self.dtype, _core.get_default_dtype()
    empty = 0 in shape
    if self.is_meta:
        kind = [] if dtype == default else [f"dtype={dtype}"]
        notes = ["device='meta'", f"size={shape}", *kind, *graph_notes(self)]
        return _add_suffixes(prefix + "...", notes, len(prefix))
    notes = []
    if (empty and len(shape) != 1) or not (empty or _options["edgeitems"]):
        notes.append(f"size={shape}")
    usual = (_core.int64, _core.bool, default.to_complex())
    if dtype != default and (empty or dtype not in usual):
        notes.append(f"dtype={dtype}")
    if contents is None:
        contents = "[]" if empty else _tensor_str(self, len(prefix))
    text = prefix + contents
    return _add_suffixes(text, notes + graph_notes(self), len(prefix))


def _str_intern(inp: Tensor, *, tensor_contents: str | None = None) -> str:
    """PyTorch's name of tensor_str, which subclasses call."""
    return tensor_str(inp, tensor_contents)


def graph_notes(t: Tensor) -> list[str]:
    """grad_fn= or requires_grad=, if there is one."""
    try:
        node = t.grad_fn
    except RuntimeError:  # a view made under no_grad(), written since
        return ["grad_fn=<Invalid>"]
    if node is not None:
        return [f"grad_fn=<{node.name()}>"]
    return ["requires_grad=True"] if t.requires_grad else []


def noted_str(values: Tensor, notes: list[str]) -> str:
    """tensor(values, notes), values those that are shown for another tensor."""
    text = "[]" if not values.numel() else _tensor_str(values, len("tensor("))
    return _add_suffixes("tensor(" + text, notes, len("tensor("))


def parts_str(parts: dict[str, Tensor], notes: list[str], new_line: bool) -> str:
    """tensor(name=tensor(values), ..., notes): a tensor that is made of others, a line for each."""
    indent = len("tensor(")
    lines = []
    for name, part in parts.items():
        text = f"{name}=tensor("
        if part.numel() == 0:
            lines.append(f"{text}[], size={tuple(part.shape)})")
        else:
            lines.append(f"{text}{_tensor_str(part, indent + len(text))})")
    return _add_suffixes("tensor(" + f",\n{' ' * indent}".join(lines), notes, indent, new_line)


def _add_suffixes(text: str, notes: list[str], indent: int, force_newline: bool = False) -> str:
    used = len(text) - text.rfind("\n") + 1
    for note in notes:
        if force_newline or used + len(note) + 2 > _options["linewidth"]:
            text += ",\n" + " " * indent + note
            used, force_newline = indent + len(note), False
        else:
            text += ", " + note
            used += len(note) + 2
    return text + ")"


def _tensor_str(self: Tensor, indent: int) -> str:
    """The values alone, of a line that begins with `indent` characters."""
    return _values_str(as_values(self), indent)


def _values_str(values: Array, indent: int) -> str:
    summarize = values.size > _options["threshold"]
    return _rows(values, indent, summarize, _column(_edges(values) if summarize else values))


def _edges(values: Array) -> Array:
    """The elements that a summary shows: they alone decide the notation."""
    keep = _options["edgeitems"]
    for axis, size in enumerate(values.shape):
        if size > 2 * keep:
            values = values.take([*range(keep), *range(size - keep, size)], axis)
    return values


def _column(values: Array) -> Column:
    """The function that writes an element, right-aligned, and the width of what it writes.

    A float column is written in full (`1.`) when all its numbers are whole, with `precision` digits
    otherwise, and in scientific notation when max/min > 1000, max > 1e8 or min < 1e-4. Zeros,
    infinities and nan have no vote. Of complex numbers each part has a column of its own.
    """
    if values.dtype.kind == "c":
        return _complex_column(_column(values.real), _column(values.imag))
    if values.dtype.kind != "f":
        width = max((len(str(value)) for value in values.ravel().tolist()), default=1)
        return lambda value: str(value).rjust(width), width

    voters = values[np.isfinite(values) & (values != 0)].astype(np.float64)
    if voters.size == 0:
        spec, dot, width = ".0f", ".", 1
    else:
        low, high = float(np.abs(voters).min()), float(np.abs(voters).max())
        scientific = _options["sci_mode"]
        if scientific is None:
            scientific = high / low > 1000.0 or high > 1e8 or low < 1e-4
        whole = bool((voters == np.ceil(voters)).all()) and not scientific
        spec = ".0f" if whole else f".{_options['precision']}{'e' if scientific else 'f'}"
        dot = "." if whole else ""
        width = max(len(format(value, spec)) for value in voters.tolist()) + len(dot)

    def write(value: float) -> str:
        return (format(value, spec) + (dot if isfinite(value) else "")).rjust(width)

    return write, width


def _complex_column(real: Column, imag: Column) -> Column:
    def write(value: complex) -> str:
        part = (imag[0](value.imag) + "j").lstrip()
        return real[0](value.real) + ("" if part[0] in "+-" else "+") + part

    return write, real[1] + imag[1] + 1


def _rows(values: Array, indent: int, summarize: bool, column: Column) -> str:
    write, width = column
    if values.ndim == 0:
        return write(values.item())
    keep = _options["edgeitems"]
    cut = summarize and len(values) > 2 * keep
    shown = [*values[:keep], *values[len(values) - keep :]] if cut else values
    if values.ndim > 1:
        items = [_rows(row, indent + 1, summarize, column) for row in shown]
        if cut:
            items.insert(keep, "...")
        return "[" + ("," + "\n" * (values.ndim - 1) + " " * (indent + 1)).join(items) + "]"

    items = [write(value) for value in np.asarray(shown).tolist()]
    if cut:
        items.insert(keep, " ..." if keep else "...")
    per_line = max(1, int((_options["linewidth"] - indent) // (width + 2)))
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
