"""The workloads in PyTorch's names, written once: `m` is torch or backprop_ext."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

import numpy as np
from measure import Answer
from problems import SCALAR_RATE, SCALAR_X, SCALAR_Y, Net, elementwise_inputs

Module = Any
Tensor = Any
# What becomes of a step before it runs: nothing, or it is captured.
Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


class ScalarStep:
    """`loss = (x w - y)^2` with a NumPy scalar x and the update written out, as beginners do."""

    def __init__(self, m: Module, _: Wrap) -> None:
        self._w = m.tensor([1.0], requires_grad=True)
        self._samples = cycle(zip(SCALAR_X, SCALAR_Y, strict=True))
        self._loss: Tensor = None

    def run(self, steps: int) -> None:
        w = self._w
        for x, y in islice(self._samples, steps):
            loss = (x * w - y) ** 2
            loss.backward()
            w.data -= SCALAR_RATE * w.grad.data
            w.grad.data.zero_()
        self._loss = loss

    def answer(self) -> Answer:
        return {"weight": _numpy(self._w), "loss": _numpy(self._loss)}


class MlpStep:
    """`zero_grad`, forward, loss, `backward`, `step` of an `nn.Sequential`."""

    def __init__(self, m: Module, wrap: Wrap, net: Net) -> None:
        activation = {"tanh": m.nn.Tanh, "relu": m.nn.ReLU}[net.activation]
        layers: list[Any] = []
        for weight, bias in net.start():
            linear = m.nn.Linear(weight.shape[1], weight.shape[0])
            linear.load_state_dict({"weight": m.tensor(weight), "bias": m.tensor(bias)})
            layers += [linear, activation()]
        self._linears = layers[::2]
        self._start = net.start()
        self._model = m.nn.Sequential(*layers[:-1])
        self._criterion = m.nn.MSELoss() if net.loss == "mse" else m.nn.CrossEntropyLoss()
        self._optimizer = m.optim.SGD(self._model.parameters(), lr=net.rate)
        inputs, targets = net.data()
        self._x, self._y = m.tensor(inputs), m.tensor(targets)
        self._loss: Tensor = None
        model, criterion, optimizer = self._model, self._criterion, self._optimizer

        def step(x: Tensor, y: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        self._step = wrap(step)

    def run(self, steps: int) -> None:
        step, x, y = self._step, self._x, self._y
        for _ in range(steps):
            loss = step(x, y)
        self._loss = loss

    def answer(self) -> Answer:
        changes = {"loss": _numpy(self._loss)}
        for i, (linear, (weight, bias)) in enumerate(zip(self._linears, self._start, strict=True)):
            changes[f"change of weight {i}"] = _numpy(linear.weight) - weight
            changes[f"change of bias {i}"] = _numpy(linear.bias) - bias
        return changes


def gelu_chain(x: Tensor) -> Tensor:
    """GELU by its tanh formula, spelled out in nine ops."""
    return 0.5 * x * (1.0 + (0.7978845608 * (x + 0.044715 * x * x * x)).tanh())


FAMILIES: dict[str, Callable[..., Tensor]] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "tanh": lambda x: x.tanh(),
    "exp": lambda x: x.exp(),
    "sigmoid": lambda x: x.sigmoid(),
    "relu": lambda x: x.relu(),
    "gelu chain": gelu_chain,
}


class Elementwise:
    """`f(x).sum().backward()` into fresh gradients."""

    def __init__(self, m: Module, wrap: Wrap, family: str, size: int) -> None:
        self._leaves = [
            m.tensor(values, requires_grad=True) for values in elementwise_inputs(family, size)
        ]
        self._loss: Tensor = None
        function, leaves = FAMILIES[family], self._leaves

        def step() -> Tensor:
            for leaf in leaves:
                leaf.grad = None
            loss = function(*leaves).sum()
            loss.backward()
            return loss

        self._step = wrap(step)

    def run(self, steps: int) -> None:
        step = self._step
        for _ in range(steps):
            loss = step()
        self._loss = loss

    def answer(self) -> Answer:
        gradients = {f"gradient {i}": _numpy(leaf.grad) for i, leaf in enumerate(self._leaves)}
        return {"loss": _numpy(self._loss)} | gradients


class Multiply:
    """`w * b` of one-element tensors, recorded for backward: the cost of an op and nothing else."""

    def __init__(self, m: Module, _: Wrap) -> None:
        self._w = m.tensor([1.5], requires_grad=True)
        self._b = m.tensor([2.0])
        self._product: Tensor = None

    def run(self, steps: int) -> None:
        w, b = self._w, self._b
        for _ in range(steps):
            product = w * b
        self._product = product

    def answer(self) -> Answer:
        return {"product": _numpy(self._product)}


def _numpy(tensor: Tensor) -> np.ndarray[Any, Any]:
    return np.array(tensor.detach().numpy())
