"""Reductions, scans and softmax over the elements that a mask selects.

A bool `mask`, broadcast to the input, is True where an element counts; without it all do. Elements
left out are replaced by what changes nothing: 0 in sums, 1 in products, infinities in extremes and
exponentials. `dim` is None, one dimension or several.
Source: https://docs.pytorch.org/docs/stable/masked.html
"""

from __future__ import annotations

from functools import wraps
from math import inf, nan
from typing import TYPE_CHECKING, Any

from .. import _core
from .._checks import the_dim, the_tensor
from .._core import Tensor
from .._switches import iinfo
from .maskedtensor import MaskedTensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Dim = int | Sequence[int] | None

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "mean",
    "median",
    "norm",
    "normalize",
    "prod",
    "softmax",
    "softmin",
    "std",
    "sum",
    "var",
]


def _of_either(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function, which takes a masked tensor in place of a tensor and its mask."""

    @wraps(function)
    def call(input: Any, *args: Any, **options: Any) -> Tensor:
        if isinstance(input, MaskedTensor):
            options["mask"] = input.get_mask()
            input = input.get_data()
        return function(input, *args, **options)

    return call


def _filled(input: Tensor, mask: Tensor | None, neutral: float, dtype: Any = None) -> Tensor:
    """The input in `dtype`, with what the mask leaves out replaced."""
    dims = the_tensor("masked", input).ndim
    if mask is not None and the_tensor("masked", mask, "mask").ndim > dims:
        raise IndexError(
            f"[masked] mask of shape {tuple(mask.shape)} for {tuple(input.shape)}; it may have no "
            "more dimensions"
        )
    x = input if dtype is None else input.to(dtype)
    if mask is None:
        return x
    mask = mask.bool().expand(x.shape)
    if neutral in (inf, -inf) and not x.is_floating_point():
        if x.dtype == _core.bool:
            neutral = bool(neutral > 0)
        else:
            neutral = iinfo(x.dtype).max if neutral > 0 else iinfo(x.dtype).min
    return _core.where(mask, x, _core.tensor(neutral, dtype=x.dtype))


def _is_inexact(t: Tensor) -> bool:
    t = the_tensor("masked", t)
    return t.is_floating_point() or t.is_complex()


def _counted(dtype: Any, input: Tensor) -> Any:
    """Sums and products of integers are int64."""
    return dtype if dtype is not None or _is_inexact(input) else _core.int64


def _dims(input: Tensor, dim: Dim) -> tuple[int, ...]:
    """The dimensions as a tuple of numbers from 0 on, all of them for none.

    IndexError for one out of range, RuntimeError for one that is named twice.
    """
    ndim = the_tensor("masked", input).ndim
    if dim is not None and not isinstance(dim, (int, tuple, list)):
        raise TypeError(f"[masked] dim={dim!r}; pass a whole number, or a tuple of them")
    named = dim if isinstance(dim, (tuple, list)) else () if dim is None else (dim,)
    if not named:
        return tuple(range(ndim))
    count = max(1, ndim)
    found: list[int] = []
    for d in named:  # True is 1 here, as in PyTorch
        place = the_dim("masked", int(d) if isinstance(d, bool) else d, count, dim) % count
        if place in found:
            raise RuntimeError(f"[masked] dimension {d} is named twice in {dim}; once is enough")
        found.append(place)
    return tuple(found)


def _one_dim(input: Tensor, dim: Any) -> int:
    """The dimension of what runs along one: the first that is named."""
    return _dims(input, dim)[0]


def _scanned(input: Tensor, mask: Any, neutral: float, dtype: Any) -> Tensor:
    if the_tensor("masked", input).dtype == _core.bool and dtype is None:
        raise NotImplementedError("[masked] no running sums of bools; pass dtype=torch.int64")
    return _filled(input, mask, neutral, dtype)


def sum(
    input: Tensor, dim: Dim = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """Sum of the elements that count; 0 for none."""
    x = _filled(input, mask, 0, _counted(dtype, input))
    return x.sum(_dims(input, dim), bool(keepdim))


def prod(
    input: Tensor, dim: Dim = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """Product of the elements that count; 1 for none."""
    x = _filled(input, mask, 1, _counted(dtype, input))
    for d in sorted(_dims(input, dim), reverse=True):
        x = x.prod(d, bool(keepdim))
    return x


def cumsum(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """Running sum of the elements that count."""
    x = _scanned(input, mask, 0, dtype)
    return x.cumsum(_one_dim(input, dim), dtype=x.dtype)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """Running product of the elements that count."""
    x = _scanned(input, mask, 1, dtype)
    return x.cumprod(_one_dim(input, dim), dtype=x.dtype)


def amax(
    input: Tensor, dim: Dim = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """Largest element that counts; -inf (the smallest integer) for none."""
    return _filled(input, mask, -inf, dtype).amax(_dims(input, dim), bool(keepdim))


def amin(
    input: Tensor, dim: Dim = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """Smallest element that counts; inf (the largest integer) for none."""
    return _filled(input, mask, inf, dtype).amin(_dims(input, dim), bool(keepdim))


def argmax(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """Place of the first largest element that counts, in the input's type, as PyTorch gives it."""
    x = _filled(input, mask, -inf, dtype)
    return x.argmax(dim, bool(keepdim)).to(x.dtype)


def argmin(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """Place of the first smallest element that counts, in the input's type, as PyTorch gives it."""
    x = _filled(input, mask, inf, dtype)
    return x.argmin(dim, bool(keepdim)).to(x.dtype)


def _count(input: Tensor, dims: tuple[int, ...], mask: Tensor | None) -> Tensor:
    ones = _core.ones_like(input, dtype=_core.int64)
    return _filled(ones, mask, 0).sum(dims, True)


def _squeezed(kept: Tensor, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    return kept if keepdim or kept.ndim == 0 else kept.squeeze(dims)


def mean(
    input: Tensor, dim: Dim = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """Mean of the elements that count; NaN for none. ValueError for integers without a dtype."""
    if dtype is None and not _is_inexact(input):
        raise ValueError(f"[mean] no mean of {input.dtype}; pass dtype=torch.float32")
    dims = _dims(input, dim)
    total = _filled(input, mask, 0, dtype).sum(dims, True)
    return _squeezed(total / _count(input, dims, mask), dims, keepdim)


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """Lower median of the elements that count; NaN for none."""
    x, dim = _filled(input, mask, nan, dtype), _one_dim(input, dim)
    return (x.median(dim, keepdim) if mask is None else x.nanmedian(dim, keepdim)).values


def var(
    input: Tensor,
    dim: Dim = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """Mean square deviation of the n elements that count, divided by n - correction."""
    dims = _dims(input, dim)
    x = input if dtype is None else input.to(dtype)
    if x.dtype == _core.bool:
        raise RuntimeError("[var] bools are not subtracted; pass dtype=torch.float32")
    x = x if _is_inexact(x) else x.float()
    count = _count(x, dims, mask)
    deviation = _filled(x - mean(x, dims, keepdim=True, mask=mask), mask, 0)
    taken = float((unbiased is not False) if correction is None else correction)
    freedom = (count.to(x.dtype.to_real()) - taken).clamp(min=0)
    square = (deviation * deviation.conj()).real
    return _squeezed(square.sum(dims, True) / freedom, dims, keepdim)


def std(
    input: Tensor,
    dim: Dim = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """Square root of the variance of the elements that count."""
    return var(
        input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask
    ).sqrt()


def norm(
    input: Tensor,
    ord: float = 2.0,
    dim: Dim = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """(sum |x|^ord)^(1/ord) over the elements that count."""
    if ord is None or isinstance(ord, str):
        raise TypeError(f"[norm] ord={ord!r}; pass a number")
    x = _filled(input, mask, inf if ord == -inf else 0, dtype)
    return x.norm(ord, _dims(input, dim), bool(keepdim))


def normalize(
    input: Tensor,
    ord: float,
    dim: int,
    *,
    eps: float = 1e-12,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """The elements that count divided by their norm, which is at least `eps`."""
    size = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _filled(input, mask, 0, dtype) / size.clamp(min=eps)


def logsumexp(
    input: Tensor, dim: Dim = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """log(sum(exp(x))) of the elements that count; -inf for none."""
    return _filled(input, mask, -inf, dtype).logsumexp(_dims(input, dim), keepdim)


def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: Any = None,
    input_mask: Any = None,
    other_mask: Any = None,
) -> Tensor:
    """log(exp(input) + exp(other)), each where its mask counts it."""
    return _core.logaddexp(
        _filled(input, input_mask, -inf, dtype), _filled(other, other_mask, -inf, dtype)
    )


def softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """exp(x_i) / sum_j exp(x_j) over the elements that count, 0 for the others."""
    return _filled(input, mask, -inf, dtype).softmax(_one_dim(input, dim))


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """x_i - log sum_j exp(x_j) over the elements that count, -inf for the others."""
    return _filled(input, mask, -inf, dtype).log_softmax(_one_dim(input, dim))


def softmin(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """softmax(-x) over the elements that count, 0 for the others."""
    return (-_filled(input, mask, inf, dtype)).softmax(_one_dim(input, dim))


for _name in __all__:
    globals()[_name] = _of_either(globals()[_name])
