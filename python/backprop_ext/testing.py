"""Comparisons of results, and of derivatives with finite differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from ._core import Tensor
from .autograd import engine
from .autograd.grad_mode import enable_grad, no_grad

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .types import TensorOrTensors

    Function = Callable[..., TensorOrTensors]
    Array = NDArray[Any]

__all__ = ["GradcheckError", "assert_close", "gradcheck", "gradgradcheck"]

# (rtol, atol) by dtype; other dtypes are compared exactly.
_TOLERANCES = {"float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


class GradcheckError(RuntimeError):
    """A derivative differs from the finite difference."""


def assert_close(
    actual: Any,
    expected: Any,
    *,
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

    Without tolerances: 1.3e-6 and 1e-5 for float32, 1e-7 and 1e-7 for float64, 0 for others.
    Raises AssertionError that tells the worst element, ValueError for one tolerance without the
    other, TypeError for types that cannot be compared.
    Source: https://docs.pytorch.org/docs/stable/testing.html
    """
    if (rtol is None) != (atol is None):
        raise ValueError(f"[assert_close] rtol={rtol} and atol={atol}; pass both or none")
    tolerances = None if rtol is None or atol is None else (rtol, atol)
    if fault := _difference(actual, expected, tolerances, equal_nan, check_dtype, check_stride, ""):
        text = f"[assert_close] {fault}"
        raise AssertionError(text if msg is None else msg(text) if callable(msg) else msg)


def _difference(
    actual: Any,
    expected: Any,
    tolerances: tuple[float, float] | None,
    equal_nan: bool,
    check_dtype: bool,
    check_stride: bool,
    where: str,
) -> str | None:
    """What differs first, or None."""
    rest = (tolerances, equal_nan, check_dtype, check_stride)
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
    where: str,
) -> str | None:
    a, e = _array(actual), _array(expected)
    if a is None or e is None or isinstance(actual, Tensor) != isinstance(expected, Tensor):
        raise TypeError(
            f"[assert_close] a {type(actual).__name__} and a {type(expected).__name__}{where} "
            "cannot be compared; pass two tensors, two arrays or two numbers"
        )
    if a.shape != e.shape:
        return f"shapes {a.shape} and {e.shape} differ{where}"
    is_tensor = isinstance(actual, Tensor)
    if check_dtype and a.dtype != e.dtype:
        return f"dtypes {a.dtype} and {e.dtype} differ{where}; cast one, or pass check_dtype=False"
    if check_stride and is_tensor and actual.stride() != expected.stride():
        return f"strides {actual.stride()} and {expected.stride()} differ{where}"
    both = [_TOLERANCES.get(array.dtype.name, (0.0, 0.0)) for array in (a, e)]
    rtol, atol = tolerances or (max(t[0] for t in both), max(t[1] for t in both))
    return _worst(a, e, rtol, atol, equal_nan, where)


def _array(obj: Any) -> Array | None:
    if isinstance(obj, Tensor):
        return obj.detach().numpy()
    return np.asarray(obj) if isinstance(obj, (bool, int, float, np.ndarray, np.generic)) else None


def _worst(a: Array, e: Array, rtol: float, atol: float, equal_nan: bool, where: str) -> str | None:
    kind = np.float64 if "f" in a.dtype.kind + e.dtype.kind else np.int64
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


def gradcheck(
    func: Function,
    inputs: TensorOrTensors,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
) -> bool:
    """v^T (f(x + eps u) - f(x - eps u)) / (2 eps) against v^T J u from backward.

    Every unit u and v (the whole Jacobian), or one random pair per input with `fast_mode`. Give
    float64 inputs away from kinks; `nondet_tol` is how far two backward passes may differ.
    Raises GradcheckError, or returns False without `raise_exception`; ValueError when no input
    requires grad. Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck
    """
    args = [inputs] if isinstance(inputs, Tensor) else [*inputs]
    places = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
    if not places:
        raise ValueError(
            f"[gradcheck] none of {len(args)} inputs requires grad; call requires_grad_() on one"
        )
    for i in places:
        if args[i].dtype != _core.float64:
            raise ValueError(
                f"[gradcheck] input {i} is {args[i].dtype}, finite differences need float64; "
                "use .double()"
            )
    draw = np.random.default_rng(0)
    fault = None
    with enable_grad():
        outputs = _outputs(func, args)
    for k, output in enumerate(outputs):
        if fault is None and output.requires_grad:
            for i in places:
                check = _Check(func, args, i, k, output, eps)
                fault = fault or check.fault(draw if fast_mode else None, atol, rtol, nondet_tol)
    if fault and raise_exception:
        raise GradcheckError(f"[gradcheck] {fault}")
    return not fault


def _outputs(func: Function, args: list[Any]) -> tuple[Tensor, ...]:
    result = func(*args)
    return (result,) if isinstance(result, Tensor) else tuple(result)


class _Check:
    """The derivative of output k to input i, from backward and from differences, as matrices."""

    def __init__(
        self, func: Function, args: list[Any], i: int, k: int, output: Tensor, eps: float
    ) -> None:
        self.func, self.args, self.i, self.k = func, args, i, k
        self.output, self.eps = output, eps
        self.x = args[i].detach().numpy().copy()

    def _at(self, x: Array) -> Array:
        args = [*self.args]
        args[self.i] = _core.tensor(x).requires_grad_()
        with enable_grad():
            return _outputs(self.func, args)[self.k].detach().numpy().astype(np.float64).ravel()

    def forward(self, u: Array) -> Array:
        """J u by a central difference; u (n,), J u (m,)."""
        step = self.eps * u.reshape(self.x.shape)
        return (self._at(self.x + step) - self._at(self.x - step)) / (2 * self.eps)

    def backward(self, v: Array) -> Array:
        """J^T v by the engine; v (m,), J^T v (n,)."""
        seed = _core.tensor(v.reshape(tuple(self.output.shape))).to(self.output.dtype)
        (g,) = engine.grad(
            self.output, [self.args[self.i]], seed, retain_graph=True, allow_unused=True
        )
        found: Array = np.zeros(self.x.size) if g is None else g.detach().numpy().copy()
        return found.ravel()

    def fault(
        self, draw: np.random.Generator | None, atol: float, rtol: float, nondet_tol: float
    ) -> str | None:
        """What is wrong, or None."""
        n, m = self.x.size, self.output.numel()
        if n == 0 or m == 0:
            return None
        us, vs = np.eye(n), np.eye(m)
        if draw is not None:
            us, vs = draw.standard_normal((1, n)), draw.standard_normal((1, m))
        numeric = vs @ np.stack([self.forward(u) for u in us], axis=1)
        rows = np.stack([self.backward(v) for v in vs])
        analytic = rows @ us.T
        pair = f"output {self.k} to input {self.i}"
        if (spread := np.abs(rows[-1] - self.backward(vs[-1])).max()) > nondet_tol:
            return f"two backward passes for {pair} differ by {spread:.3g}; allow it: nondet_tol"
        bad = ~np.isclose(analytic, numeric, rtol, atol, equal_nan=True)
        if not bad.any():
            return None
        at = tuple(int(j) for j in np.argwhere(bad)[0])
        return (
            f"the derivative of {pair} is {analytic[at]:.8g} by backward and {numeric[at]:.8g} by "
            f"differences at {at}, one of {bad.sum()} in {bad.shape}; mend the derivative, or move "
            "off a kink"
        )


def gradgradcheck(
    func: Function,
    inputs: TensorOrTensors,
    grad_outputs: TensorOrTensors | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
) -> bool:
    """gradcheck of (x, g) -> J(x)^T g, the second derivative; g is `grad_outputs`, or random.

    Raises as gradcheck does.
    """
    args = [inputs] if isinstance(inputs, Tensor) else [*inputs]
    count = len(args)
    with no_grad():
        outputs = _outputs(func, args)
    if grad_outputs is None:
        draw = np.random.default_rng(0)
        seeds = [_core.tensor(draw.standard_normal(tuple(out.shape))) for out in outputs]
    else:
        given = [grad_outputs] if isinstance(grad_outputs, Tensor) else [*grad_outputs]
        seeds = [g.detach().clone() for g in given]

    def first(*everything: Any) -> tuple[Tensor, ...]:
        xs, gs = everything[:count], everything[count:]
        wanted = [x for x in xs if isinstance(x, Tensor) and x.requires_grad]
        found = engine.grad(
            _outputs(func, [*xs]), wanted, gs, create_graph=True, materialize_grads=True
        )
        return tuple(found)

    return gradcheck(
        first,
        [*args, *(g.requires_grad_() for g in seeds)],
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        fast_mode=fast_mode,
    )
