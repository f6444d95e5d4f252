"""The workloads in NumPy with the derivatives written out. In float64 they are the reference."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

import numpy as np
from measure import Answer, Values, changes
from problems import (
    SCALAR_RATE,
    SCALAR_X,
    SCALAR_Y,
    Net,
    Optimizer,
    chain_input,
    elementwise_inputs,
)

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


def _update(rule: Optimizer, parameter: Values) -> Callable[[Values], None]:
    """The update in place by plain SGD, or by Adam with PyTorch's defaults."""
    if rule.kind == "sgd":
        rate = parameter.dtype.type(rule.rate)

        def sgd(gradient: Values) -> None:
            np.subtract(parameter, rate * gradient, out=parameter)

        return sgd
    mean, square, step = np.zeros_like(parameter), np.zeros_like(parameter), 0

    def adam(gradient: Values) -> None:
        nonlocal mean, square, step
        step += 1
        mean += 0.1 * (gradient - mean)
        square *= 0.999
        square += 0.001 * gradient * gradient
        root = np.sqrt(square)
        root /= float(np.sqrt(1 - 0.999**step))
        root += 1e-8
        mean_step = mean / root
        mean_step *= rule.rate / (1 - 0.9**step)
        np.subtract(parameter, mean_step, out=parameter)

    return adam


class MlpStep:
    """A net's step: `dW = delta^T a`, `db = sum(delta)`, `delta' = (delta W) * activation'`."""

    def __init__(self, net: Net, dtype: Float) -> None:
        self._net = net
        self._start = net.start()
        self._now: dict[str, Values] = {n: v.astype(dtype) for n, v in self._start.items()}
        parameters = list(self._now.values())
        self._weights, self._biases = parameters[::2], parameters[1::2]
        self._updates = [_update(net.optimizer, parameter) for parameter in parameters]
        inputs, self._y = net.data()
        self._x: Values = inputs.astype(dtype)
        self._rows = np.arange(net.batch)
        self._loss: float = 0.0

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self._step()

    def answer(self) -> Answer:
        return changes(np.array(self._loss), self._start, self._now)

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
            self._updates[2 * i](weight_grad)
            self._updates[2 * i + 1](bias_grad)

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


def _chain(x: Values) -> tuple[Any, ...]:
    centred = x - x.mean(axis=1, keepdims=True)
    slope = 1 / (1 + np.exp(-centred))
    softplus, t = np.logaddexp(x.dtype.type(0), centred), np.tanh(x)
    y = softplus * t
    gate = 1 / (1 + np.exp(-y))
    means = (y * gate).mean(axis=1, keepdims=True)
    dy = (2 / x.shape[1]) * means * (gate * (1 + y * (1 - gate)))
    d_centred = dy * t * slope
    d_centred -= d_centred.mean(axis=1, keepdims=True)
    return (means * means).sum(), dy * softplus * (1 - t * t) + d_centred


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


class Chain(Elementwise):
    """A mean of each row, five ops, a mean of each row, and back."""

    def __init__(self, size: int, dtype: Float) -> None:
        self._function = _chain
        self._inputs = [chain_input(size).astype(dtype)]
        self._result = ()


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
