"""A step size for each element: Adagrad, Adadelta, RMSprop and Rprop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from ._compiled import Compiled, at_least, between, exact

if TYPE_CHECKING:
    from ._compiled import Number
    from .optimizer import ParamsT

__all__ = ["Adadelta", "Adagrad", "RMSprop", "Rprop"]


class Adagrad(Compiled):
    """v <- v + g^2;  p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(v) + eps) in step t.

    g = grad + weight_decay p. The state of p is {"step", "sum": v}, made at once, with
    v = initial_accumulator_value. Raises ValueError for a negative setting.
    Source: Duchi et al., Adaptive subgradient methods, JMLR 12 (2011);
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html
    """

    _rule = "Adagrad"

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        at_least("Adagrad", lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)
        at_least("Adagrad", initial_accumulator_value=initial_accumulator_value)
        exact("Adagrad", initial_accumulator_value=initial_accumulator_value, eps=eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for p in group["params"]:
            start = float(group["initial_accumulator_value"])
            value = complex(start, start) if p.is_complex() else start
            total = _core.full(p.shape, value, dtype=p.dtype)
            self.state[p] = {"step": _core.tensor(0.0), "sum": total}


class Adadelta(Compiled):
    """d = g sqrt(u + eps) / sqrt(v + eps);  p -= lr d, with averages v of g^2 and u of d^2.

    v <- rho v + (1 - rho) g^2 before, u <- rho u + (1 - rho) d^2 after; g = grad + weight_decay p.
    The state of p is {"step", "square_avg": v, "acc_delta": u}. Raises ValueError for a negative
    setting and for rho above 1.
    Source: Zeiler, Adadelta, arXiv:1212.5701;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adadelta.html
    """

    _rule = "Adadelta"

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least("Adadelta", lr=lr, eps=eps, weight_decay=weight_decay)
        exact("Adadelta", rho=rho, eps=eps)
        between("Adadelta", 0.0, 1.0, rho=rho)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)


class RMSprop(Compiled):
    """v <- alpha v + (1 - alpha) g^2;  p -= lr g / (sqrt(v) + eps).

    centered: v less the square of the average of g. momentum: d <- momentum d + g / (...), and
    p -= lr d. g = grad + weight_decay p. The state of p is {"step", "square_avg": v,
    "momentum_buffer": d, "grad_avg"}. Raises ValueError for a negative setting.
    Source: Hinton, Neural networks for machine learning, lecture 6e, 2012; Graves,
    arXiv:1308.0850 (centered);
    https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
    """

    _rule = "RMSprop"

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least("RMSprop", lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay)
        at_least("RMSprop", momentum=momentum)
        exact("RMSprop", alpha=alpha, eps=eps)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)


class Rprop(Compiled):
    """p -= sign(g) e, and e <- etas[1] e where g keeps its sign, etas[0] e, without a step, where
    it turns; e starts as lr and stays within step_sizes.

    For full batches. The state of p is {"step", "prev": g, "step_size": e}. Raises ValueError for
    a negative lr and for etas that are not 0 < etas[0] < 1 < etas[1].
    Source: Riedmiller & Braun, The RPROP algorithm, 1993;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Rprop.html
    """

    _rule = "Rprop"

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least("Rprop", lr=lr)
        exact("Rprop", lr=lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            both = (etas[0], etas[1])
            raise ValueError(f"[Rprop] etas={both}; pass one in (0, 1) and one above 1")
        if len(sizes := [*step_sizes]) != 2:
            raise ValueError(f"[Rprop] step_sizes={sizes}; pass the least and the greatest")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": tuple(sizes),
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)
