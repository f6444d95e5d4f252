"""Optimizers whose step is one compiled call per group, and the checks of their settings."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

from .._checks import is_number, the_bool
from .._core import Tensor, _recording, _update, _update_rules
from ..autograd.grad_mode import enable_grad
from .optimizer import Optimizer

if TYPE_CHECKING:
    from ..types import Closure
    from .optimizer import ParamsT

    Number = float | Tensor


class Compiled(Optimizer):
    """An optimizer whose rule is a row of cpp/formulas/update.h, found by the name in `_rule`.

    The settings are read from the groups at every step. `foreach` and `fused` change
    nothing: a group is always one compiled call.
    """

    _rule: ClassVar[str]
    _recordable = True  # but for the update itself, which reads its settings anew

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        check_modes(self._rule, defaults)
        super().__init__(params, defaults)

    def step(self, closure: Closure | None = None) -> Any:
        """Update each parameter with a gradient. `closure` computes the loss, which is returned.

        Raises RuntimeError, and changes nothing, for a gradient of another shape or dtype.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        rule = _update_rules[self._rule]
        for group in self.param_groups:
            if group.get("capturable"):
                refuse_to_be_captured(self._rule, group)
            _update(rule, group, self.state)
        return loss


def refuse_to_be_captured(op: str, group: dict[str, Any]) -> None:
    """AssertionError, as PyTorch's on the CPU, unless `torch.compile` has the step."""
    if not _recording() and any(p.grad is not None for p in group["params"]):
        raise AssertionError(
            f"[{op}] capturable=True is for CUDA graphs, the parameters are on the CPU; drop it"
        )


def check_modes(op: str, defaults: dict[str, Any]) -> None:
    """What PyTorch's switches of implementation may say, and a learning rate that is a tensor."""
    names = ("foreach", "fused", "capturable", "differentiable")
    foreach, fused, *_ = (bool(defaults.get(name)) for name in names)
    if the_bool(op, defaults.get("differentiable", False), "differentiable"):
        if fused:
            raise RuntimeError(f"[{op}] fused=True and differentiable=True; drop one of them")
        raise NotImplementedError(
            f"[{op}] differentiable=True was asked for, False is supported; write the update "
            "with tensors"
        )
    if defaults.get("weight_decay") is True and not defaults.get("decoupled_weight_decay"):
        raise RuntimeError(f"[{op}] weight_decay=True; pass a number")
    if foreach and fused:
        raise RuntimeError(f"[{op}] foreach=True and fused=True; drop one of them")
    if foreach and not defaults.get("capturable") and isinstance(defaults.get("lr"), Tensor):
        raise ValueError(f"[{op}] lr is a Tensor with foreach=True; pass a float, or drop foreach")


def at_least(op: str, least: float = 0.0, **settings: Number) -> None:
    """Raises ValueError for a setting below `least`, and for a tensor of several elements."""
    between(op, least, inf, **settings)


def between(op: str, least: float, most: float, **settings: Number) -> None:
    """ValueError for a setting outside of [least, most]; what is no number: see the_number."""
    for name, value in settings.items():
        if not isinstance(value, (float, int)):
            the_number(op, name, value)
        if not least <= float(value) <= most:
            limits = f"{least} or more" if most == inf else f"{least} to {most}"
            raise ValueError(f"[{op}] {name}={value}; pass {limits}")


def exact(op: str, **settings: Number) -> None:
    """TypeError for what the operations that PyTorch gives a setting to do not take."""
    for name, value in settings.items():
        if not is_number(value):
            raise TypeError(f"[{op}] {name}={value!r} is a {type(value).__name__}; pass a float")


def the_number(op: str, name: str, value: Any) -> None:
    """TypeError for what is no number; of a tensor that is none PyTorch's classes."""
    if not isinstance(value, Tensor):
        try:
            float(value * 1.0)  # a Decimal has no product with a float
        except TypeError:
            raise TypeError(
                f"[{op}] {name}={value!r} is a {type(value).__name__}; pass a number"
            ) from None
    elif value.is_complex() and name != "lr":
        raise NotImplementedError(f"[{op}] {name} is {value.dtype}; pass a real number")
    elif value.numel() != 1:
        raise (ValueError if name == "lr" else RuntimeError)(
            f"[{op}] {name} is a Tensor of {value.numel()} elements; a Tensor {name} must be "
            "1-element"
        )


def check_betas(op: str, betas: tuple[Number, Number], defaults: dict[str, Any]) -> None:
    """ValueError for a beta outside [0, 1), a tensor beside a float or a third one, IndexError for
    one alone, TypeError for a number."""
    if isinstance(betas, (int, float)):
        raise TypeError(f"[{op}] {betas=}; pass two, as (0.9, 0.999)")
    for index in (0, 1):
        if isinstance(betas, (tuple, list)) and len(betas) <= index:
            raise IndexError(f"[{op}] {betas=}; pass two, as (0.9, 0.999)")
        name, beta = f"betas[{index}]", betas[index]
        the_number(op, name, beta)
        if not 0.0 <= float(beta) < 1.0:
            raise ValueError(f"[{op}] {name}={beta}; pass 0 or more, below 1")
    tensors = [isinstance(beta, Tensor) for beta in betas]
    if len(tensors) != 2:
        raise ValueError(f"[{op}] betas={betas} are {len(tensors)}; pass two")
    if any(tensors) and not all(tensors):
        raise ValueError(f"[{op}] betas={betas}: a Tensor and a float; pass two of a kind")
    if any(tensors) and defaults.get("foreach") and not defaults.get("capturable"):
        raise ValueError(f"[{op}] betas are Tensors with foreach=True; pass floats")
