"""The workloads in NumPy with the derivatives written out. In float64 they are the reference."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

import numpy as np
from measure import Answer
from problems import SCALAR_RATE, SCALAR_X, SCALAR_Y, Net, elementwise_inputs

Values = np.ndarray[Any, Any]
Float = type[np.float32] | type[np.float64]


class ScalarStep:
    """`loss = (x w - y)^2`,  dw = 2 (x w - y) x."""

    def __init__(self, dtype: Float) -> None:
        self._w: Any = dtype(1.0)
        self._rate: Any = dtype(SCALAR_RATE)
        samples = zip(SCALAR_X.astype(dtype), SCALAR_Y.astype(dtype), strict=True)
        self._samples = cycle(samples)
        self._loss: Any = dtype(0.0)

    def run(self, steps: int) -> None:
        w, rate = self._w, self._rate
        for x, y in islice(self._samples, steps):
            error = x * w - y
            loss = error * error
            w -= rate * (2 * error * x)
        self._w, self._loss = w, loss

    def answer(self) -> Answer:
        return {"weight": np.array([self._w]), "loss": np.array([self._loss])}


class MlpStep:
    """A net's step: `dW = delta^T a`, `db = sum(delta)`, `delta' = (delta W) * activation'`."""

    def __init__(self, net: Net, dtype: Float) -> None:
        self._net = net
        self._start = net.start()
        self._weights: list[Values] = [weight.astype(dtype) for weight, _ in self._start]
        self._biases: list[Values] = [bias.astype(dtype) for _, bias in self._start]
        self._rate = dtype(net.rate)
        inputs, self._y = net.data()
        self._x: Values = inputs.astype(dtype)
        self._rows = np.arange(net.batch)
        self._loss: float = 0.0

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self._step()

    def answer(self) -> Answer:
        changes: Answer = {"loss": np.array(self._loss)}
        for i, (weight, bias) in enumerate(self._start):
            changes[f"change of weight {i}"] = self._weights[i] - weight
            changes[f"change of bias {i}"] = self._biases[i] - bias
        return changes

    def _step(self) -> None:
        tanh, last = self._net.activation == "tanh", len(self._weights) - 1
        outs: list[Values] = [self._x]
        for i, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            z = outs[-1] @ weight.T
            z += bias
            if i < last:
                np.tanh(z, out=z) if tanh else np.maximum(z, 0, out=z)
            outs.append(z)
        delta = self._mse(outs[-1]) if self._net.loss == "mse" else self._cross_entropy(outs[-1])
        for i in range(last, -1, -1):
            weight_grad, bias_grad = delta.T @ outs[i], delta.sum(axis=0)
            if i:
                out = outs[i]
                delta = delta @ self._weights[i]
                delta *= 1 - out * out if tanh else out > 0
            self._weights[i] -= self._rate * weight_grad
            self._biases[i] -= self._rate * bias_grad

    def _mse(self, z: Values) -> Values:
        error = z - self._y
        self._loss = np.mean(error * error)
        error *= 2 / error.size
        return error

    def _cross_entropy(self, z: Values) -> Values:
        z = z - z.max(axis=1, keepdims=True)
        p = np.exp(z)
        total = p.sum(axis=1, keepdims=True)
        self._loss = np.mean(np.log(total[:, 0]) - z[self._rows, self._y])
        p /= total
        p[self._rows, self._y] -= 1
        p /= len(p)
        return p


def _add(a: Values, b: Values) -> tuple[Any, ...]:
    return (a + b).sum(), np.ones_like(a), np.ones_like(b)


def _mul(a: Values, b: Values) -> tuple[Any, ...]:
    return (a * b).sum(), b.copy(), a.copy()


def _tanh(x: Values) -> tuple[Any, ...]:
    y = np.tanh(x)
    return y.sum(), 1 - y * y


def _exp(x: Values) -> tuple[Any, ...]:
    y = np.exp(x)
    return y.sum(), y


def _sigmoid(x: Values) -> tuple[Any, ...]:
    y = 1 / (1 + np.exp(-x))
    return y.sum(), y * (1 - y)


def _relu(x: Values) -> tuple[Any, ...]:
    return np.maximum(x, 0).sum(), (x > 0).astype(x.dtype)


def _gelu_chain(x: Values) -> tuple[Values, ...]:
    c, k = 0.7978845608, 0.044715
    t = np.tanh(c * (x + k * x * x * x))
    half = 0.5 * (1 + t)
    return (x * half).sum(), half + (0.5 * c) * x * (1 - t * t) * (1 + (3 * k) * x * x)


FAMILIES: dict[str, Callable[..., tuple[Values, ...]]] = {
    "add": _add,
    "mul": _mul,
    "tanh": _tanh,
    "exp": _exp,
    "sigmoid": _sigmoid,
    "relu": _relu,
    "gelu chain": _gelu_chain,
}


class Elementwise:
    """The sum of f(x) and its gradients."""

    def __init__(self, family: str, size: int, dtype: Float) -> None:
        self._function = FAMILIES[family]
        self._inputs = [values.astype(dtype) for values in elementwise_inputs(family, size)]
        self._result: tuple[Values, ...] = ()

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self._result = self._function(*self._inputs)

    def answer(self) -> Answer:
        loss, *gradients = self._result
        return {"loss": np.array(loss)} | {f"gradient {i}": g for i, g in enumerate(gradients)}


class Multiply:
    """`w * b` of one-element arrays."""

    def __init__(self, dtype: Float) -> None:
        self._w: Values = np.array([1.5], dtype)
        self._b: Values = np.array([2.0], dtype)
        self._product = self._w

    def run(self, steps: int) -> None:
        w, b = self._w, self._b
        for _ in range(steps):
            product = w * b
        self._product = product

    def answer(self) -> Answer:
        return {"product": self._product}
