"""Stochastic gradient descent, and its average."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._compiled import Compiled, at_least

if TYPE_CHECKING:
    from ._compiled import Number
    from .optimizer import ParamsT

__all__ = ["ASGD", "SGD"]


class SGD(Compiled):
    """g = grad + weight_decay p;  b <- momentum b + (1 - dampening) g (b = g at first);  p -= lr b.

    nesterov: p -= lr (g + momentum b). maximize: grad is negated. `foreach` and `fused` change
    nothing: a group is always one compiled call. The state of p is {"momentum_buffer": b}.
    Raises ValueError for a negative setting, and for nesterov with no momentum or with dampening.
    Source: Sutskever et al., On the importance of initialization and momentum, ICML 2013;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """

    _rule = "SGD"

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Number = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        at_least("SGD", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"[SGD] nesterov has momentum={momentum} and dampening={dampening}; "
                "it needs momentum > 0 and dampening = 0"
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


class ASGD(Compiled):
    """p <- (1 - lambd eta) p - eta g, eta = lr / (1 + lambd lr t)^alpha; the average of p is kept.

    The state of p is {"step", "eta", "mu", "ax"}: ax is the average of p from step t0 on, p itself
    before. Raises ValueError for a negative setting.
    Source: Polyak & Juditsky, SIAM J. Control Optim. 30 (1992);
    https://docs.pytorch.org/docs/stable/generated/torch.optim.ASGD.html
    """

    _rule = "ASGD"

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        at_least("ASGD", lr=lr, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)
