"""PyTorch's values as ours, and the comparison of results."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch

import backprop_ext as bx

DTYPES: Final = {getattr(torch, n): getattr(bx, n) for n in
                 ("float32", "float64", "int64", "int32", "bool")}  # fmt: skip
TOLERANCE: Final = {"float32": (2e-4, 2e-5), "float64": (1e-7, 1e-9)}


class NotPlainError(Exception):
    """A value that has no counterpart here: another type, layout or device."""


def ours(value: Any) -> Any:
    """The same arguments with our tensors (on copies of the memory), types and devices."""
    if isinstance(value, torch.Tensor):
        return tensor(value)
    if isinstance(value, torch.dtype):
        if value not in DTYPES:
            raise NotPlainError(value)
        return DTYPES[value]
    if isinstance(value, torch.device):
        return bx.device(value.type)
    if isinstance(value, torch.Size):
        return bx.Size(value)
    if isinstance(value, (torch.layout, torch.memory_format, complex, torch.Generator)):
        raise NotPlainError(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(ours, value))
    if isinstance(value, (tuple, list)):
        return type(value)(map(ours, value))
    if isinstance(value, dict):
        return {k: ours(v) for k, v in value.items()}
    return value


def tensor(t: torch.Tensor) -> bx.Tensor:
    """A tensor of the same layout on a copy of the memory."""
    if t.layout != torch.strided or t.dtype not in DTYPES or t.device.type != "cpu":
        raise NotPlainError(t.dtype)
    source = t.detach()
    copy = torch.empty_strided(source.shape, source.stride(), dtype=source.dtype)
    copy.copy_(source) if 0 not in source.stride() else None
    made = bx.from_numpy((copy if 0 not in source.stride() else source.clone()).numpy())
    return made.requires_grad_() if t.requires_grad else made


def flat(value: Any, kind: type) -> list[Any]:
    """All instances of `kind` inside nested tuples, lists and dicts."""
    if isinstance(value, kind):
        return [value]
    if isinstance(value, (tuple, list)):
        return [t for item in value for t in flat(item, kind)]
    if isinstance(value, dict):
        return [t for item in value.values() for t in flat(item, kind)]
    return []


def leaves(value: Any) -> list[Any]:
    """The parts of a result: tensors and plain values."""
    if isinstance(value, (tuple, list)):
        return [t for item in value for t in leaves(item)]
    if isinstance(value, dict):
        return [t for item in value.values() for t in leaves(item)]
    return [value]


def difference(expected: Any, found: Any, shapes_only: bool = False) -> str | None:
    """What differs between a result of PyTorch's and ours, None where nothing does."""
    wanted, got = leaves(expected), leaves(found)
    if len(wanted) != len(got):
        return f"{len(got)} results, PyTorch gives {len(wanted)}"
    for w, g in zip(wanted, got, strict=True):
        text = difference_of_one(w, g, shapes_only)
        if text:
            return text
    return None


def difference_of_one(expected: Any, found: Any, shapes_only: bool) -> str | None:
    if not isinstance(expected, torch.Tensor):
        if isinstance(expected, torch.dtype):
            expected = DTYPES.get(expected)
        same = expected == found or (expected != expected and found != found)
        if isinstance(expected, float):
            same = bool(np.isclose(expected, found, rtol=1e-4, equal_nan=True))
        return None if same else f"{found!r}, PyTorch gives {expected!r}"
    if not isinstance(found, bx.Tensor):
        return f"a {type(found).__name__}, PyTorch gives a Tensor"
    if tuple(expected.shape) != tuple(found.shape):
        return f"shape {tuple(found.shape)}, PyTorch's {tuple(expected.shape)}"
    if expected.dtype not in DTYPES:
        raise NotPlainError(expected.dtype)
    if DTYPES[expected.dtype] != found.dtype:
        return f"{found.dtype}, PyTorch's {expected.dtype}"
    if shapes_only:
        return None
    a, b = expected.detach().numpy(force=True), found.detach().numpy()
    if a.dtype.kind != "f":
        return None if np.array_equal(a, b) else f"{b.ravel()[:4]}, PyTorch {a.ravel()[:4]}"
    relative, absolute = TOLERANCE[a.dtype.name]
    close = np.isclose(b, a, rtol=relative, atol=absolute, equal_nan=True)
    if close.all():
        return None
    at = tuple(int(k) for k in np.argwhere(~close)[0])
    return f"at {at} of {a.shape}: {b[at]!r}, PyTorch {a[at]!r}"


def seeds(outputs: list[torch.Tensor], number: int) -> list[torch.Tensor]:
    """Incoming gradients of the outputs' shapes, the same for the same number."""
    rng = np.random.default_rng(number)
    return [torch.from_numpy(np.asarray(rng.uniform(-1, 1, tuple(o.shape)), _kind(o)))
            for o in outputs]  # fmt: skip


def _kind(t: torch.Tensor) -> str:
    return "float32" if t.dtype == torch.float32 else "float64"
