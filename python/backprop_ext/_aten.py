"""Operations under PyTorch's names below autograd: `aten.add.Tensor` and its arguments.

What is one operation here and several there (`linear`, an index of several parts) is told as those;
what has no such name is told under its own, as `aten.cross_entropy.default`.
"""

from __future__ import annotations

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
        given.pop(a["name"], None if a["default"] in (None, "None") else _literal(a["default"]))
        for a in by_place[: last + 1]
    )
    places = {a["name"] for a in by_place}
    by_name = {k: v for k, v in given.items() if k not in places}
    return values, {k: v for k, v in by_name.items() if v is not None and v is not False}


def _is_default(value: Any, text: str | None) -> bool:
    return not isinstance(value, (Tensor, list)) and repr(value) == text


def _literal(text: str) -> Any:
    from ast import literal_eval

    return literal_eval(text)


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


extra: dict[str, Callable[..., Any]] = {}
_composites: dict[str, Callable[..., Any]] = {}


def composite(func: Any) -> Callable[..., Any] | None:
    """The parts that PyTorch has in the place of one operation, as a function; None: it is one."""
    name = getattr(func, "__name__", "")
    if name == "__get__":  # of an attribute, as x.T
        name = func.__self__.__name__
    return _composites.get(name)


def _aten(*names: str) -> Callable[[Any], Any]:
    def enter(function: Any) -> Any:
        for name in names:
            extra[name] = function
            function.__name__ = name
        return function

    return enter


def _parts(*names: str) -> Callable[[Any], Any]:
    def enter(function: Any) -> Any:
        _composites.update(dict.fromkeys(names, function))
        return function

    return enter


@_aten("slice")
def _slice(input: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    if not -input.ndim <= dim < input.ndim:
        raise IndexError(f"[slice] dimension {dim} of {input.ndim} is out of range")
    return input[(slice(None),) * (dim % input.ndim) + (slice(start, end, step),)]


@_aten("index")
def _index(input: Tensor, indices: Any) -> Any:
    return input[tuple(slice(None) if i is None else i for i in indices)]


@_aten("alias")
def _alias(input: Tensor) -> Any:
    return input.view(input.shape)


@_aten("_to_copy")
def _to_copy(input: Tensor, *, memory_format: Any = None, **options: Any) -> Any:
    options = {k: v for k, v in options.items() if k in ("dtype", "device") and v is not None}
    form = {} if memory_format is None else {"memory_format": memory_format}
    return input.to(**options, **form, copy=True)


@_aten("_sparse_addmm")
def _sparse_addmm(input: Tensor, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    return _core.addmm(input, mat1, mat2, beta=beta, alpha=alpha)


@_aten("_pin_memory")
def _pin_memory(input: Tensor) -> Any:
    return input.pin_memory()


@_aten("_local_scalar_dense")
def _local_scalar_dense(input: Tensor) -> Any:
    return input.item()


@_aten("_softmax")
def _softmax(input: Tensor, dim: int, half_to_float: bool = False) -> Any:
    return input.softmax(dim)


@_aten("_log_softmax")
def _log_softmax(input: Tensor, dim: int, half_to_float: bool = False) -> Any:
    return input.log_softmax(dim)


@_aten("_unsafe_view")
def _unsafe_view(input: Tensor, size: Any) -> Any:
    return input.view(size)


@_aten("convolution")
def _convolution(
    input: Tensor,
    weight: Tensor,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Any:
    n = weight.ndim - 2
    if not transposed:
        run = getattr(_core._nn, f"conv{n}d")
        return run(input, weight, bias, stride, padding, dilation, groups)
    run = getattr(_core._nn, f"conv_transpose{n}d")
    return run(input, weight, bias, stride, padding, output_padding, groups, dilation)


def _tell(name: str, overload: str, *args: Any, **kwargs: Any) -> Any:
    from ._dispatch import tell

    packet = getattr(ops.aten, name)
    return tell(getattr(packet, overload), args, kwargs)


@_parts("__getitem__")
def _getitem(input: Tensor, key: Any) -> Any:
    """One operation for each number, range and None, one for all tensors."""
    parts = [*key] if isinstance(key, tuple) else [key]
    if isinstance(key, list):
        parts = [_core.tensor(key)]
    taken = sum(
        part.ndim if isinstance(part, Tensor) and part.dtype in (_core.bool, _core.uint8) else 1
        for part in parts
        if part is not None and part is not Ellipsis and not isinstance(part, bool)
    )
    dim, tensors = 0, {}
    result = input
    for part in parts:
        if part is Ellipsis:
            dim += input.ndim - taken
        elif part is None:
            result = _tell("unsqueeze", "default", result, dim)
            dim += 1
        elif isinstance(part, slice):
            length = result.shape[dim]
            if part.indices(length) != (0, length, 1):
                start, stop, step = part.start, part.stop, part.step
                ends = (0 if start is None else int(start), _END if stop is None else int(stop))
                more = () if step in (None, 1) else (int(step),)
                result = _tell("slice", "Tensor", result, dim, *ends, *more)
            dim += 1
        elif isinstance(part, int) and not isinstance(part, bool):
            result = _tell("select", "int", result, dim, part)
        else:
            made = part if isinstance(part, Tensor) else _core.tensor(part)
            tensors[dim] = made
            dim += made.ndim if made.dtype in (_core.bool, _core.uint8) else 1
    if tensors:
        at = [tensors.get(d) for d in range(max(tensors) + 1)]
        return _tell("index", "Tensor", result, at)
    return _tell("alias", "default", result) if result is input else result


@_parts("__setitem__")
def _setitem(input: Tensor, key: Any, value: Any) -> None:
    """What is indexed, and then a copy into it; tensors among the indices: index_put_."""
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(part, (Tensor, list)) for part in parts):
        if all(isinstance(part, (Tensor, list)) or part == slice(None) for part in parts):
            at = [None if isinstance(part, slice) else _as_tensor(part) for part in parts]
            number = not isinstance(value, Tensor)
            given = _core.tensor(value, dtype=input.dtype) if number else value
            _tell("index_put_", "default", input, at, given)
            return
        raise NotImplementedError(
            f"[setitem] {key!r} on a tensor that __torch_dispatch__ answers for; index it in two "
            "steps"
        )
    place = input if key is Ellipsis else _getitem(input, key)
    if isinstance(value, Tensor):
        _tell("copy_", "default", place, value)
    else:
        _tell("fill_", "Tensor", place, _core.tensor(value, dtype=input.dtype))


def _as_tensor(value: Any) -> Any:
    return value if isinstance(value, Tensor) else _core.tensor(value)


@_parts("__rsub__")
def _rsub(input: Tensor, other: Any) -> Any:
    return _tell("rsub", "Scalar", input, other)


@_parts("__rtruediv__")
def _rdiv(input: Tensor, other: Any) -> Any:
    return _tell("mul", "Tensor", _tell("reciprocal", "default", input), other)


@_parts("__rpow__")
def _rpow(input: Tensor, other: Any) -> Any:
    return _tell("pow", "Scalar", other, input)


@_parts("square")
def _square(input: Tensor) -> Any:
    return _tell("pow", "Tensor_Scalar", input, 2)


@_parts("T")
def _turned(input: Tensor) -> Any:
    return _tell("permute", "default", input, [*range(input.ndim)][::-1])


@_parts("mT", "adjoint")
def _last_two(input: Tensor) -> Any:
    return _tell("transpose", "int", input, -2, -1)


@_parts("narrow")
def _narrow(input: Tensor, dim: int, start: Any, length: int) -> Any:
    start = int(start)
    return _tell("slice", "Tensor", input, dim, start, start + length)


def _new(name: str) -> Callable[..., Any]:
    def new(input: Tensor, *size: Any, **options: Any) -> Any:
        sizes = size[0] if size and not isinstance(size[0], int) else size
        return _tell(name, "default", input, [*sizes], **options)

    return new


_composites |= {name: _new(name) for name in ("new_empty", "new_ones", "new_zeros")}


@_parts("chunk")
def _chunk(input: Tensor, chunks: int, dim: int = 0) -> Any:
    size = max(1, -(-input.shape[dim] // chunks))
    return _tell("split", "Tensor", input, size, *([dim] if dim else []))


@_parts("data")
def _data(input: Tensor) -> Any:
    return _tell("detach", "default", input)


@_parts("__repr__")
def _repr(input: Tensor) -> str:
    size = tuple(input.shape)
    return f"{type(input).__name__}(..., size={size}, dtype={input.dtype})"


@_parts("item")
def _item(input: Tensor) -> Any:
    return _tell("_local_scalar_dense", "default", input)


def _copied(input: Tensor, wanted: dict[str, Any]) -> Any:
    return _tell("_to_copy", "default", input, **wanted) if wanted else input


@_parts("to")
def _to(input: Tensor, *args: Any, copy: bool = False, **kwargs: Any) -> Any:
    """A copy where the type changes, or is asked for; else the tensor itself."""
    dtype = kwargs.get("dtype")
    for value in args:
        if isinstance(value, _core.dtype):
            dtype = value
        elif isinstance(value, Tensor):
            dtype = value.dtype
    wanted = {"dtype": dtype} if dtype not in (None, input.dtype) else {}
    if copy or (len(args) > 2 and args[-1] is True):
        return _tell("_to_copy", "default", input, **wanted)
    return _copied(input, wanted)


def _cast(dtype: Any) -> Callable[..., Any]:
    return lambda input, **_: _copied(input, {"dtype": dtype} if input.dtype != dtype else {})


_composites |= {name: _cast(getattr(_core, dtype)) for name, dtype in _CASTS.items()}
_composites |= {"cpu": lambda input, **_: input}


@_parts("contiguous")
def _contiguous(input: Tensor, memory_format: Any = None) -> Any:
    if input.is_contiguous():
        return input
    return _tell("clone", "default", input, memory_format=contiguous_format)


def _reshaped(name: str) -> Callable[..., Any]:
    plain = getattr(Tensor, name)

    def reshape(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        from ._meta import silently

        with silently():  # for its shape
            made = _core.empty_strided(input.shape, input.stride(), dtype=input.dtype)
            shape = [*plain(made, *args, **kwargs).shape]
        if input.is_contiguous():
            return _tell("view", "default", input, shape)
        copied = _tell("clone", "default", input, memory_format=contiguous_format)
        return _tell("_unsafe_view", "default", copied, shape)

    return reshape


_reshaping = ("reshape", "unflatten", "flatten", "view_as", "reshape_as", "ravel")
_composites |= {name: _reshaped(name) for name in _reshaping}


def _normalized(name: str) -> Callable[..., Any]:
    def over(input: Tensor, dim: int, dtype: Any = None) -> Any:
        input = input if dtype is None else _to(input, dtype)
        return _tell(name, "default", input, dim, False)

    return over


_composites |= {name: _normalized(f"_{name}") for name in ("softmax", "log_softmax")}


@_parts("matmul")
def _matmul(input: Tensor, other: Tensor) -> Any:
    """One product of vectors or matrices, between views."""
    a, b = input, other
    if (one := {(1, 1): "dot", (2, 1): "mv", (2, 2): "mm"}.get((a.ndim, b.ndim))) is not None:
        return _tell(one, "default", a, b)
    if a.ndim == 1:
        return _tell("squeeze", "dim", _matmul(_tell("unsqueeze", "default", a, 0), b), -2)
    if b.ndim == 1:
        return _tell("squeeze", "dim", _matmul(a, _tell("unsqueeze", "default", b, 1)), -1)
    if b.ndim == 2:
        flat = _tell("view", "default", _contiguous(a), [prod(a.shape[:-1]), a.shape[-1]])
        found, rows = _tell("mm", "default", flat, b), [*a.shape[:-1]]
    else:
        batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
        pair = []
        for t in (a, b):
            t = _tell("expand", "default", t, [*batch, *t.shape[-2:]])
            whole = [prod(batch), *t.shape[-2:]]
            pair.append(_tell("view", "default", _contiguous(t) if len(batch) > 1 else t, whole))
        found, rows = _tell("bmm", "default", *pair), [*batch, a.shape[-2]]
    return _tell("_unsafe_view", "default", found, [*rows, b.shape[-1]])


@_parts("linear")
def _linear(input: Tensor, weight: Tensor, bias: Any = None) -> Any:
    """A product with the transposed weight, of rows if need be."""
    flat = input
    if bias is not None and input.ndim > 2:
        rows = [prod(input.shape[:-1]), input.shape[-1]]
        flat = _tell("view", "default", _contiguous(input), rows)
    turned = _tell("t", "default", weight)
    if bias is None:
        return _matmul(flat, turned)
    if flat.ndim == 1:
        return _tell("add", "Tensor", _matmul(flat, turned), bias)
    found = _tell("addmm", "default", bias, flat, turned)
    shape = [*input.shape[:-1], len(weight)]
    return found if flat is input else _tell("view", "default", found, shape)


def _convolve(n: int, transposed: bool) -> Callable[..., Any]:
    def convolve(
        input: Tensor,
        weight: Tensor,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        *rest: Any,
        **named: Any,
    ) -> Any:
        names = ("output_padding", "groups", "dilation") if transposed else ("dilation", "groups")
        given = dict(zip(names, rest, strict=False)) | named

        def each(value: Any) -> list[int]:
            return [value] * n if isinstance(value, int) else [*value] * (n // len(value))

        dilation, x = each(given.get("dilation", 1)), input
        if padding == "same":
            more = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
            padding = [m // 2 for m in more]
            if any(m % 2 for m in more):
                ends = [e for m in reversed(more) for e in (0, m % 2)]
                x = _tell("constant_pad_nd", "default", x, ends, 0.0)
        padding = each(0 if padding == "valid" else padding)
        if input.ndim == n + 1:
            x = _tell("unsqueeze", "default", x, 0)
        last = each(given.get("output_padding", 0)), given.get("groups", 1)
        sizes = each(stride), padding, dilation
        found = _tell("convolution", "default", x, weight, bias, *sizes, transposed, *last)
        return found if input.ndim > n + 1 else _tell("squeeze", "dim", found, 0)

    return convolve


for _n in (1, 2, 3):
    _composites[f"conv{_n}d"] = _convolve(_n, False)
    _composites[f"conv_transpose{_n}d"] = _convolve(_n, True)
