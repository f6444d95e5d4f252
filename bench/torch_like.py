"""The workloads in PyTorch's names, written once: `m` is torch or backprop_ext."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np
from measure import Answer, changes
from problems import (
    SCALAR_RATE,
    SCALAR_X,
    SCALAR_Y,
    Net,
    Optimizer,
    Problem,
    chain_input,
    elementwise_inputs,
)

Module = Any
Tensor = Any
Function = Callable[..., Any]
Wrap = Callable[[Function], Function]


def as_it_is(function: Function) -> Function:
    """The function."""
    return function


@dataclass(frozen=True)
class How:
    """What becomes of a step before it runs: it is wrapped as a whole, or two parts of it are."""

    step: Wrap = as_it_is
    forward: Wrap = as_it_is
    update: Wrap = as_it_is


class ScalarStep:
    """`loss = (x w - y)^2` with the update written out, as beginners do.

    Eagerly x and y are NumPy scalars; of a step that is a function they are tensors.
    """

    def __init__(self, m: Module, how: How) -> None:
        self._w = w = m.tensor([1.0], requires_grad=True)
        samples = list(zip(SCALAR_X, SCALAR_Y, strict=True))
        self._loss: Tensor = None
        self._step: Function | None = None
        if how != How():
            forward = how.forward(lambda x, y: (x * w - y) ** 2)

            def step(x: Tensor, y: Tensor) -> Tensor:
                loss = forward(x, y)
                loss.backward()
                w.data -= SCALAR_RATE * w.grad.data
                w.grad.data.zero_()
                return loss

            self._step = how.step(step)
            samples = [(m.tensor([float(x)]), m.tensor([float(y)])) for x, y in samples]
        self._samples = cycle(samples)

    def run(self, steps: int) -> None:
        w, step = self._w, self._step
        if step is None:
            for x, y in islice(self._samples, steps):
                loss = (x * w - y) ** 2
                loss.backward()
                w.data -= SCALAR_RATE * w.grad.data
                w.grad.data.zero_()
        else:
            for x, y in islice(self._samples, steps):
                loss = step(x, y)
        self._loss = loss

    def answer(self) -> Answer:
        return {"weight": _numpy(self._w), "loss": _numpy(self._loss)}


class Training:
    """`zero_grad`, forward, loss, `backward`, `step`; in float64 it can be the reference."""

    def __init__(
        self,
        m: Module,
        how: How,
        build: Callable[[Module, Any], Any],
        problem: Problem,
        double: bool = False,
    ) -> None:
        self._start = problem.start()
        self._model = model = build(m, problem)
        if double:
            model.double()
        model.load_state_dict({name: m.tensor(values) for name, values in self._start.items()})
        criterion = m.nn.MSELoss() if problem.loss == "mse" else m.nn.CrossEntropyLoss()
        optimizer = _optimizer(m, problem.optimizer, model.parameters())
        self._batch = [
            m.tensor(values.astype(np.float64) if double and values.dtype.kind == "f" else values)
            for values in problem.data()
        ]
        self._loss: Tensor = None

        forward = how.forward(lambda x, y: criterion(model(x), y))
        update = how.update(optimizer.step)

        def step(x: Tensor, y: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = forward(x, y)
            loss.backward()
            update()
            return loss

        self._step = how.step(step)

    def run(self, steps: int) -> None:
        step, (x, y) = self._step, self._batch
        for _ in range(steps):
            loss = step(x, y)
        self._loss = loss

    def answer(self) -> Answer:
        now = {name: _numpy(values) for name, values in self._model.named_parameters()}
        return changes(_numpy(self._loss), self._start, now)


def mlp(m: Module, net: Net) -> Any:
    """The net as an `nn.Sequential`."""
    activation = {"tanh": m.nn.Tanh, "relu": m.nn.ReLU}[net.activation]
    layers: list[Any] = []
    for fan_in, out in zip(net.widths[:-1], net.widths[1:], strict=True):
        layers += [m.nn.Linear(fan_in, out), activation()]
    return m.nn.Sequential(*layers[:-1])


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

    def __init__(self, m: Module, how: How, family: str, size: int) -> None:
        function = FAMILIES[family]
        self._leaves, self._step = _gradients(
            m, how, lambda *leaves: function(*leaves).sum(), elementwise_inputs(family, size)
        )
        self._loss: Tensor = None

    def run(self, steps: int) -> None:
        step = self._step
        for _ in range(steps):
            loss = step()
        self._loss = loss

    def answer(self) -> Answer:
        gradients = {f"gradient {i}": _numpy(leaf.grad) for i, leaf in enumerate(self._leaves)}
        return {"loss": _numpy(self._loss)} | gradients


class Chain(Elementwise):
    """A mean of each row, five ops, a mean of each row, and back."""

    def __init__(self, m: Module, how: How, size: int) -> None:
        silu, softplus = m.nn.functional.silu, m.nn.functional.softplus

        def chain(x: Tensor) -> Tensor:
            centred = x - x.mean(dim=1, keepdim=True)
            y = silu(softplus(centred) * x.tanh())
            return (y.mean(dim=1) ** 2).sum()

        self._leaves, self._step = _gradients(m, how, chain, [chain_input(size)])
        self._loss = None


class Multiply:
    """`w * b` of one-element tensors, recorded for backward: the cost of an op and nothing else."""

    def __init__(self, m: Module, _: How) -> None:
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


def _gradients(
    m: Module, how: How, function: Function, inputs: list[Any]
) -> tuple[list[Tensor], Callable[[], Tensor]]:
    """The leaves, and a step that computes the function and their fresh gradients."""
    leaves = [m.tensor(values, requires_grad=True) for values in inputs]
    forward = how.forward(function)

    def step() -> Tensor:
        for leaf in leaves:
            leaf.grad = None
        loss = forward(*leaves)
        loss.backward()
        return loss

    return leaves, how.step(step)


def _optimizer(m: Module, rule: Optimizer, parameters: Any) -> Any:
    if rule.kind == "sgd":
        return m.optim.SGD(parameters, lr=rule.rate, momentum=rule.momentum)
    kind = {"adam": m.optim.Adam, "adamw": m.optim.AdamW}[rule.kind]
    return kind(parameters, lr=rule.rate, weight_decay=rule.decay)


def _numpy(tensor: Tensor) -> np.ndarray[Any, Any]:
    return np.array(tensor.detach().numpy())
