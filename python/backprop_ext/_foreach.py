"""An operation on every tensor of a list: `_foreach_add_(params, updates, alpha=-lr)`.

PyTorch's optimizers are written in these, and so are those of others. Here each is a loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _core
from ._core import Tensor, _linalg

if TYPE_CHECKING:
    from collections.abc import Callable

__all__: list[str] = []

_WRITTEN_TOO = """
abs acos add addcdiv addcmul asin atan ceil clamp_max clamp_min cos cosh div erf erfc exp expm1
floor frac lerp lgamma log log10 log1p log2 maximum minimum mul neg pow reciprocal round
rsqrt sigmoid sign sin sinh sqrt sub tan tanh trunc"""
_NUMBERS_TOO = {"maximum": "clamp_min", "minimum": "clamp_max"}  # as these are not
_OTHERS: dict[str, Callable[..., Any]] = {
    "clone": _core.clone,
    "copy_": Tensor.copy_,
    "max": _core.max,
    "mm": _core.mm,
    "norm": lambda x, ord=2, dtype=None: _linalg.vector_norm(x, ord, dtype=dtype),
    "zero_": Tensor.zero_,
}


def _with_value(op: Callable[..., Any]) -> Callable[..., Any]:
    """addcmul and addcdiv, whose number is the last argument here."""
    return lambda x, a, b, value=1: op(x, a, b, value=value)


def _column(op: str, argument: Any, count: int) -> Any:
    """What the argument is for each tensor: a list has one for each, anything else stands for all.

    RuntimeError for a list of another length.
    """
    if isinstance(argument, Tensor) and argument.dim() == 1:
        argument = argument.tolist()
    if not isinstance(argument, (list, tuple)):
        return [argument] * count
    if len(argument) != count:
        raise RuntimeError(
            f"[{op}] lists of {count} and of {len(argument)}; pass one for each tensor"
        )
    return argument


def _over_lists(name: str, op: Callable[..., Any]) -> Callable[..., Any]:
    full_name = f"_foreach_{name}"

    def run(self: Any, *args: Any, **options: Any) -> Any:
        tensors = self if isinstance(self, (list, tuple)) else args[0]
        if not tensors:
            raise RuntimeError(f"[{full_name}] the list is empty; pass one tensor or more")
        rows = zip(*(_column(full_name, arg, len(tensors)) for arg in (self, *args)), strict=True)
        columns = {key: _column(full_name, value, len(tensors)) for key, value in options.items()}
        results = [
            op(*row, **{key: column[k] for key, column in columns.items()})
            for k, row in enumerate(rows)
        ]
        return self if name.endswith("_") else tuple(results)

    run.__name__ = run.__qualname__ = full_name
    run.__doc__ = f"{name} of each tensor of a list; its arguments may be lists too."
    return run


def _register() -> None:
    ops = dict(_OTHERS)
    for name in _WRITTEN_TOO.split():
        same = _NUMBERS_TOO.get(name, name)
        for each, op in ((name, getattr(_core, same)), (f"{name}_", getattr(Tensor, f"{same}_"))):
            ops[each] = _with_value(op) if name.startswith("addc") else op
    for name, op in ops.items():
        made = _over_lists(name, op)
        globals()[made.__name__] = made
        __all__.append(made.__name__)


_register()
