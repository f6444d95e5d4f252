"""One row per registered operation, and the ways to call it here and in PyTorch."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np
import op_rows
from op_rows.row import Case, Row, map_arrays

import backprop_ext as bx

FAMILIES = [import_module(f"op_rows.{found.name}") for found in iter_modules(op_rows.__path__)]
TABLE: list[Row] = [row for family in FAMILIES for row in getattr(family, "ROWS", ())]


@cache
def registered() -> dict[str, dict[str, Any]]:
    """The registry, by name; those of a namespace as "nn.relu". Functions before their methods."""
    operations = sorted(bx._core._operations(), key=lambda op: op["function"])
    return {f"{op['namespace']}.{op['name']}".lstrip("."): op for op in operations}


def operation(name: str) -> Any:
    """The compiled callable of a registered name."""
    home, _, last = name.rpartition(".")
    if home:
        return getattr(getattr(bx._core, "_" + home), last)
    return getattr(bx._core if registered()[name]["function"] else bx.Tensor, name)


def to_tensors(value: Any, requires_grad: bool = False) -> Any:
    """Every array inside `value` as a tensor on a copy of its memory."""

    def make(array: Any) -> bx.Tensor:
        t = bx.tensor(array)
        return t.requires_grad_() if requires_grad and array.dtype.kind == "f" else t

    return map_arrays(make, value, np.ndarray)


def call(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operation on arrays, which become tensors."""
    return operation(name)(*to_tensors(args), **to_tensors(kwargs))


def cases(rows: list[Row]) -> list[tuple[Row, Case, str]]:
    """(row, case, seed) of every case of some rows; the seed also names the case."""
    return [(row, case, f"{row.name}-{i}") for row in rows for i, case in enumerate(row.cases)]


def cast(value: Any, dtype: str) -> Any:
    """Floating-point arrays inside `value` in another type."""
    return map_arrays(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a, value, np.ndarray)


def reals_as_arguments(args: Any, kwargs: Any) -> tuple[list[Any], Any]:
    """The floating-point arrays, and a function that puts others in their places."""
    found: list[Any] = []
    map_arrays(
        lambda a: found.append(a) if a.dtype.kind == "f" else None, (args, kwargs), np.ndarray
    )

    def rebuild(values: Any) -> Any:
        rest = iter(values)
        return map_arrays(
            lambda a: next(rest) if a.dtype.kind == "f" else bx.tensor(a),
            (args, kwargs),
            np.ndarray,
        )

    return found, rebuild
