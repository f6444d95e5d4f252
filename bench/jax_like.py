"""The workloads as a JAX user writes them: a whole step is one jitted function of its arrays.

`jax` is handed in, because it may be absent. A kernel is kept as JAX's libraries keep it: (in, out)
of a linear layer and (height, width, in, out) of a convolution.
"""

from __future__ import annotations

from collections.abc import Callable
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
    Start,
    chain_input,
)

Jax = Any
Array = Any
Tree = dict[str, Array]
Forward = Callable[[Jax, Any, Tree, Array], Array]


class ScalarStep:
    """`loss = (x w - y)^2`, its gradient and the update in one function."""

    def __init__(self, jax: Jax) -> None:
        def loss_of(w: Array, x: Array, y: Array) -> Array:
            return ((x * w - y) ** 2).sum()

        def step(w: Array, x: Array, y: Array) -> tuple[Array, Array]:
            loss, gradient = jax.value_and_grad(loss_of)(w, x, y)
            return w - SCALAR_RATE * gradient, loss

        self._step = jax.jit(step)
        self._w = jax.numpy.ones(1)
        arrays = ([jax.numpy.float32(value) for value in values] for values in (SCALAR_X, SCALAR_Y))
        self._samples = cycle(zip(*arrays, strict=True))
        self._loss: Array = None

    def run(self, steps: int) -> None:
        step, w = self._step, self._w
        for x, y in islice(self._samples, steps):
            w, loss = step(w, x, y)
        self._w, self._loss = w, loss.block_until_ready()

    def answer(self) -> Answer:
        return {"weight": np.asarray(self._w), "loss": np.asarray(self._loss).reshape(1)}


class Training:
    """Forward, loss, gradients and update in one function; what it replaces is donated."""

    def __init__(self, jax: Jax, problem: Problem, forward: Forward) -> None:
        self._start = problem.start()
        self._batch = [jax.numpy.asarray(values) for values in problem.data()]
        loss_kind = _mse if problem.loss == "mse" else _cross_entropy
        begin, update = _rule(problem.optimizer)

        def loss_of(params: Tree, x: Array, y: Array) -> Array:
            return loss_kind(jax, forward(jax, problem, params, x), y)

        def step(params: Tree, state: Any, x: Array, y: Array) -> tuple[Tree, Any, Array]:
            loss, gradients = jax.value_and_grad(loss_of)(params, x, y)
            params, state = update(jax, problem.optimizer, params, gradients, state)
            return params, state, loss

        self._step = jax.jit(step, donate_argnums=(0, 1))
        self._params = {name: jax.numpy.array(v) for name, v in _kernels(self._start).items()}
        self._state = begin(jax, self._params)
        self._loss: Array = None

    def run(self, steps: int) -> None:
        step, (x, y) = self._step, self._batch
        params, state = self._params, self._state
        for _ in range(steps):
            params, state, loss = step(params, state, x, y)
        self._params, self._state, self._loss = params, state, loss.block_until_ready()

    def answer(self) -> Answer:
        now = {name: np.asarray(values) for name, values in self._params.items()}
        return changes(np.asarray(self._loss), self._start, _kernels(now, back=True))


def mlp(jax: Jax, net: Net, params: Tree, x: Array) -> Array:
    """A fully connected net."""
    activation = {"tanh": jax.numpy.tanh, "relu": jax.nn.relu}[net.activation]
    last = len(net.widths) - 2
    for layer in range(last + 1):
        x = linear(params, str(2 * layer), x)
        if layer < last:
            x = activation(x)
    return x


def linear(params: Tree, name: str, x: Array) -> Array:
    """`x W + b`."""
    return x @ params[f"{name}.weight"] + params[f"{name}.bias"]


class Chain:
    """A mean of each row, five ops, a mean of each row, and back, one function."""

    def __init__(self, jax: Jax, size: int) -> None:
        def chain(x: Array) -> Array:
            centred = x - x.mean(axis=1, keepdims=True)
            y = jax.nn.silu(jax.nn.softplus(centred) * jax.numpy.tanh(x))
            return (y.mean(axis=1) ** 2).sum()

        self._x = jax.numpy.asarray(chain_input(size))
        self._step = jax.jit(jax.value_and_grad(chain))
        self._result: tuple[Array, Array] = (None, None)

    def run(self, steps: int) -> None:
        step, x = self._step, self._x
        for _ in range(steps):
            loss, gradient = step(x)
        self._result = loss.block_until_ready(), gradient

    def answer(self) -> Answer:
        loss, gradient = self._result
        return {"loss": np.asarray(loss), "gradient 0": np.asarray(gradient)}


def _mse(jax: Jax, out: Array, y: Array) -> Array:
    return ((out - y) ** 2).mean()


def _cross_entropy(jax: Jax, logits: Array, labels: Array) -> Array:
    logs = jax.nn.log_softmax(logits)
    return -jax.numpy.take_along_axis(logs, labels[:, None], axis=1).mean()


def _no_state(jax: Jax, params: Tree) -> tuple[()]:
    return ()


def _zeros(jax: Jax, params: Tree) -> Any:
    return jax.tree.map(jax.numpy.zeros_like, params)


def _sgd(jax: Jax, rule: Optimizer, params: Tree, gradients: Tree, state: Any) -> tuple[Tree, Any]:
    if rule.momentum:
        gradients = state = jax.tree.map(lambda s, g: rule.momentum * s + g, state, gradients)
    return jax.tree.map(lambda p, g: p - rule.rate * g, params, gradients), state


def _adam_state(jax: Jax, params: Tree) -> Any:
    return jax.numpy.zeros((), "int32"), _zeros(jax, params), _zeros(jax, params)


def _adam(jax: Jax, rule: Optimizer, params: Tree, gradients: Tree, state: Any) -> tuple[Tree, Any]:
    """Adam with PyTorch's defaults; `decay` is AdamW's."""
    step, mean, square = state
    step = step + 1
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradients)
    square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, gradients)
    rate, root = rule.rate / (1 - 0.9**step), jax.numpy.sqrt(1 - 0.999**step)

    def change(p: Array, m: Array, v: Array) -> Array:
        return p - rule.rate * rule.decay * p - rate * m / (jax.numpy.sqrt(v) / root + 1e-8)

    return jax.tree.map(change, params, mean, square), (step, mean, square)


def _rule(rule: Optimizer) -> tuple[Callable[[Jax, Tree], Any], Callable[..., tuple[Tree, Any]]]:
    """How the state begins, and the update."""
    if rule.kind == "sgd":
        return _zeros if rule.momentum else _no_state, _sgd
    return _adam_state, _adam


def _kernels(values: Start, back: bool = False) -> Start:
    """PyTorch's weights as JAX's kernels, or back; tables are the same in both."""
    axes = (3, 2, 0, 1) if back else (2, 3, 1, 0)

    def turned(name: str, value: Any) -> Any:
        if "tokens" in name or "positions" in name or value.ndim < 2:
            return value
        return value.T if value.ndim == 2 else value.transpose(axes)

    return {name: turned(name, value) for name, value in values.items()}
