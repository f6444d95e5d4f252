"""Samples to a batch: tensors are stacked, numbers become tensors, containers keep their form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from copy import copy
from typing import Any

import numpy as np

from .... import _core
from ...._core import Tensor

__all__ = [
    "collate",
    "collate_numpy_array_fn",
    "collate_tensor_fn",
    "default_collate",
    "default_collate_fn_map",
    "default_convert",
    "np_str_obj_array_pattern",
]

np_str_obj_array_pattern = re.compile(r"[SaUO]")  # of the dtypes that no tensor has


def default_collate(batch: Any) -> Any:
    """Stack a list of samples: n tensors of shape s give one of shape (n, *s).

    Arrays, NumPy's scalars and Python's numbers become tensors, strings stay in a list, mappings
    and named tuples keep their type, tuples become lists. Raises TypeError for what is none of
    these, RuntimeError for sequences of unequal length or tensors of unequal shape.
    Source: PyTorch's torch.utils.data.default_collate.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch: Any, *, collate_fn_map: dict[Any, Callable[..., Any]] | None = None) -> Any:
    """`default_collate` by a table of one's own: the type of a sample -> f(batch)."""

    def again(samples: Any) -> Any:
        return collate(samples, collate_fn_map=collate_fn_map)

    first = batch[0]
    table = collate_fn_map or {}
    kind = type(first)
    chosen = kind if kind in table else next((t for t in table if isinstance(first, t)), None)
    if chosen is not None:
        return table[chosen](batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        return _mapping(first, {key: again([sample[key] for sample in batch]) for key in first})
    if isinstance(first, Sequence):
        lengths = {len(sample) for sample in batch}
        if len(lengths) > 1:
            raise RuntimeError(
                f"[default_collate] the samples are sequences of lengths {sorted(lengths)}; each "
                "element in list of batch should be of equal size; pad them in a collate_fn"
            )
        columns = [again(column) for column in zip(*batch, strict=True)]
        return _sequence(first, columns)
    raise TypeError(
        f"[default_collate] the batch holds a {kind.__module__}.{kind.__qualname__}; it must "
        "contain tensors, numpy arrays, numbers, dicts or lists; convert it in the dataset, or "
        "pass a collate_fn"
    )


def default_convert(data: Any) -> Any:
    """Arrays and NumPy's scalars as tensors, in containers too; all else as it is.

    Source: PyTorch's torch.utils.data.default_convert.
    """
    if isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in "SUO" else _core.as_tensor(data)
    if isinstance(data, (Tensor, str, bytes)):
        return data
    if isinstance(data, Mapping):
        return _mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, Sequence):
        return _sequence(data, [default_convert(item) for item in data])
    return data


def _mapping(like: Mapping[Any, Any], values: dict[Any, Any]) -> Any:
    """The values in a mapping of the type, and with the attributes, of another."""
    try:
        if isinstance(like, MutableMapping):
            made = copy(like)
            made.update(values)
            return made
        return type(like)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def _sequence(like: Sequence[Any], values: list[Any]) -> Any:
    if isinstance(like, tuple):
        return type(like)(*values) if hasattr(like, "_fields") else values
    try:
        if isinstance(like, MutableSequence):
            made = copy(like)
            made[:] = values
            return made
        return type(like)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def collate_tensor_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    """The tensors of a batch, stacked."""
    return _core.stack(batch, 0)


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    """The arrays of a batch, stacked as tensors. TypeError for text and objects."""
    kind = batch[0].dtype
    if kind.kind in "SUO":
        raise TypeError(
            f"[default_collate] the batch holds arrays of {kind}; it must contain tensors, numpy "
            "arrays, numbers, dicts or lists; numbers are needed in an array"
        )
    return _core.stack([_core.as_tensor(array) for array in batch], 0)


default_collate_fn_map: dict[Any, Callable[..., Any]] = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): lambda batch, **_: _core.as_tensor(batch),
    float: lambda batch, **_: _core.tensor(batch, dtype=_core.float64),
    int: lambda batch, **_: _core.tensor(batch),
    str: lambda batch, **_: batch,
    bytes: lambda batch, **_: batch,
}
