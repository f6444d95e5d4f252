"""Comparisons of results, and of derivatives with finite differences; tensors to test with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._bits import as_values
from ._core import Tensor, tensor
from ._test_tensor import make_tensor
from .autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = [
    "GradcheckError",
    "assert_allclose",
    "assert_close",
    "gradcheck",
    "gradgradcheck",
    "make_tensor",
]

# (rtol, atol) by dtype; other dtypes are compared exactly.
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """|actual - expected| <= atol + rtol |expected|, elementwise, in tensors and containers.

    Without tolerances: 1.3e-6 and 1e-5 for float32 and complex64, 1e-7 and 1e-7 for float64 and
    complex128, 1e-3 and 1e-5 for float16, 1.6e-2 and 1e-5 for bfloat16, 0 for others.
    Raises AssertionError that tells the worst element, ValueError for one tolerance without the
    other, TypeError for types that cannot be compared.
    Source: https://docs.pytorch.org/docs/stable/testing.html
    """
    if (rtol is None) != (atol is None):
        raise ValueError(f"[assert_close] rtol={rtol} and atol={atol}; pass both or none")
    tolerances = None if rtol is None or atol is None else (rtol, atol)
    rest = (tolerances, equal_nan, check_dtype, check_stride, not allow_subclasses)
    if fault := _difference(actual, expected, *rest, ""):
        text = f"[assert_close] {fault}"
        raise AssertionError(text if msg is None else msg(text) if callable(msg) else msg)


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """assert_close of arrays or tensors of any types; deprecated."""
    a, e = (value if isinstance(value, Tensor) else tensor(value) for value in (actual, expected))
    assert_close(
        a, e, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None
    )


def _difference(
    actual: Any,
    expected: Any,
    tolerances: tuple[float, float] | None,
    equal_nan: bool,
    check_dtype: bool,
    check_stride: bool,
    same_class: bool,
    where: str,
) -> str | None:
    """What differs first, or None."""
    rest = (tolerances, equal_nan, check_dtype, check_stride, same_class)
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if actual.keys() != expected.keys():
            return f"keys {sorted(actual, key=str)} and {sorted(expected, key=str)} differ{where}"
        pairs = [(key, actual[key], expected[key]) for key in expected]
    elif _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            return f"lengths {len(actual)} and {len(expected)} differ{where}"
        pairs = [(i, *pair) for i, pair in enumerate(zip(actual, expected, strict=True))]
    elif actual is None and expected is None:
        return None
    else:
        return _leaf_difference(actual, expected, *rest, where)
    found = (_difference(a, e, *rest, f"{where} in item {key!r}") for key, a, e in pairs)
    return next((fault for fault in found if fault), None)


def _is_sequence(obj: Any) -> bool:
    return isinstance(obj, Sequence) and not isinstance(obj, str)


def _leaf_difference(
    actual: Any,
    expected: Any,
    tolerances: tuple[float, float] | None,
    equal_nan: bool,
    check_dtype: bool,
    check_stride: bool,
    same_class: bool,
    where: str,
) -> str | None:
    a, e = _array(actual), _array(expected)
    unlike = isinstance(actual, Tensor) != isinstance(expected, Tensor)
    unlike = unlike or (same_class and type(actual) is not type(expected))
    if a is None or e is None or unlike:
        raise TypeError(
            f"[assert_close] a {type(actual).__name__} and a {type(expected).__name__}{where} "
            "cannot be compared; pass two tensors, two arrays or two numbers, or allow_subclasses"
        )
    if a.shape != e.shape:
        return f"shapes {a.shape} and {e.shape} differ{where}"
    is_tensor = isinstance(actual, Tensor)
    dtypes = [_dtype_of(*pair) for pair in ((actual, a), (expected, e))]
    if check_dtype and dtypes[0] != dtypes[1]:
        return (
            f"dtypes {dtypes[0]} and {dtypes[1]} differ{where}; cast one, or pass check_dtype=False"
        )
    if check_stride and is_tensor and actual.stride() != expected.stride():
        return f"strides {actual.stride()} and {expected.stride()} differ{where}"
    both = [_TOLERANCES.get(dtype, (0.0, 0.0)) for dtype in dtypes]
    rtol, atol = tolerances or (max(t[0] for t in both), max(t[1] for t in both))
    return _worst(a, e, rtol, atol, equal_nan, where)


def _dtype_of(obj: Any, array: Array) -> str:
    return str(obj.dtype).removeprefix("torch.") if isinstance(obj, Tensor) else array.dtype.name


def _array(obj: Any) -> Array | None:
    if isinstance(obj, Tensor):
        return as_values(obj)
    numbers = (bool, int, float, complex, np.ndarray, np.generic)
    return np.asarray(obj) if isinstance(obj, numbers) else None


def _worst(a: Array, e: Array, rtol: float, atol: float, equal_nan: bool, where: str) -> str | None:
    kinds = a.dtype.kind + e.dtype.kind
    kind: Any = np.complex128 if "c" in kinds else np.float64 if "f" in kinds else np.int64
    a, e = a.astype(kind), e.astype(kind)
    with np.errstate(all="ignore"):
        gap = np.abs(a - e)
        # Equal infinities are close, an infinity is close to nothing else.
        close = (a == e) | ((gap <= atol + rtol * np.abs(e)) & np.isfinite(gap))
        if equal_nan:
            close |= np.isnan(a) & np.isnan(e)
        if close.all():
            return None
        ratio = gap / np.abs(e)
    lines = [f"{(~close).sum()} of {close.size} elements are not close{where}"]
    for name, sizes, limit in (("absolute", gap, atol), ("relative", ratio, rtol)):
        size = np.where(close, -np.inf, np.where(np.isnan(sizes), np.inf, sizes))
        at = tuple(int(i) for i in np.unravel_index(int(np.argmax(size)), size.shape))
        lines.append(
            f"greatest {name} difference {size[at]:.6g} (allowed {limit:g}) at {at}: "
            f"{a[at]} and {e[at]}"
        )
    return "; ".join(lines)
