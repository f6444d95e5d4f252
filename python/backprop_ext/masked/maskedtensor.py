"""Tensors in which a mask says which elements there are.

A masked tensor is its data, of sparse data the values, with a mask beside it. An operation is found
by its name in the tables below and works on the data. Every operand passes a gate (`GetData`): on
the way back it stops what comes for hidden elements, so that a NaN behind the mask stays there, and
notes which elements have a gradient.
Source: https://docs.pytorch.org/docs/stable/masked.html
"""

from __future__ import annotations

import warnings
from functools import partial
from operator import attrgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

from .. import _core
from .._core import Tensor
from .._layout import layout as layouts
from .._layout import sparse_coo, sparse_csr, strided
from ..autograd.engine import grad
from ..autograd.function import Function
from ..autograd.grad_mode import enable_grad, is_grad_enabled
from ..functional import broadcast_shapes

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["MaskedTensor", "as_masked_tensor", "is_masked_tensor", "masked_tensor"]

_UNARY = {
    *("abs", "absolute", "acos", "arccos", "acosh", "arccosh", "angle", "asin", "arcsin", "asinh"),
    *("arcsinh", "atan", "arctan", "atanh", "arctanh", "bitwise_not", "ceil", "clamp", "clip"),
    *("conj_physical", "cos", "cosh", "deg2rad", "digamma", "erf", "erfc", "erfinv", "exp", "exp2"),
    *("expm1", "fix", "floor", "frac", "lgamma", "log", "log10", "log1p", "log2", "logit", "i0"),
    *(
        "isfinite",
        "isnan",
        "nan_to_num",
        "neg",
        "negative",
        "positive",
        "pow",
        "rad2deg",
        "reciprocal",
    ),
    *("round", "rsqrt", "sigmoid", "sign", "sgn", "signbit", "sin", "sinc", "sinh", "sqrt"),
    *("square", "tan", "tanh", "trunc"),
}
_BINARY = {
    *("add", "atan2", "arctan2", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift"),
    *("bitwise_right_shift", "div", "divide", "floor_divide", "fmod", "logaddexp", "logaddexp2"),
    *("mul", "multiply", "nextafter", "remainder", "sub", "subtract", "true_divide", "eq", "ne"),
    *("le", "ge", "greater", "greater_equal", "gt", "less_equal", "lt", "less", "maximum"),
    *("minimum", "fmax", "fmin", "not_equal"),
}
# Done alike to the data and to the mask.
_ALIKE = {
    *("select", "transpose", "swapaxes", "swapdims", "mT", "t", "split", "chunk", "narrow", "cat"),
    *("concat", "concatenate", "vstack", "hstack", "getitem", "expand", "expand_as"),
    *("broadcast_to", "view", "view_as", "reshape", "reshape_as", "flatten", "unflatten"),
    *("unsqueeze", "unfold", "stack", "atleast_1d", "atleast_2d"),
}
_SAME_PLACES = {
    *("clone", "contiguous", "detach", "data", "ones_like", "to", "type", "double", "float"),
    *("half", "int", "long", "short", "bool", "alias"),
}
_REDUCTIONS = {
    *("sum", "mean", "amin", "amax", "argmin", "argmax", "prod", "all", "var", "std"),
}
_grad: Any = Tensor.grad

_BY_SYMBOL = {"and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}
_BY_SYMBOL |= {
    "invert": "bitwise_not",
    "floordiv": "floor_divide",
    "truediv": "div",
    "mod": "remainder",
}
_ONLY_BY_NAME = {"alpha", "rounding_mode", "decimals", "out"}


def is_masked_tensor(obj: Any, /) -> bool:
    """Whether it is a MaskedTensor."""
    return isinstance(obj, MaskedTensor)


def masked_tensor(data: Tensor, mask: Tensor, requires_grad: bool = False) -> MaskedTensor:
    """A leaf with a copy of data, of which the elements count where the bool mask is True."""
    made: MaskedTensor = MaskedTensor(data, mask, requires_grad)
    return made


def as_masked_tensor(data: Tensor, mask: Tensor) -> MaskedTensor:
    """The same in the graph of data."""
    data, mask = _fitting(data, mask)
    return _with_mask(_gated(_flat(data), mask).clone(), mask.clone())


class GetData(Function):
    """The identity, whose derivative is 0 where the mask that `seen` makes hides an element."""

    @staticmethod
    def forward(ctx: Any, data: Tensor, link: Any, seen: Callable[[], Tensor]) -> Tensor:
        ctx.link, ctx.seen = link, seen
        return data

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        mask = ctx.seen()
        if ctx.link is not None:
            ctx.link.mask = mask
        g = _plain(grads[0])
        return _core.where(_flat(mask).expand(g.shape), g, _core.zeros_like(g)), None, None


def _plain(t: Tensor) -> Tensor:
    """The data of a masked tensor, of sparse data the values, in its graph."""
    return _core._as_subclass(t, Tensor) if is_masked_tensor(t) else t


def _flat(t: Tensor) -> Tensor:
    return t if t.layout is strided else _core._values(t)


def _gated(t: Any, mask: Tensor, seen: Callable[[], Tensor] | None = None) -> Any:
    """The plain operand behind its gate, in the shape of the mask."""
    data, link = _plain(t), getattr(t, "_link", None)
    if not (isinstance(data, Tensor) and data.requires_grad and is_grad_enabled()):
        return data
    if data.layout is strided and not is_masked_tensor(t):
        data = data.expand(_flat(mask).shape)
    return GetData.apply(data, link, seen or (lambda: mask))


def _whole(values: Tensor, mask: Tensor) -> Tensor:
    """Values in the layout of the mask."""
    return values if mask.layout is strided else _core._sparse(values, *_core._coordinates(mask))


def _with_mask(data: Tensor, mask: Tensor, link: Any = None) -> MaskedTensor:
    made: MaskedTensor = _core._as_subclass(_flat(data), MaskedTensor)
    made.__dict__.update(_masked_mask=mask, _link=link or SimpleNamespace(mask=mask))
    return made


def _fitting(data: Any, mask: Any) -> tuple[Tensor, Tensor]:
    """Both, coalesced where they are sparse. TypeError or ValueError where they do not fit."""
    for name, value in (("data", data), ("mask", mask)):
        if is_masked_tensor(value) or not isinstance(value, Tensor):
            raise TypeError(f"[masked_tensor] {name} is a {type(value).__name__}; pass a Tensor")
    if data.layout is not mask.layout:
        raise TypeError(f"[masked_tensor] {data.layout} and {mask.layout}; pass the same layout")
    if data.layout is sparse_coo:
        data, mask = data.coalesce(), mask.coalesce()
    if type(data) is not type(mask):
        raise TypeError(f"[masked_tensor] {type(data)} and {type(mask)}; pass the same type")
    if mask.dtype is not _core.bool:
        raise TypeError(f"[masked_tensor] mask must have dtype bool, not {mask.dtype}")
    if data.is_complex() or data.dtype in (_core.bfloat16, _core.uint8):
        raise TypeError(f"[masked_tensor] {data.dtype} is not supported in MaskedTensor")
    if tuple(data.shape) != tuple(mask.shape):
        raise ValueError(f"[masked_tensor] {data.shape} and {mask.shape}; pass the same shape")
    if data.layout is not strided and not _same(_places(data), _places(mask)):
        if len(_flat(data)) == len(_flat(mask)):
            raise ValueError("[masked_tensor] data and mask are sparse with different indices")
        data = data.sparse_mask(mask)
    return data, mask


def _places(t: Tensor) -> Tensor:
    return _core._coordinates(t)[0]  # type: ignore[no-any-return]


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool((a == b).all())


def _match(a: Any, b: Any) -> bool:
    """Whether both have one mask. ValueError where their layouts differ."""
    if not (is_masked_tensor(a) and is_masked_tensor(b)):
        return True
    one, other = a._masked_mask, b._masked_mask
    if one.layout is not other.layout:
        raise ValueError(f"[masked] layouts differ, {one.layout} and {other.layout}; convert one")
    if one.layout is not strided and not _same(_places(one), _places(other)):
        return False
    one, other = _flat(one), _flat(other)
    return one.ndim == other.ndim and bool((one == other).all())


def _refuse(name: str) -> NoReturn:
    text = f"[{name}] is not implemented for MaskedTensor; use to_tensor(value)"
    warnings.warn(text, stacklevel=4)
    raise TypeError(text)


def _each(value: Any, f: Callable[[Any], Any]) -> Any:
    """f of each tensor, in lists and tuples too."""
    if isinstance(value, (list, tuple)):
        return type(value)(_each(v, f) for v in value)
    return f(value) if isinstance(value, Tensor) else value


def _by_element(func: Any, args: Any, kwargs: Any, mask: Tensor | None = None) -> Any:
    mask = args[0]._masked_mask if mask is None else mask
    link = SimpleNamespace(mask=mask)
    given = [_gated(v, mask, lambda: link.mask) for v in args]
    if func.__name__.endswith("_"):
        given[0] = _plain(args[0])
    result = func(*given, **kwargs)
    return args[0] if result is given[0] else _with_mask(result, mask, link)


def _unary(func: Any, args: Any, kwargs: Any) -> Any:
    if any(isinstance(v, Tensor) for v in (*args[1:], *kwargs.values())):
        raise TypeError(f"[{func.__name__}] of a MaskedTensor takes no other Tensor; pass a number")
    return _by_element(func, args, kwargs)


def _binary(func: Any, args: Any, kwargs: Any) -> Any:
    a, b, *rest = args
    if not _match(a, b):
        raise ValueError(f"[{func.__name__}] Input masks must match; take to_tensor(value) of one")
    if func.__name__.endswith("_") and not is_masked_tensor(a):
        raise AttributeError(f"[{func.__name__}] a MaskedTensor into a Tensor; use get_data()")
    mask = (a if is_masked_tensor(a) else b)._masked_mask
    if mask.layout is strided:
        shapes = [v.shape for v in (a, b) if isinstance(v, Tensor)]
        mask = mask.expand(broadcast_shapes(*shapes) if shapes[1:] else shapes[0])
    elif isinstance(b, Tensor) and not is_masked_tensor(b):
        b = _flat(b)
    return _by_element(func, (a, b, *rest), kwargs, mask)


def _alike(func: Any, args: Any, kwargs: Any) -> Any:
    found: list[Any] = []
    _each(args, lambda t: found.append(t) if is_masked_tensor(t) else None)
    if isinstance(args[0], (tuple, list)) and len(found) < len(args[0]):
        raise TypeError(f"[{func.__name__}] a MaskedTensor beside a Tensor; mask all of them")
    links: list[Any] = []

    def on_masks(probe: Any = None) -> Any:
        """func of the masks; of a probe in the place of one, and of zeros for the others."""

        def part(t: Any) -> Any:
            if not is_masked_tensor(t):
                return t
            if probe is None:
                return t._masked_mask
            return probe[1] if t is probe[0] else _core.zeros(t.shape)

        return func(*_each(args, part), **kwargs)

    def seen(t: MaskedTensor) -> Tensor:
        with enable_grad():
            probe = _core.zeros(t.shape).requires_grad_()
            out = on_masks((t, probe))
        outs = out if isinstance(out, tuple) else (out,)
        return grad(outs, probe, [link.mask.float() for link in links])[0] != 0

    gates = {id(t): _gated(t, t._masked_mask, partial(seen, t)) for t in found}
    data = func(*_each(args, lambda t: gates.get(id(t), t)), **kwargs)
    masks = on_masks()
    several = isinstance(data, tuple)
    pairs = zip(data, masks, strict=True) if several else [(data, masks)]
    made = [_with_mask(d.clone(), m) for d, m in pairs]
    links += [m._link for m in made]
    return tuple(made) if several else made[0]


def _reduced(name: str, args: Any, kwargs: Any) -> Any:
    from . import _ops

    x = args[0]
    if name.startswith("arg") and x.is_sparse_coo():
        x = x.to_dense()
    mask, data = _flat(x._masked_mask), _gated(x, x._masked_mask)
    whole = len(args) == 1 and not kwargs
    if x._masked_mask.layout is not strided and not whole:
        _refuse(name)
    if not whole:
        x, dim, keepdim, dtype = _reduction(*args, **kwargs)
        kwargs = {"dim": dim, "keepdim": keepdim}
    if name == "all":
        found = data.masked_fill(~mask, True).all(**kwargs)
    else:
        kwargs |= {} if whole else {"dtype": dtype}
        found = getattr(_ops, name)(data, mask=mask, **kwargs)
    if whole:
        return _with_mask(found, mask.any())
    for d in sorted(dim if isinstance(dim, (tuple, list)) else [dim], reverse=True):
        mask = mask.any(d, keepdim)
    return _with_mask(found, mask)


def _reduction(input: Any, dim: Any, keepdim: bool = False, dtype: Any = None) -> tuple[Any, ...]:
    return input, dim, keepdim, dtype


def _where(*args: Any, **kwargs: Any) -> Any:
    if len(args) != 3 or kwargs:
        raise ValueError(f"[where] {len(args)} arguments; pass a condition and two tensors")
    condition = args[0] if not is_masked_tensor(args[0]) else _refuse("where")
    both = [_core.as_tensor(t) for t in args[1:]]
    masks = [
        getattr(t, "_masked_mask", None)
        if is_masked_tensor(t)
        else _core.ones_like(t, dtype=_core.bool)
        for t in both
    ]
    link = SimpleNamespace(mask=_core.where(condition, *masks))
    sides = (condition, ~condition)

    def shown(side: Tensor) -> Tensor:
        return side & link.mask  # type: ignore[no-any-return]

    parts = [_gated(t, side, partial(shown, side)) for t, side in zip(both, sides, strict=True)]
    return _with_mask(_core.where(condition, *parts), link.mask, link)


def _softmax(x: MaskedTensor, dim: Any = None, *args: Any, dtype: Any = None, **_: Any) -> Any:
    from . import _ops

    kind = next((v for v in args if isinstance(v, _core.dtype)), dtype)
    return _by_element(_ops.softmax, (x, dim), {"dtype": kind, "mask": x._masked_mask})


def _in_layout(x: MaskedTensor, kind: layouts) -> MaskedTensor:
    mask = x._masked_mask
    if mask.layout is kind:
        return x
    if kind is sparse_csr and mask.ndim != 2:
        raise ValueError(f"[to_sparse_csr] shape {tuple(mask.shape)}; pass a matrix")
    data = _whole(_gated(x, mask), mask)
    if kind is strided:
        return _with_mask(data.to_dense(), mask.to_dense())
    there = mask.to_sparse(layout=kind)
    return _with_mask(data.sparse_mask(there), there)


def _copy(x: Any, source: Any) -> Any:
    if not _match(x, source):
        raise ValueError("[copy_] args[0] mask and args[1] mask must match but do not")
    _plain(x).copy_(_gated(source, x._masked_mask))
    return x


def _shown(data: Any, mask: Any) -> list[str]:
    """The lines of nested lists, `--` for what is hidden."""
    if not isinstance(data[0] if data else 0, list):
        items = [f"{v:8.4f}" if isinstance(v, float) else str(v) for v in data]
        width = max((len(i) if m else 8 for i, m in zip(items, mask, strict=True)), default=0)
        shown = [i if m else "--".rjust(width) for i, m in zip(items, mask, strict=True)]
        return [f"[{', '.join(shown)}]"]
    rows = [_shown(d, m) for d, m in zip(data, mask, strict=True)]
    for row in rows[:-1]:
        row[-1] += ","
    return ["[", *("  " + line for row in rows for line in row), "]"]


class MaskedTensor(Tensor):
    """Data, and a mask that is True where an element counts."""

    _masked_mask: Tensor
    _link: Any

    def __new__(cls, data: Any, mask: Any, requires_grad: bool = False) -> Any:
        """A leaf with a copy of both; TypeError or ValueError where they do not fit."""
        data, mask = _fitting(data, mask)
        if data.requires_grad:
            text = "[masked_tensor] the data requires grad; use as_masked_tensor, or detach() it"
            warnings.warn(text, stacklevel=3)
        values = _flat(data.detach()).clone()
        made = _core._make_subclass(cls, values, requires_grad)
        mask = mask.clone() if mask.layout is strided else mask
        made.__dict__.update(_masked_mask=mask, _link=SimpleNamespace(mask=mask))
        return made

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What the tables have for the operation's name; TypeError, with a warning, for none."""
        kwargs = dict(kwargs or {})
        name = func.__name__
        if name == "__get__":
            name = func.__self__.__name__
        name = name[2:-2] if name.startswith("__") else name
        name = _BY_SYMBOL.get(name, name)
        for key in ("input", "self", "other"):
            if key in kwargs and name != "where":
                args = (*args, kwargs.pop(key))
        if name == "rtruediv":
            return args[0].reciprocal() * args[1]
        stem = name.removesuffix("_")
        if stem in _UNARY | _BINARY:
            if wrong := _ONLY_BY_NAME & set(kwargs):
                raise ValueError(f"[{name}] {sorted(wrong)} of a MaskedTensor; leave it out")
            return (_unary if stem in _UNARY else _binary)(func, args, kwargs)
        if name in _REDUCTIONS:
            return _reduced(name, args, kwargs)
        if name in _ALIKE:
            return _alike(func, args, kwargs)
        if name in _SAME_PLACES and is_masked_tensor(args[0]):
            return _by_element(func, args, kwargs)
        if name in _OTHERS:
            return _OTHERS[name](*args, **kwargs)
        _refuse(name)

    _masked_data = property(lambda self: _whole(_plain(self), self._masked_mask))

    def get_data(self) -> Tensor:
        """The data, hidden elements too."""
        return _whole(_gated(self, self._masked_mask), self._masked_mask)

    def get_mask(self) -> Tensor:
        """The mask."""
        return self._masked_mask

    def to_tensor(self, value: float) -> Tensor:
        """The data with a value in the place of what is hidden."""
        if self.is_sparse:
            raise NotImplementedError("[to_tensor] the data is sparse; call to_dense() first")
        return self.get_data().masked_fill(~self._masked_mask, value)

    def _as_gradient(self, g: Any) -> Any:
        """A gradient of this tensor, with the mask that the backward pass left."""
        if g is None or is_masked_tensor(g):
            return g
        mask = self._link.mask
        return _with_mask(g.detach() if not g.requires_grad else g, mask)

    @property
    def grad(self) -> Tensor | None:
        """The gradient, a masked tensor."""
        g = _grad.__get__(self)
        return None if g is None else self._as_gradient(g)

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        g = None if value is None else _plain(value)
        _grad.__set__(self, g)

    def item(self) -> Any:
        """The only element. ValueError where it is hidden."""
        if not bool(self._masked_mask):
            raise ValueError("[item] the element is hidden; use to_tensor(value)")
        return self._masked_data.item()

    def tolist(self, *_: Any, **__: Any) -> Any:
        """RuntimeError: there are elements that are hidden."""
        raise RuntimeError("[tolist] of a MaskedTensor; use to_tensor(value)")

    numpy = __array__ = tolist

    def __iter__(self) -> Any:
        _refuse("unbind")

    def __setitem__(self, key: Any, value: Any) -> None:
        _refuse("setitem")

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec)

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        mask, data = self._masked_mask.to_dense(), self._masked_data.detach().to_dense()
        if self.ndim:
            lines = "\n  ".join(_shown(data.tolist(), mask.tolist()))
            return f"MaskedTensor(\n  {lines}\n)"
        value = data.item()
        shown = f"{value:8.4f}" if isinstance(value, float) else str(value)
        return f"MaskedTensor({shown if mask.item() else '--'}, {mask.item()})"


_OTHERS: dict[str, Callable[..., Any]] = {
    "where": _where,
    "copy_": _copy,
    "softmax": _softmax,
    "is_same_size": lambda a, b: a.shape == b.shape,
    "to_dense": lambda x: _in_layout(x, strided),
    "to_sparse": lambda x: _in_layout(x, sparse_coo),
    "to_sparse_coo": lambda x: _in_layout(x, sparse_coo),
    "to_sparse_csr": lambda x: _in_layout(x, sparse_csr),
}


def _of_mask(name: str) -> Any:
    return lambda self, *args: getattr(self._masked_mask, name)(*args)


for _name in ("to", "type"):  # methods that are no compiled operations, and ask nobody
    _plainly = getattr(Tensor, _name)
    setattr(MaskedTensor, _name, lambda *a, _func=_plainly, **k: _by_element(_func, a, k))
for _name in ("to_dense", "to_sparse", "to_sparse_coo", "to_sparse_csr"):
    setattr(MaskedTensor, _name, lambda self, _to=_OTHERS[_name]: _to(self))
for _name in ("indices", "values", "crow_indices", "col_indices", "coalesce", "_nnz"):
    setattr(MaskedTensor, _name, lambda self, _name=_name: _refuse(_name))
for _name in ("dim", "size", "numel", "__len__"):  # of sparse data, not of its values
    setattr(MaskedTensor, _name, _of_mask(_name))
for _name, _of in {"coo": {sparse_coo}, "csr": {sparse_csr}, "": {sparse_coo, sparse_csr}}.items():
    _asks: Any = lambda self, of=_of: self.layout in of  # noqa: E731
    setattr(MaskedTensor, f"is_sparse_{_name}".rstrip("_"), _asks if _name else property(_asks))
for _name in ("shape", "ndim", "layout"):
    setattr(MaskedTensor, _name, property(attrgetter(f"_masked_mask.{_name}")))
for _name in ("add", "sub", "mul", "div", "remainder", "pow", "floor_divide"):
    _symbol = {"div": "truediv", "remainder": "mod", "floor_divide": "floordiv"}.get(_name, _name)
    setattr(MaskedTensor, f"__i{_symbol}__", lambda s, o, _to=f"{_name}_": getattr(s, _to)(o))
MaskedTensor.__module__ = f"{__name__}.core"
