"""Derivatives against finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._checks import is_number, the_tensor, truths
from .._core import Tensor
from . import engine
from .forward_ad import dual_level, make_dual, unpack_dual
from .grad_mode import enable_grad, no_grad

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..types import TensorOrTensors

    Function = Callable[..., TensorOrTensors]
    Array = NDArray[Any]

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A derivative differs from the finite difference."""


def gradcheck(
    func: Function,
    inputs: TensorOrTensors,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """v^T (f(x + eps u) - f(x - eps u)) / (2 eps) against v^T J u from backward.

    Every unit u and v (the whole Jacobian), or one random pair per input with `fast_mode`. Give
    float64 or complex128 inputs away from kinks, of which a complex number counts as two reals, as
    its gradient does; `nondet_tol` is how far two backward passes may differ. Each
    output is differentiated alone, while the others have no gradient: check_undefined_grad, and,
    as dtypes are always those of the inputs and batches are loops, check_grad_dtypes and
    check_batched_grad have nothing left to do.
    check_forward_ad: tangents, as `forward_ad` has them, are compared as well; without
    check_backward_ad they alone. Raises AssertionError for neither.
    Raises GradcheckError, or returns False without `raise_exception`; ValueError when no input
    requires grad. Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck
    """
    if not check_forward_ad and (check_batched_forward_grad or not check_backward_ad):
        raise AssertionError(
            f"[gradcheck] {check_backward_ad=}, {check_batched_forward_grad=}; pass "
            "check_forward_ad=True too"
        )
    if check_batched_grad and not check_backward_ad:
        raise AssertionError(f"[gradcheck] {check_batched_grad=}, {check_backward_ad=}; drop one")
    truths(raise_exception, check_undefined_grad, masked)
    eps, atol, rtol = _number("eps", eps), _number("atol", atol), _number("rtol", rtol)
    nondet_tol = _number("nondet_tol", nondet_tol)
    args: list[Any] = [*inputs] if isinstance(inputs, (list, tuple)) else [inputs]
    places = _places(args)
    for i in places:
        if args[i].dtype not in (_core.float64, _core.complex128):
            warnings.warn(
                f"[gradcheck] input {i} is {args[i].dtype}, whose differences are rough; use "
                ".double()",
                stacklevel=2,
            )
    draw = np.random.default_rng(0)
    fault = None
    with enable_grad():
        outputs = _outputs(func, args)
    # Where nothing was recorded, all derivatives must be 0.
    recorded = any(output.requires_grad for output in outputs)
    for k, output in enumerate(outputs):
        if fault is None and (output.requires_grad or not recorded):
            for i in places:
                check = _Check(func, args, i, k, output, eps)
                if check_backward_ad and not fault:
                    unit = draw if fast_mode else None
                    fault = check.backward_fault(unit, atol, rtol, nondet_tol)
                if check_forward_ad and not fault:
                    fault = check.forward_fault(draw if fast_mode else None, atol, rtol)
    if fault and raise_exception:
        raise GradcheckError(f"[gradcheck] {fault}")
    return not fault


def _places(args: list[Any]) -> list[int]:
    """Which of them are differentiated to; ValueError for none."""
    places = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
    if not places:
        raise ValueError(
            f"[gradcheck] none of {len(args)} inputs requires grad; call requires_grad_() on one"
        )
    return places


def _number(name: str, value: Any) -> float:
    if not is_number(value) or isinstance(value, complex):
        raise TypeError(f"[gradcheck] {name}={value!r}; pass a number")
    if name == "eps" and isinstance(value, bool):
        raise RuntimeError(f"[gradcheck] {name}={value!r}; pass a small number")
    if isinstance(value, Tensor) and value.ndim and name != "nondet_tol":
        raise _core._NotANumberError(f"[gradcheck] {name}={value!r}; pass a number")
    return float(value)


def _outputs(func: Function, args: list[Any]) -> tuple[Tensor, ...]:
    result = func(*args)
    return (result,) if isinstance(result, Tensor) else tuple(result)


def _reals(t: Tensor) -> Array:
    """The elements in a row, of complex ones real and imaginary part."""
    array = np.ascontiguousarray(t.detach().numpy()).ravel()
    if t.is_complex():
        array = array.view(array.real.dtype)
    return array.astype(np.float64)


def _like(reals: Array, t: Tensor) -> Tensor:
    """The inverse of `_reals`, for a tensor of t's shape and type."""
    array = reals.astype(np.float64).view(np.complex128 if t.is_complex() else np.float64)
    return _core.tensor(array.reshape(tuple(t.shape))).to(t.dtype)


class _Check:
    """The derivative of output k to input i, from backward and from differences, as matrices."""

    def __init__(
        self, func: Function, args: list[Any], i: int, k: int, output: Tensor, eps: float
    ) -> None:
        self.func, self.args, self.i, self.k = func, args, i, k
        self.output, self.eps = output, eps
        self.x, self.pair = _reals(args[i]), f"output {k} to input {i}"

    def _at(self, x: Array) -> Array:
        args = [*self.args]
        args[self.i] = _like(x, self.args[self.i]).requires_grad_()
        with enable_grad():
            return _reals(_outputs(self.func, args)[self.k])

    def forward(self, u: Array) -> Array:
        """J u by a central difference; u (n,), J u (m,)."""
        step = self.eps * u
        return (self._at(self.x + step) - self._at(self.x - step)) / (2 * self.eps)

    def backward(self, v: Array) -> Array:
        """J^T v by the engine; v (m,), J^T v (n,)."""
        if not self.output.requires_grad:
            return np.zeros(self.x.size)
        seed = _like(v, self.output)
        (g,) = engine.grad(
            self.output, [self.args[self.i]], seed, retain_graph=True, allow_unused=True
        )
        return np.zeros(self.x.size) if g is None else _reals(g)

    def tangent(self, u: Array) -> Array:
        """J u by forward mode; u (n,), J u (m,)."""
        args, x = [*self.args], self.args[self.i].detach()
        with dual_level(), enable_grad():
            args[self.i] = make_dual(x, _like(u, x))
            found = unpack_dual(_outputs(self.func, args)[self.k]).tangent
        return _reals(_core.zeros_like(self.output) if found is None else found)

    def backward_fault(
        self, draw: np.random.Generator | None, atol: float, rtol: float, nondet_tol: float
    ) -> str | None:
        """What is wrong, or None."""
        us, vs = self._directions(draw)
        if not us.size or not vs.size:
            return None
        rows = np.stack([self.backward(v) for v in vs])
        if (spread := np.abs(rows[-1] - self.backward(vs[-1])).max()) > nondet_tol:
            return (
                f"two backward passes for {self.pair} differ by {spread:.3g}; allow it: nondet_tol"
            )
        return self._difference("backward", rows @ us.T, us, vs, atol, rtol)

    def forward_fault(
        self, draw: np.random.Generator | None, atol: float, rtol: float
    ) -> str | None:
        """What is wrong with the tangents, or None."""
        us, vs = self._directions(draw)
        if not us.size or not vs.size:
            return None
        analytic = vs @ np.stack([self.tangent(u) for u in us], axis=1)
        return self._difference("forward mode", analytic, us, vs, atol, rtol)

    def _directions(self, draw: np.random.Generator | None) -> tuple[Array, Array]:
        """The u and v: all units, or one random one of each."""
        n, m = self.x.size, self.output.numel() * (2 if self.output.is_complex() else 1)
        if draw is None:
            return np.eye(n), np.eye(m)
        return draw.standard_normal((1, n)), draw.standard_normal((1, m))

    def _difference(
        self, way: str, analytic: Array, us: Array, vs: Array, atol: float, rtol: float
    ) -> str | None:
        numeric = vs @ np.stack([self.forward(u) for u in us], axis=1)
        bad = ~np.isclose(analytic, numeric, rtol, atol, equal_nan=True)
        if not bad.any():
            return None
        at = tuple(int(j) for j in np.argwhere(bad)[0])
        return (
            f"the derivative of {self.pair} is {analytic[at]:.8g} by {way} and {numeric[at]:.8g} "
            f"by differences at {at}, one of {bad.sum()} in {bad.shape}; mend the derivative, or "
            "move off a kink"
        )


def gradgradcheck(
    func: Function,
    inputs: TensorOrTensors,
    grad_outputs: TensorOrTensors | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """gradcheck of (x, g) -> J(x)^T g, the second derivative; g is `grad_outputs`, or random.

    gen_non_contig_grad_outputs: the random g are strided. check_rev_over_rev and check_fwd_over_rev
    are gradcheck's check_backward_ad and check_forward_ad. Raises as gradcheck does.
    """
    if not check_fwd_over_rev and not check_rev_over_rev:
        raise AssertionError(
            "[gradgradcheck] check_rev_over_rev=False leaves nothing to check; drop it"
        )
    truths(check_batched_grad, check_undefined_grad, masked)
    args: list[Any] = [*inputs] if isinstance(inputs, (list, tuple)) else [inputs]
    count = len(args)
    with no_grad():
        outputs = _outputs(func, args)
    places = _places(args)
    if grad_outputs is None:
        draw = np.random.default_rng(0)
        seeds = [_like(draw.standard_normal(_reals(out).size), out) for out in outputs]
        if gen_non_contig_grad_outputs:
            seeds = [_core.stack([g, g], -1)[..., 0] for g in seeds]
        seeds = [g.requires_grad_(g.is_floating_point() or g.is_complex()) for g in seeds]
    else:
        given = grad_outputs if isinstance(grad_outputs, (list, tuple)) else [grad_outputs]
        seeds = [the_tensor("gradgradcheck", g, "grad_outputs") for g in given]

    def first(*everything: Any) -> tuple[Tensor, ...]:
        xs, gs = everything[:count], everything[count:]
        wanted = [xs[i] for i in places]
        found = engine.grad(
            _outputs(func, [*xs]), wanted, gs, create_graph=True, materialize_grads=True
        )
        return tuple(found)

    return gradcheck(
        first,
        [*args, *seeds],
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
    )
