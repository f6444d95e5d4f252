"""Operations under PyTorch's names below autograd: `aten.add.Tensor` and its arguments.

What is one operation here and several there (`linear`, an index of several parts) is told as those;
what has no such name is told under its own, as `aten.cross_entropy.default`.
"""

from __future__ import annotations

from ast import literal_eval
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any

from . import _core
from ._core import Tensor
from ._layout import contiguous_format
from .functional import broadcast_shapes
from .library import ops

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["canonical", "composite", "extra"]

_END = 2**63 - 1
_PLAIN = (int, slice)  # parts of an index

# The overloads that are not "default"; of several, one for each form of our operation.
_OVERLOADS: dict[str, str] = {}
for _overload, _names in {
    "Tensor": "add sub mul div add_ sub_ mul_ div_ floor_divide_ bernoulli_ split searchsorted "
    "bucketize ldexp copysign index slice",
    "int": "transpose transpose_ select unbind",
    "self": "where",
    "memory_format": "empty",
    "default dim": "mean any all median nanmedian squeeze squeeze_",
    "default dim_int": "prod",
    "default dim_IntList": "sum count_nonzero",
    "default other dim": "max min",
    "default stable": "sort argsort",
    "correction": "std var std_mean var_mean",
    "default start": "arange",
    "default low": "randint",
    "default m": "eye",
    "default dtype": "view",
    "two": "scatter_reduce scatter_reduce_",
    "Tensor_Tensor": "normal",
}.items():
    _OVERLOADS |= dict.fromkeys(_names.split(), _overload)
# By whether the last operand is a tensor.
_NUMBER_OR_TENSOR = (
    "eq ne lt le gt ge remainder fmod bitwise_and bitwise_or bitwise_xor fill masked_fill lerp"
)
_BY_OPERAND = {
    name + end: ("Tensor", "Scalar") for name in _NUMBER_OR_TENSOR.split() for end in ("", "_")
}
_BY_OPERAND |= dict.fromkeys(("index_fill", "index_fill_"), ("int_Tensor", "int_Scalar"))
_BY_OPERAND |= {"pow_": ("Tensor", "Scalar"), "scatter": ("src", "value")}
_BY_OPERAND |= {"pow": ("Tensor_Tensor", "Tensor_Scalar"), "scatter_": ("src", "value")}

_RENAMED = {
    **{"__and__": "bitwise_and", "__or__": "bitwise_or", "__xor__": "bitwise_xor"},
    **{"__eq__": "eq", "__floordiv__": "floor_divide", "__invert__": "bitwise_not"},
    **{"__lshift__": "bitwise_left_shift", "__rshift__": "bitwise_right_shift"},
    **{"absolute": "abs", "negative": "neg", "multiply": "mul", "subtract": "sub", "divide": "div"},
    **{"concat": "cat", "concatenate": "cat", "swapaxes": "transpose", "swapdims": "transpose"},
    **{"true_divide": "div", "clip": "clamp", "greater": "gt", "less": "lt", "not_equal": "ne"},
    "cross_entropy": "cross_entropy_loss",
}
_LISTS = {"dim", "dims", "size", "shape", "shifts"}  # a number there is told as a list
_CASTS = {"float": "float32", "double": "float64", "half": "float16", "long": "int64"}
_CASTS |= {"int": "int32", "short": "int16", "char": "int8", "byte": "uint8", "bool": "bool"}
_CASTS |= {"bfloat16": "bfloat16", "cfloat": "complex64", "cdouble": "complex128"}


@cache
def _forms() -> dict[str, list[Any]]:
    return {op["name"]: op["overloads"] for op in _core._operations()}


def _fits(arguments: list[Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """The values by position and the rest by name, or None where the form is another."""
    by_place = [a for a in arguments if not a["keyword_only"]]
    if by_place and len(args) > len(by_place) and "Sequence" in by_place[-1]["type"]:
        at = len(by_place) - 1
        args = (*args[:at], args[at:])
    if len(args) > len(by_place):
        return None
    given = dict(zip((a["name"] for a in by_place), args, strict=False))
    for key, value in named.items():
        name = {"self": "input", "axis": "dim", "keepdims": "keepdim", "x": "input"}.get(key, key)
        given[name if any(a["name"] == name for a in arguments) else key] = value
    names = {a["name"] for a in arguments} | {"out", "requires_grad", "device", "layout"}
    names |= {"pin_memory", "generator"}
    for a in arguments:
        missing = a["name"] not in given
        if missing and a["default"] is None:
            return None
        value = given.get(a["name"])
        wrong = {"Tensor": False, "int": True}.get(a["type"])
        if value is not None and isinstance(value, Tensor) is wrong:
            return None
        if isinstance(value, int) and a["name"] in _LISTS and "Sequence" in a["type"]:
            given[a["name"]] = [value]
        elif isinstance(value, tuple) and not isinstance(value, Tensor):
            given[a["name"]] = [*value]
    if set(given) - names:
        return None
    last = max((i for i, a in enumerate(by_place) if a["name"] in given), default=-1)
    while last >= 0 and _is_default(given.get(by_place[last]["name"]), by_place[last]["default"]):
        last -= 1
    values = tuple(
        given.pop(a["name"], None if a["default"] in (None, "None") else literal_eval(a["default"]))
        for a in by_place[: last + 1]
    )
    places = {a["name"] for a in by_place}
    by_name = {k: v for k, v in given.items() if k not in places}
    return values, {k: v for k, v in by_name.items() if v is not None and v is not False}


def _is_default(value: Any, text: str | None) -> bool:
    return not isinstance(value, (Tensor, list)) and repr(value) == text


def canonical(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """(the operation of torch.ops.aten, its args, its kwargs)."""
    name = getattr(func, "__name__", str(func))
    name = _RENAMED.get(name, name)
    form = 0
    for k, way in enumerate(_forms().get(name, ())):
        if found := _fits(way["arguments"], args, kwargs):
            form, (args, kwargs) = k, found
            break
    options = _OVERLOADS.get(name, "default").split()
    overload = options[min(form, len(options) - 1)]
    if name in _BY_OPERAND:
        overload = _BY_OPERAND[name][not isinstance(args[-1], Tensor)]
    if name in ("div", "div_") and kwargs.get("rounding_mode"):
        overload = "Tensor_mode"
    if kwargs.get("out") is not None:
        overload = "out"
    try:
        packet = getattr(ops.aten, name)
    except AttributeError:
        packet = ops.aten._enter(name, func)
    return getattr(packet, overload), args, kwargs


# Operations that are none of the package, by their parts of it.
extra: dict[str, Callable[..., Any]] = {
    "_local_scalar_dense": lambda input: input.item(),
    "_log_softmax": lambda input, dim, *_: input.log_softmax(dim),
    "_pin_memory": lambda input, *_: input.pin_memory(),
    "_softmax": lambda input, dim, *_: input.softmax(dim),
    "_sparse_addmm": lambda *args, **kwargs: _core.addmm(*args, **kwargs),
    "_unsafe_view": lambda input, size: input.view(size),
    "alias": lambda input: input.view(input.shape),
    "index": lambda input, at: input[tuple(slice(None) if i is None else i for i in at)],
}
# What PyTorch does in the place of one operation, as a function.
_composites: dict[str, Callable[..., Any]] = {}


def composite(func: Any) -> Callable[..., Any] | None:
    """The parts that PyTorch has in the place of one operation, as a function; None: it is one."""
    name = getattr(func, "__name__", "")
    return _composites.get(func.__self__.__name__ if name == "__get__" else name)  # x.T


def _entered(into: dict[str, Any], *names: str) -> Callable[[Any], Any]:
    def enter(function: Any) -> Any:
        into.update(dict.fromkeys(names, function))
        return function

    return enter


@_entered(extra, "slice")
def _slice(input: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    if not -input.ndim <= dim < input.ndim:
        raise IndexError(f"[slice] dimension {dim} of {input.ndim} is out of range")
    return input[(slice(None),) * (dim % input.ndim) + (slice(start, end, step),)]


@_entered(extra, "_to_copy")
def _to_copy(input: Tensor, *, memory_format: Any = None, **options: Any) -> Any:
    given = {k: v for k, v in options.items() if k in ("dtype", "device") and v is not None}
    form = {} if memory_format is None else {"memory_format": memory_format}
    return input.to(**given, **form, copy=True)


@_entered(extra, "convolution")
def _convolution(x: Tensor, w: Tensor, b: Any, stride: Any, padding: Any, *rest: Any) -> Any:
    dilation, transposed, output_padding, groups = rest
    more = (output_padding, groups, dilation) if transposed else (dilation, groups)
    run = getattr(_core._nn, f"conv{'_transpose' * transposed}{w.ndim - 2}d")
    return run(x, w, b, stride, padding, *more)


def _tell(name: str, *args: Any, **kwargs: Any) -> Any:
    from ._dispatch import tell

    packet, _, overload = name.partition(".")
    return tell(getattr(getattr(ops.aten, packet), overload or "default"), args, kwargs)


def _is_mask(part: Any) -> bool:
    return part.dtype in (_core.bool, _core.uint8)


@_entered(_composites, "__getitem__")
def _getitem(input: Tensor, key: Any) -> Any:
    """One operation for each number, range and None, one for all tensors."""
    parts = [
        part if type(part) in _PLAIN or part is None or part is ... else _as_tensor(part)
        for part in (key if isinstance(key, tuple) else (key,))
    ]
    taken = sum(
        part.ndim if isinstance(part, Tensor) and _is_mask(part) else 1
        for part in parts
        if part is not None and part is not ...
    )
    dim, tensors, result = 0, {}, input
    for part in parts:
        if part is ...:
            dim += input.ndim - taken
        elif part is None:
            result = _tell("unsqueeze", result, dim)
            dim += 1
        elif isinstance(part, slice):
            length = result.shape[dim]
            if part.indices(length) != (0, length, 1):
                ends = (int(part.start or 0), _END if part.stop is None else int(part.stop))
                steps = () if part.step in (None, 1) else (int(part.step),)
                result = _tell("slice.Tensor", result, dim, *ends, *steps)
            dim += 1
        elif isinstance(part, int):
            result = _tell("select.int", result, dim, part)
        else:
            tensors[dim] = part
            dim += part.ndim if _is_mask(part) else 1
    if tensors:
        return _tell("index.Tensor", result, [tensors.get(d) for d in range(max(tensors) + 1)])
    return _tell("alias", result) if result is input else result


@_entered(_composites, "__setitem__")
def _setitem(input: Tensor, key: Any, value: Any) -> None:
    """What is indexed, and then a copy into it; tensors among the indices: index_put_."""
    parts = key if isinstance(key, tuple) else (key,)
    given = value if isinstance(value, Tensor) else _core.tensor(value, dtype=input.dtype)
    if not any(isinstance(part, (Tensor, list)) for part in parts):
        into = "copy_" if isinstance(value, Tensor) else "fill_.Tensor"
        _tell(into, _getitem(input, key), given)
        return
    if not all(isinstance(part, (Tensor, list)) or part == slice(None) for part in parts):
        raise NotImplementedError(f"[setitem] {key!r} below autograd; index in two steps")
    at = [None if isinstance(part, slice) else _as_tensor(part) for part in parts]
    _tell("index_put_", input, at, given)


def _as_tensor(value: Any) -> Any:
    return value if isinstance(value, Tensor) else _core.tensor(value)


def _copied(input: Tensor, dtype: Any, copy: bool = False) -> Any:
    wanted = {"dtype": dtype} if dtype not in (None, input.dtype) else {}
    return _tell("_to_copy", input, **wanted) if wanted or copy else input


@_entered(_composites, "to")
def _to(input: Tensor, *args: Any, copy: bool = False, dtype: Any = None, **_: Any) -> Any:
    """A copy where the type changes, or is asked for; else the tensor itself."""
    for value in args:
        dtype = value if isinstance(value, _core.dtype) else getattr(value, "dtype", dtype)
    return _copied(input, dtype, copy or args[2:3] == (True,))


def _cast(dtype: Any) -> Callable[..., Any]:
    return lambda input, **_: _copied(input, dtype)


@_entered(_composites, "contiguous")
def _contiguous(input: Tensor, memory_format: Any = None) -> Any:
    if input.is_contiguous():
        return input
    return _tell("clone", input, memory_format=contiguous_format)


def _reshaped(name: str) -> Callable[..., Any]:
    plain = getattr(Tensor, name)

    def reshape(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        from ._meta import silently

        with silently():  # for its shape
            made = _core.empty_strided(input.shape, input.stride(), dtype=input.dtype)
            shape = [*plain(made, *args, **kwargs).shape]
        dense = _contiguous(input)
        return _tell("view" if dense is input else "_unsafe_view", dense, shape)

    return reshape


def _normalized(name: str) -> Callable[..., Any]:
    return lambda input, dim, dtype=None: _tell(name, _copied(input, dtype), dim, False)


def _new(name: str) -> Callable[..., Any]:
    def new(input: Tensor, *size: Any, **options: Any) -> Any:
        sizes = size[0] if size and not isinstance(size[0], int) else size
        return _tell(name, input, [*sizes], **options)

    return new


_composites |= {name: _cast(getattr(_core, dtype)) for name, dtype in _CASTS.items()}
_composites |= {name: _new(name) for name in ("new_empty", "new_ones", "new_zeros")}
_composites |= {name: _normalized(f"_{name}") for name in ("softmax", "log_softmax")}
for _name in ("reshape", "unflatten", "flatten", "view_as", "reshape_as", "ravel"):
    _composites[_name] = _reshaped(_name)
_composites |= {
    "T": lambda input: _tell("permute", input, [*range(input.ndim)][::-1]),
    "__rpow__": lambda input, other: _tell("pow.Scalar", other, input),
    "__rsub__": lambda input, other: _tell("rsub.Scalar", input, other),
    "__rtruediv__": lambda input, other: _tell("mul.Tensor", _tell("reciprocal", input), other),
    "cpu": lambda input, **_: input,
    "data": lambda input: _tell("detach", input),
    "item": lambda input: _tell("_local_scalar_dense", input),
    "mT": lambda input: _tell("transpose.int", input, -2, -1),
    "square": lambda input: _tell("pow.Tensor_Scalar", input, 2),
}


@_entered(_composites, "narrow")
def _narrow(input: Tensor, dim: int, start: Any, length: int) -> Any:
    return _tell("slice.Tensor", input, dim, int(start), int(start) + length)


@_entered(_composites, "chunk")
def _chunk(input: Tensor, chunks: int, dim: int = 0) -> Any:
    size = max(1, -(-input.shape[dim] // chunks))
    return _tell("split.Tensor", input, size, *([dim] if dim else []))


@_entered(_composites, "matmul")
def _matmul(a: Tensor, b: Tensor) -> Any:
    """One product of vectors or matrices, between views."""
    if (one := {(1, 1): "dot", (2, 1): "mv", (2, 2): "mm"}.get((a.ndim, b.ndim))) is not None:
        return _tell(one, a, b)
    if a.ndim == 1:
        return _tell("squeeze.dim", _matmul(_tell("unsqueeze", a, 0), b), -2)
    if b.ndim == 1:
        return _tell("squeeze.dim", _matmul(a, _tell("unsqueeze", b, 1)), -1)
    if b.ndim == 2:
        flat = _tell("view", _contiguous(a), [prod(a.shape[:-1]), a.shape[-1]])
        return _tell("_unsafe_view", _tell("mm", flat, b), [*a.shape[:-1], b.shape[-1]])
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    pair = []
    for t in (a, b):
        whole = _tell("expand", t, [*batch, *t.shape[-2:]])
        whole = _contiguous(whole) if len(batch) > 1 else whole
        pair.append(_tell("view", whole, [prod(batch), *t.shape[-2:]]))
    return _tell("_unsafe_view", _tell("bmm", *pair), [*batch, a.shape[-2], b.shape[-1]])


@_entered(_composites, "linear")
def _linear(input: Tensor, weight: Tensor, bias: Any = None) -> Any:
    """A product with the transposed weight, of rows if need be."""
    flat = input
    if bias is not None and input.ndim > 2:
        flat = _tell("view", _contiguous(input), [prod(input.shape[:-1]), input.shape[-1]])
    turned = _tell("t", weight)
    if bias is None:
        return _matmul(flat, turned)
    if flat.ndim == 1:
        return _tell("add.Tensor", _matmul(flat, turned), bias)
    found = _tell("addmm", bias, flat, turned)
    return found if flat is input else _tell("view", found, [*input.shape[:-1], len(weight)])


def _convolve(n: int, *names: str) -> Callable[..., Any]:
    def convolve(
        x: Tensor,
        w: Tensor,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        *rest: Any,
        **by: Any,
    ) -> Any:
        given = dict(zip(names, rest, strict=False)) | by
        dilation, single = given.get("dilation", 1), x.ndim == n + 1
        if padding == "same":
            padding, x = _same(x, w, [dilation] * n if isinstance(dilation, int) else dilation)
        padding = 0 if padding == "valid" else padding
        x = _tell("unsqueeze", x, 0) if single else x
        sizes = [
            [value] * n if isinstance(value, int) else [*value] * (n // len(value))
            for value in (stride, padding, dilation, given.get("output_padding", 0))
        ]
        last = len(names) == 3, sizes.pop(), given.get("groups", 1)
        found = _tell("convolution", x, w, bias, *sizes, *last)
        return _tell("squeeze.dim", found, 0) if single else found

    return convolve


def _same(x: Tensor, w: Tensor, dilation: Any) -> tuple[list[int], Tensor]:
    more = [d * (k - 1) for d, k in zip(dilation, w.shape[2:], strict=True)]
    if any(m % 2 for m in more):
        x = _tell("constant_pad_nd", x, [e for m in more[::-1] for e in (0, m % 2)], 0.0)
    return [m // 2 for m in more], x


for _n in (1, 2, 3):
    _composites[f"conv{_n}d"] = _convolve(_n, "dilation", "groups")
    _transposed = _convolve(_n, "output_padding", "groups", "dilation")
    _composites[f"conv_transpose{_n}d"] = _transposed
