"""What an estimator is made of: its network, its optimizer, its loss with weights."""

from __future__ import annotations

from copy import copy, deepcopy
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .. import optim
from .._choice import choose
from ..nn.modules.activation import ELU, GELU, SELU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from ..nn.modules.container import Sequential
from ..nn.modules.dropout import Dropout
from ..nn.modules.linear import Identity, Linear
from ..nn.modules.module import Module

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._core import Tensor

__all__ = ["ACTIVATIONS", "OPTIMIZERS", "Weighted", "make_module", "make_optimizer", "perceptron"]

ACTIVATIONS: dict[str, Callable[[], Module]] = {
    "elu": ELU,
    "gelu": GELU,
    "identity": Identity,
    "logistic": Sigmoid,
    "relu": ReLU,
    "selu": SELU,
    "silu": SiLU,
    "softplus": Softplus,
    "tanh": Tanh,
}
OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "adadelta": optim.Adadelta,
    "adagrad": optim.Adagrad,
    "adam": optim.Adam,
    "adamax": optim.Adamax,
    "adamw": optim.AdamW,
    "lbfgs": optim.LBFGS,
    "nadam": optim.NAdam,
    "radam": optim.RAdam,
    "rmsprop": optim.RMSprop,
    "sgd": optim.SGD,
}


def perceptron(
    n_inputs: int, n_outputs: int, hidden: Sequence[int], activation: str, dropout: float
) -> Module:
    """Linear, activation and dropout for each hidden layer, then Linear."""
    sizes, make = [n_inputs, *hidden], choose("fit", "activation", activation, ACTIVATIONS)
    layers: list[Module] = []
    for before, after in pairwise(sizes):
        layers += [Linear(before, after), make()]
        if dropout:
            layers.append(Dropout(dropout))
    layers.append(Linear(sizes[-1], n_outputs))
    return Sequential(*layers)


def make_module(given: Any, n_inputs: int, n_outputs: int) -> Module:
    """A copy of a module, or what given(n_inputs, n_outputs) makes. Raises TypeError otherwise."""
    if isinstance(given, Module):
        return deepcopy(given)
    if not callable(given):
        raise TypeError(
            f"[fit] module is a {type(given).__name__}; pass an nn.Module, or a function of the "
            "numbers of features and outputs that makes one"
        )
    module = given(n_inputs, n_outputs)
    if not isinstance(module, Module):
        raise TypeError(f"[fit] module made a {type(module).__name__}; return an nn.Module")
    return module


def make_optimizer(
    given: Any, module: Module, learning_rate: float, settings: dict[str, Any] | None
) -> optim.Optimizer:
    """given(parameters, lr=learning_rate, **settings), given being a name, class or function."""
    make: Any = choose("fit", "optimizer", given, OPTIMIZERS) if isinstance(given, str) else given
    if not callable(make):
        raise TypeError(
            f"[fit] optimizer is a {type(given).__name__}; pass a name, or a class of "
            "backprop_ext.optim"
        )
    optimizer = make(module.parameters(), lr=learning_rate, **(settings or {}))
    if not isinstance(optimizer, optim.Optimizer):
        raise TypeError(f"[fit] optimizer made a {type(optimizer).__name__}; return an optimizer")
    return optimizer


class Weighted:
    """The loss itself, and with weights sum_i w_i l_i / sum_i w_i of the losses of each sample.

    l_i is the mean over the outputs of a sample, by a copy of `loss` with reduction="none". A
    function (output, target) -> scalar has no such copy: ValueError.
    """

    def __init__(self, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.loss = loss
        self.by_sample = None
        if isinstance(loss, Module) and hasattr(loss, "reduction"):
            self.by_sample = copy(loss)
            self.by_sample.reduction = "none"

    def __call__(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        if weight is None:
            return self.loss(output, target)
        if self.by_sample is None:
            raise ValueError(
                "[fit] the loss has no reduction, so that samples cannot be weighted; pass a loss "
                "of backprop_ext.nn, or no sample_weight and class_weight"
            )
        losses: Tensor = self.by_sample(output, target)
        if losses.ndim > 1:
            losses = losses.flatten(1).mean(1)
        return (losses * weight).sum() / weight.sum()
