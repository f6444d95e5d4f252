"""PyTorch's values as ours, and the comparison of results."""

from __future__ import annotations

import types
from typing import Any, Final

import numpy as np
import torch

import backprop_ext as bx

DTYPES: Final = {getattr(torch, n): getattr(bx, n) for n in
                 ("float32", "float64", "complex64", "complex128", "int64", "int32", "int16",
                  "int8", "uint8", "bool", "float16", "bfloat16")}  # fmt: skip
SPARSE: Final = (torch.sparse_coo, torch.sparse_csr)
TOLERANCE: Final = {"float16": (4e-3, 4e-3), "bfloat16": (3e-2, 3e-2),
                    "float32": (2e-4, 2e-5), "float64": (1e-7, 1e-9),
                    "complex64": (2e-4, 2e-5), "complex128": (1e-7, 1e-9)}  # fmt: skip


class NotPlainError(Exception):
    """A value that has no counterpart here: another type, layout or device."""


def ours(value: Any, known: dict[int, Any] | None = None) -> Any:
    """The same arguments with our tensors, types and devices.

    Tensors are made on copies of the memory; one that comes twice is one tensor here too.
    """
    known = {} if known is None else known
    if isinstance(value, torch.Tensor):
        if id(value) not in known:
            known[id(value)] = tensor(value)
        return known[id(value)]
    if isinstance(value, torch.dtype):
        if value not in DTYPES:
            raise NotPlainError(f"{value}")
        return DTYPES[value]
    if isinstance(value, torch.device):
        return bx.device(value.type)
    if isinstance(value, torch.Size):
        return bx.Size(value)
    if isinstance(value, (torch.layout, torch.memory_format)):
        found = getattr(bx, f"{value}".removeprefix("torch."), None)
        if found is None:
            raise NotPlainError(f"{value}")
        return found
    if isinstance(value, torch.Generator):
        raise NotPlainError(type(value).__name__)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(ours(v, known) for v in value))
    if isinstance(value, (tuple, list)):
        return type(value)(ours(v, known) for v in value)
    if isinstance(value, dict):
        return {k: ours(v, known) for k, v in value.items()}
    if isinstance(value, torch.nn.Module):
        return module(value)
    return function(value) if callable(value) else value


def tensor(t: torch.Tensor) -> bx.Tensor:
    """A tensor of the same layout on a copy of the whole memory behind it."""
    if t.layout in SPARSE and t.dtype in DTYPES:
        coo = t.detach().to_sparse_coo()
        made = bx.sparse_coo_tensor(
            tensor(coo._indices()), tensor(coo._values()), tuple(t.shape),
            is_coalesced=coo.is_coalesced(),
        )  # fmt: skip
        made = made.to_sparse(layout=ours(t.layout))
        return made.requires_grad_() if t.requires_grad else made
    if t.layout != torch.strided or t.dtype not in DTYPES or t.device.type != "cpu":
        raise NotPlainError(f"{t.dtype if t.layout == torch.strided else t.layout}")
    if t.is_conj() or t.is_neg():  # which our tensors are in memory
        requires_grad, t = t.requires_grad, t.detach().resolve_conj().resolve_neg()
        return tensor(t.requires_grad_(requires_grad))
    whole = torch.empty(0, dtype=t.dtype).set_(t.untyped_storage()).clone()
    bits = whole.view(torch.int16) if t.dtype is torch.bfloat16 else whole
    flat = bx.from_numpy(bits.numpy()).view(DTYPES[t.dtype])
    made = flat.as_strided(t.shape, t.stride(), t.storage_offset())
    return made.requires_grad_() if t.requires_grad else made


def translated(function: types.FunctionType, **others: Any) -> types.FunctionType:
    """A function of the databases with our package in the place of torch."""
    names = function.__globals__ | {"torch": bx, "F": bx.nn.functional} | others
    return types.FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )


def function(value: Any) -> Any:
    """Our function of the same name, as gelu for an activation; a lambda with torch replaced."""
    if isinstance(value, types.FunctionType) and "torch.testing" in value.__module__:
        return translated(value)
    for theirs, mine in ((torch, bx), (torch.nn.functional, bx.nn.functional), (torch.nn, bx.nn)):
        name = getattr(value, "__name__", "")
        if getattr(theirs, name, None) is value and hasattr(mine, name):
            return getattr(mine, name)
    raise NotPlainError(f"{value}")


def module(value: torch.nn.Module) -> Any:
    """Our module of the same class, settings and parameters, for those that samples hold."""
    nn: Any = bx.nn
    if isinstance(value, torch.nn.PairwiseDistance):
        made = nn.PairwiseDistance(value.norm, value.eps, value.keepdim)
    elif isinstance(value, torch.nn.TransformerEncoderLayer):
        made = nn.TransformerEncoderLayer(
            value.self_attn.embed_dim, value.self_attn.num_heads, value.linear1.out_features,
            value.dropout.p, function(value.activation), value.norm1.eps,
            value.self_attn.batch_first, value.norm_first, value.linear1.bias is not None,
            dtype=ours(value.linear1.weight.dtype),
        )  # fmt: skip
    else:
        raise NotPlainError(f"{value}")
    made.load_state_dict({k: tensor(v.detach()) for k, v in value.state_dict().items()})
    return made.train(value.training)


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


def recorded(expected: Any, found: Any) -> str | None:
    """Whether the same of two equal results are sparse, and require gradients."""
    pairs = zip(flat(expected, torch.Tensor), flat(found, bx.Tensor), strict=True)
    for k, (w, g) in enumerate(pairs):
        if f"{w.layout}" != f"{g.layout}":
            return f"result {k} is {g.layout}, PyTorch's {w.layout}"
        if w.requires_grad != g.requires_grad:
            return f"requires_grad of result {k} is {g.requires_grad}, PyTorch's {w.requires_grad}"
    return None


def plain(result: Any) -> None:
    """Raise where PyTorch's result is of a type that we do not have."""
    for t in flat(result, torch.Tensor):
        if t.dtype not in DTYPES or t.layout not in (torch.strided, *SPARSE):
            raise NotPlainError(f"{t.dtype if t.layout == torch.strided else t.layout}")


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
    if DTYPES[expected.dtype] != found.dtype:
        return f"{found.dtype}, PyTorch's {expected.dtype}"
    if shapes_only:
        return None
    dtype = f"{found.dtype}".removeprefix("torch.")
    expected, found = expected.detach().to_dense(), found.detach().to_dense()
    if dtype == "bfloat16":  # which NumPy has not
        expected, found = expected.float(), found.float()
    a, b = expected.numpy(force=True), found.numpy()
    if a.dtype.kind not in "fc":
        return None if np.array_equal(a, b) else f"{b.ravel()[:4]}, PyTorch {a.ravel()[:4]}"
    relative, absolute = TOLERANCE[dtype]
    close = np.isclose(b, a, rtol=relative, atol=absolute, equal_nan=True)
    if close.all():
        return None
    at = tuple(int(k) for k in np.argwhere(~close)[0])
    return f"at {at} of {a.shape}: {b[at]!r}, PyTorch {a[at]!r}"


def seeds(outputs: list[torch.Tensor], number: int) -> list[torch.Tensor]:
    """Incoming gradients of the outputs' shapes, the same for the same number."""
    rng = np.random.default_rng(number)
    return [torch.from_numpy(np.asarray(_draw(rng, o))).to(o.dtype) for o in outputs]


def _draw(rng: np.random.Generator, like: torch.Tensor) -> Any:
    shape = tuple(like.shape)
    real = rng.uniform(-1, 1, shape)
    return real + 1j * rng.uniform(-1, 1, shape) if like.is_complex() else real
