"""Comparisons and finite differences that the tests share, independent of the package's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import backprop_ext as bx
from backprop_ext._bits import as_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Array = np.ndarray[Any, Any]

STEP = 1e-6


def tensors(result: Any) -> list[bx.Tensor]:
    """What an operation returned, as a list."""
    return [result] if isinstance(result, bx.Tensor) else list(result)


def arrays(result: Any) -> list[Array]:
    """The same as NumPy arrays, bfloat16 as float32."""
    return [as_values(t) for t in tensors(result)]


def rounded_to_bfloat16(x: Array) -> Array:
    """float32 rounded to 8 digits, ties to even, by integer arithmetic."""
    x = x.astype(np.float32)
    bits = x.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16
    return np.where(np.isnan(x), x, rounded.astype(np.uint32).view(np.float32))


def assert_same(actual: Array, expected: Array, rtol: float, atol: float = 0.0) -> None:
    """Equal shapes and types; equal NaNs and infinities; the rest within the tolerances."""
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol, equal_nan=True)


def assert_bitwise(actual: Array, expected: Array) -> None:
    """The same bytes, so that 0 and -0 and two NaNs are told apart."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert np.ascontiguousarray(actual).tobytes() == np.ascontiguousarray(expected).tobytes()


class WrongDerivativeError(AssertionError):
    """A derivative from backward differs from the finite difference."""


class DirectionCheck:
    """Derivatives of `function` along random directions against central differences in float64.

    `inputs` are float64 arrays; the function takes one tensor for each and returns one or several.
    The first derivative: L(x) = sum_k <v_k, f_k(x)>, and dL along u is <grad L, u>.
    The second: G(x, v) = <grad L(x, v), w>, and its slope along (u, u') in x and v.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        inputs: Sequence[Array],
        *,
        seed: int = 0,
        rtol: float = 1e-5,
        atol: float = 1e-7,
    ) -> None:
        self.function, self.inputs = function, [np.array(x, np.float64) for x in inputs]
        self.draw = np.random.default_rng(seed)
        self.rtol, self.atol = rtol, atol
        self.weights = [self._like(y) for y in arrays(function(*self._leaves(self.inputs)))]

    def _like(self, x: Array) -> Array:
        return self.draw.standard_normal(x.shape)

    @staticmethod
    def _leaves(values: Sequence[Array]) -> list[bx.Tensor]:
        return [bx.tensor(x, requires_grad=True) for x in values]

    def _value(self, values: Sequence[Array]) -> float:
        outputs = arrays(self.function(*self._leaves(values)))
        return float(sum(np.sum(v * y) for v, y in zip(self.weights, outputs, strict=True)))

    def _gradients(
        self, leaves: Sequence[bx.Tensor], seeds: Sequence[bx.Tensor], create_graph: bool
    ) -> list[bx.Tensor]:
        outputs = tensors(self.function(*leaves))
        recorded = [(y, v) for y, v in zip(outputs, seeds, strict=True) if y.requires_grad]
        found = bx.autograd.grad(
            [y for y, _ in recorded],
            list(leaves),
            [v for _, v in recorded],
            create_graph=create_graph,
            materialize_grads=True,
        )
        for g, x in zip(found, leaves, strict=True):
            assert g.shape == x.shape
            assert g.dtype == x.dtype
        return list(found)

    def _compare(self, order: str, analytic: float, numeric: float, size: float) -> None:
        if not abs(analytic - numeric) <= self.atol + self.rtol * max(abs(numeric), size):
            raise WrongDerivativeError(
                f"{order} derivative: {analytic} by backward, {numeric} expected"
            )

    def first(self) -> None:
        """Checks the gradient along each input alone and along all of them together."""
        seeds = [bx.tensor(v) for v in self.weights]
        found = arrays(self._gradients(self._leaves(self.inputs), seeds, False))
        directions = [self._like(x) for x in self.inputs]
        subsets = [[i] for i in range(len(self.inputs))] + [list(range(len(self.inputs)))]
        for subset in subsets:
            u = [d if i in subset else 0 * d for i, d in enumerate(directions)]
            plus = self._value([x + STEP * d for x, d in zip(self.inputs, u, strict=True)])
            minus = self._value([x - STEP * d for x, d in zip(self.inputs, u, strict=True)])
            terms = [g * d for g, d in zip(found, u, strict=True)]
            size = 1e-2 * sum(float(np.abs(t).sum()) for t in terms)
            total = sum(float(t.sum()) for t in terms)
            self._compare("first", total, (plus - minus) / (2 * STEP), size)

    def second(self) -> None:
        """Checks the gradient of the gradient, to the inputs and to the seeds."""
        point = [*self.inputs, *self.weights]
        count = len(self.inputs)
        tests = [self._like(x) for x in self.inputs]

        def first_gradients(values: Sequence[Array]) -> float:
            seeds = [bx.tensor(v) for v in values[count:]]
            found = arrays(self._gradients(self._leaves(values[:count]), seeds, False))
            return float(sum(np.sum(w * g) for w, g in zip(tests, found, strict=True)))

        leaves = self._leaves(point)
        found = self._gradients(leaves[:count], leaves[count:], True)
        total = sum(((g * bx.tensor(w)).sum() for g, w in zip(found, tests, strict=True)))
        assert isinstance(total, bx.Tensor)
        slopes = [np.zeros(x.shape) for x in point]  # of gradients that depend on nothing
        if total.requires_grad:
            slopes = arrays(bx.autograd.grad(total, leaves, materialize_grads=True))
        for part in (range(count), range(count, len(point))):
            u = [self._like(x) if i in part else np.zeros(x.shape) for i, x in enumerate(point)]
            plus = first_gradients([x + STEP * d for x, d in zip(point, u, strict=True)])
            minus = first_gradients([x - STEP * d for x, d in zip(point, u, strict=True)])
            terms = [s * d for s, d in zip(slopes, u, strict=True)]
            size = 1e-2 * sum(float(np.abs(t).sum()) for t in terms)
            analytic = sum(float(t.sum()) for t in terms)
            self._compare("second", analytic, (plus - minus) / (2 * STEP), size)
