"""Elementwise operations and sums: most ask the values alone."""

from __future__ import annotations

from typing import Any

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import is_grad_enabled
from ._layouts import to_csr
from ._tensor import (
    SparseTensor,
    axis,
    coalesced,
    coordinates,
    is_sparse,
    operation,
    places,
    refuse,
    sparse,
    values,
    with_values,
    without,
)


def _on_values(name: str, first: bool) -> None:
    """f(0) = 0: values alone are asked; added up `first` unless f is linear."""
    function = getattr(_core, name, None) or getattr(Tensor, name)

    def apply(input: SparseTensor, *args: Any, **kwargs: Any) -> Any:
        whole = coalesced(input) if first and not coordinates(input)[3] else input
        return with_values(whole, function(values(whole), *args, **kwargs))

    operation(name)(apply)
    if hasattr(Tensor, f"{name}_"):
        operation(f"{name}_")(lambda self, *args: _replaced(self, apply(self, *args)))


_FIRST = """
    abs absolute arcsin arcsinh arctan arctanh asin asinh atan atanh ceil conj conj_physical erf
    erfinv expm1 fix floor frac isinf isnan isneginf isposinf log1p nan_to_num relu round sgn sign
    signbit sin sinh sqrt square tan tanh trunc
"""
_LINEAR = """
    bool byte cdouble cfloat clone cpu deg2rad detach double float imag int long neg negative
    positive rad2deg real resolve_conj resolve_neg to type_as
"""
for _names, _first in ((_FIRST, True), (_LINEAR, False)):
    for _name in _names.split():
        _on_values(_name, _first)


def _asked_of_values(name: str) -> None:
    function = getattr(Tensor, name)
    operation(name)(lambda input: function(values(input)))


for _name in ["is_floating_point", "is_complex", "element_size"]:
    _asked_of_values(_name)


@operation("type")
def _type(input: SparseTensor, dtype: Any = None, *args: Any) -> Any:
    if dtype is None:
        return values(input).type().replace("torch.", "torch.sparse.")
    return with_values(input, values(input).type(getattr(dtype, "dtype", dtype)))


@operation("pow", "__pow__")
def _pow(input: Any, exponent: Any) -> Any:
    if not is_sparse(input) or (isinstance(exponent, Tensor) and exponent.ndim):
        refuse("pow", input if is_sparse(input) else exponent)
    if float(exponent) <= 0:
        raise RuntimeError(f"[pow] a sparse tensor to the power {exponent}; pass one above 0")
    whole = coalesced(input)
    return with_values(whole, values(whole) ** exponent)


@operation("sum")
def sum_over(input: SparseTensor, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """The sum over all dimensions, or some: sparse while a sparse dimension is left."""
    t = input if dtype is None else input.to(dtype)
    if dim is None:
        return values(t).sum()
    dims = {axis("sum", t, d) for d in ([dim] if isinstance(dim, int) else dim)}
    if keepdim:
        refuse("sum with keepdim", t)
    indices, size, *_ = coordinates(t)
    count = len(indices)
    dense = [d - count + 1 for d in dims if d >= count]
    rest = values(t).sum(dense) if dense else values(t)
    if len(dims) - len(dense) == count:
        return rest.sum(0)
    left = [size[d] for d in range(t.ndim) if d not in dims]
    return coalesced(sparse(rest, without(indices, [*dims]), left))


@operation("norm")
def _norm(input: SparseTensor, p: Any = "fro", dim: Any = None, *args: Any, **kwargs: Any) -> Any:
    if dim is not None:
        refuse("norm over dimensions", input)
    return _core.norm(values(coalesced(input)), p)


@operation("any")
def _any(input: SparseTensor, dim: Any = None) -> Any:
    if dim is not None:
        refuse("any over dimensions", input)
    return values(coalesced(input)).any()


def softmax(t: SparseTensor, dim: int, log: bool) -> SparseTensor:
    """Over the values that are there: an absent one is minus infinity, not zero."""
    whole = coalesced(t)
    indices, size, *_ = coordinates(whole)
    at, count = axis("softmax", t, dim), len(indices)
    v = values(whole)
    if at >= count:
        inner = at - count + 1
        return with_values(whole, v.log_softmax(inner) if log else v.softmax(inner))
    others = [size[d] for d in range(count) if d != at]
    groups, of = _core.unique(places(without(indices, [at]), others), return_inverse=True)
    index = of.reshape(-1, *[1] * (v.ndim - 1)).expand(v.shape)
    zeros = v.new_zeros(len(groups), *v.shape[1:])
    shifted = v - zeros.scatter_reduce(0, index, v.detach(), "amax", include_self=False)[of]
    e = shifted.exp()
    total = zeros.index_add(0, of, e)[of]
    return with_values(whole, shifted - total.log() if log else e / total)


@operation("add")
def _add(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    if not is_sparse(input):
        if not isinstance(input, Tensor) or tuple(input.shape) != tuple(other.shape):
            shape = tuple(input.shape) if isinstance(input, Tensor) else input
            raise RuntimeError(
                f"[add] {shape} and a sparse tensor of shape {tuple(other.shape)}; pass a tensor "
                "of its shape"
            )
        indices, _, _, _ = coordinates(other)
        scaled = values(other) * alpha
        dense = input.to(_core.result_type(input, scaled))
        return dense.index_put(tuple(indices), scaled, accumulate=True)
    if not is_sparse(other):
        if input.is_sparse_csr and isinstance(other, Tensor):
            return _add(other * alpha, input)
        raise RuntimeError(
            "[add] add(sparse, dense) is not supported; use add(dense, sparse) or .to_dense()"
        )
    a, b = coordinates(input), coordinates(other)
    if tuple(a[1]) != tuple(b[1]) or len(a[0]) != len(b[0]):
        raise RuntimeError(
            f"[add] shapes {tuple(a[1])} and {tuple(b[1])}, with {len(a[0])} and {len(b[0])} "
            "sparse dimensions; they must be equal"
        )
    both = sparse(
        _core.cat([values(input), values(other) * alpha]), _core.cat([a[0], b[0]], 1), a[1]
    )
    return to_csr(both) if a[3] else coalesced(both) if a[2] and b[2] else both


@operation("sub", "subtract")
def _sub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    return _add(input, other, alpha=-alpha)


@operation("mul", "multiply")
def _mul(input: Any, other: Any) -> Any:
    a, b = (input, other) if is_sparse(input) else (other, input)
    if not isinstance(b, Tensor) and hasattr(b, "__array__"):
        b = _core.tensor(b)
    if not isinstance(b, (Tensor, int, float, complex)):
        raise TypeError(f"[mul] a {type(b).__name__}; pass a tensor or a number")
    if not isinstance(b, Tensor) or (b.ndim == 0 and not is_sparse(b)):
        return with_values(a, values(a) * b)
    if not is_sparse(b):
        indices = coordinates(a)[0]
        dense = b.expand(a.shape)[tuple(indices)]
        return with_values(a, values(a) * dense)
    if tuple(a.shape) != tuple(b.shape):
        raise RuntimeError(
            f"[mul] shapes {tuple(a.shape)} and {tuple(b.shape)}; of sparse tensors they must be "
            "equal"
        )
    a, b = coalesced(a), coalesced(b)  # type: ignore[arg-type]
    left, right = (places(coordinates(t)[0], t.shape) for t in (a, b))
    at = _core.searchsorted(right, left).clamp(max=max(len(right) - 1, 0))
    keep = (right[at] == left).nonzero().flatten() if len(right) else left[:0]
    product = values(a)[keep] * values(b)[at[keep]]
    found = sparse(product, coordinates(a)[0][:, keep], a.shape, True)
    return to_csr(found) if coordinates(a)[3] else found


@operation("floor_divide", "__floordiv__")
def _floor_divide(input: Any, other: Any) -> Any:
    return _div(input, other, rounding_mode="floor")


@operation("dist")
def _dist(input: Any, other: Any, p: Any = 2) -> Any:
    return _norm(_sub(input, other), p)


@operation("div", "divide", "true_divide")
def _div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    if is_sparse(other) or (isinstance(other, Tensor) and other.ndim):
        raise RuntimeError("[div] of sparse tensors: by a number alone; use .to_dense()")
    whole = coalesced(input) if rounding_mode else input
    return with_values(whole, _core.div(values(whole), other, rounding_mode=rounding_mode))


@operation("zeros_like", "empty_like")
def _zeros_like(input: SparseTensor, *, dtype: Any = None, **options: Any) -> Any:
    indices, size, in_order, compressed = coordinates(input)
    none = values(input.detach())[:0].to(dtype or input.dtype)
    return sparse(none, indices[:, :0], size, in_order or not compressed, compressed)


def _replaced(t: Any, by: Any) -> Any:
    if not is_sparse(t) or not is_sparse(by) or tuple(t.shape) != tuple(by.shape):
        raise RuntimeError(
            f"[sparse] {t.layout} of shape {tuple(t.shape)} cannot become {by.layout} of shape "
            f"{tuple(by.shape)} in place; make a new tensor"
        )
    if t.requires_grad and is_grad_enabled():
        raise RuntimeError("[sparse] a tensor that requires grad is not written in place")
    t.__dict__.pop("_in_order", None)
    _core._set_sparse(t, values(by).to(t.dtype), *coordinates(by)[::2])
    return t


for _name, _function in {
    "zero_": lambda self: _replaced(self, _zeros_like(self)),
    "add_": lambda self, *args, **kwargs: _in_place_add(self, *args, **kwargs),
    "sub_": lambda self, other, *, alpha=1: _in_place_add(self, other, alpha=-alpha),
    "mul_": lambda self, other: _replaced(self, _mul(self, other)),
    "div_": lambda self, other: _replaced(self, _div(self, other)),
    "copy_": lambda self, source, non_blocking=False: _replaced(self, source),
}.items():
    operation(_name)(_function)


def _in_place_add(self: Tensor, other: Any, *, alpha: Any = 1) -> Any:
    if is_sparse(self):
        return _replaced(self, _add(self, other, alpha=alpha))
    indices = coordinates(other)[0]
    return self.index_put_(tuple(indices), values(other) * alpha, accumulate=True)
