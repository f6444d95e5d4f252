"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core import sgd_step
from ..autograd.grad_mode import enable_grad
from .optimizer import Optimizer

if TYPE_CHECKING:
    from .._core import Tensor
    from ..types import Closure
    from .optimizer import Params

__all__ = ["SGD"]


class SGD(Optimizer):
    """g = grad + weight_decay p;  b <- momentum b + (1 - dampening) g (b = g at first);  p -= lr b.

    nesterov: p -= lr (g + momentum b). maximize: grad is negated. `foreach` and `fused` change
    nothing: a group is always one compiled call. The state of p is {"momentum_buffer": b}.
    Raises ValueError for a negative setting, and for nesterov with no momentum or with dampening.
    Source: Sutskever et al., On the importance of initialization and momentum, ICML 2013;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """

    _opt_called = False

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        for name, value in (("lr", lr), ("momentum", momentum), ("weight_decay", weight_decay)):
            if value < 0.0:
                raise ValueError(f"[SGD] {name}={value} is negative; pass 0 or more")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"[SGD] nesterov has momentum={momentum} and dampening={dampening}; "
                "it needs momentum > 0 and dampening = 0"
            )
        if differentiable:
            raise NotImplementedError(
                "[SGD] differentiable=True was asked for, False is supported; "
                "write the update with tensors"
            )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def step(self, closure: Closure | None = None) -> Any:
        """Update each parameter with a gradient. `closure` computes the loss, which is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            buffers = self._buffers(group["params"]) if group["momentum"] else []
            missing = [i for i, buffer in enumerate(buffers) if buffer is None] if buffers else ()
            sgd_step(
                group["params"],
                buffers,
                group["lr"],
                group["momentum"],
                group["dampening"],
                group["weight_decay"],
                group["nesterov"],
                group["maximize"],
            )
            for i in missing:
                if buffers[i] is not None:
                    self.state[group["params"][i]]["momentum_buffer"] = buffers[i]
        self._opt_called = True
        return loss

    def _buffers(self, params: list[Tensor]) -> list[Tensor | None]:
        """The buffers, which live in `state`, in the order of the parameters."""
        state, none = self.state, dict[str, Any]()
        return [state.get(p, none).get("momentum_buffer") for p in params]
