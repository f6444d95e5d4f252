"""PyTorch's functorch of old: what torch.func has, and modules as functions of their state.

Source: PyTorch's functorch.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from . import _core
from .func import *  # noqa: F403
from .func import functional_call
from .nn.modules.module import Module

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._core import Tensor


class FunctionalModuleWithBuffers(Module):
    """f(parameters, buffers, *args): a module with state that is given in each call."""

    def __init__(self, model: Module) -> None:
        super().__init__()
        self.stateless_model = model
        self.param_names = tuple(name for name, _ in model.named_parameters())
        self.buffer_names = tuple(name for name, _ in model.named_buffers())

    def forward(
        self, params: Iterable[Tensor], buffers: Iterable[Tensor], *args: Any, **kwargs: Any
    ) -> Any:
        """The module's result, with this state."""
        names = (*self.param_names, *self.buffer_names)
        state = dict(zip(names, (*params, *buffers), strict=True))
        return functional_call(self.stateless_model, state, args, kwargs)


class FunctionalModule(FunctionalModuleWithBuffers):
    """f(parameters, *args)."""

    def forward(self, params: Iterable[Tensor], *args: Any, **kwargs: Any) -> Any:
        """The module's result, with these parameters."""
        return super().forward(params, (), *args, **kwargs)


def make_functional_with_buffers(
    model: Module, disable_autograd_tracking: bool = False
) -> tuple[FunctionalModuleWithBuffers, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """(f, parameters, buffers) of a copy of the module: f(parameters, buffers, *args)."""
    copied = deepcopy(model)
    params = tuple(
        p.requires_grad_(not disable_autograd_tracking and p.requires_grad)
        for p in copied.parameters()
    )
    return FunctionalModuleWithBuffers(copied), params, tuple(copied.buffers())


def make_functional(
    model: Module, disable_autograd_tracking: bool = False
) -> tuple[FunctionalModule, tuple[Tensor, ...]]:
    """(f, parameters) of a copy of a module without buffers: f(parameters, *args).

    RuntimeError where there are buffers.
    """
    if any(True for _ in model.buffers()):
        raise RuntimeError(
            "[make_functional] the module has buffers; use make_functional_with_buffers"
        )
    made, params, _ = make_functional_with_buffers(model, disable_autograd_tracking)
    return FunctionalModule(made.stateless_model), params


def combine_state_for_ensemble(
    models: Sequence[Module],
) -> tuple[FunctionalModuleWithBuffers, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """make_functional_with_buffers of modules of one kind, their states stacked: for vmap over it.

    RuntimeError for no modules, or of different classes or modes.
    """
    if not models or len({(type(m), m.training) for m in models}) != 1:
        raise RuntimeError(
            "[combine_state_for_ensemble] the modules are of different classes or modes, or none; "
            "pass several of one kind"
        )
    made, params, buffers = zip(*(make_functional_with_buffers(m) for m in models), strict=True)
    stacked = [
        tuple(_core.stack(part).detach() for part in zip(*each, strict=True))
        for each in (params, buffers)
    ]
    return made[0], stacked[0], stacked[1]
