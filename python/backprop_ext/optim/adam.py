"""Adam and its relatives: steps of about lr in each element, whatever the gradient's scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._compiled import Compiled, at_least, check_betas, exact

if TYPE_CHECKING:
    from ._compiled import Number
    from .optimizer import ParamsT

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam"]


class Adam(Compiled):
    """m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  p -= lr m^ / (sqrt(v^) + eps).

    m^ = m / (1 - b1^t), v^ = v / (1 - b2^t) in step t; amsgrad: v^ with the greatest v so far.
    g = grad + weight_decay p; decoupled_weight_decay: g = grad, and p <- (1 - lr weight_decay) p
    before. The state of p is {"step", "exp_avg": m, "exp_avg_sq": v, "max_exp_avg_sq"}.
    Raises ValueError for a negative setting or a beta outside [0, 1).
    Source: Kingma & Ba, arXiv:1412.6980; Reddi et al., ICLR 2018 (amsgrad);
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
    """

    _rule = "Adam"

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-3,
        betas: tuple[Number, Number] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        name = type(self).__name__
        at_least(name, lr=lr, eps=eps, weight_decay=weight_decay)
        exact(name, eps=eps)
        check_betas(name, betas, defaults)
        super().__init__(params, defaults)


class AdamW(Adam):
    """Adam with decoupled_weight_decay: p <- (1 - lr weight_decay) p before each step.

    Source: Loshchilov & Hutter, Decoupled weight decay regularization, arXiv:1711.05101;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-3,
        betas: tuple[Number, Number] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )


class NAdam(Compiled):
    """Adam with Nesterov's momentum: p -= lr (a g + b m) / (sqrt(v^) + eps).

    a = (1 - mu_t) / (1 - M_t), b = mu_{t+1} / (1 - M_t mu_{t+1}), M_t = mu_1 ... mu_t,
    mu_t = b1 (1 - 0.96^(t momentum_decay) / 2). Weight decay as in Adam. The state of p is
    {"step", "mu_product": M, "exp_avg": m, "exp_avg_sq": v}. Raises ValueError as Adam does.
    Source: Dozat, Incorporating Nesterov momentum into Adam, 2016;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.NAdam.html
    """

    _rule = "NAdam"

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least("NAdam", lr=lr, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        exact("NAdam", eps=eps)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        check_betas("NAdam", betas, defaults)
        super().__init__(params, defaults)


class RAdam(Compiled):
    """Adam that waits: p -= lr m^ r / (sqrt(v^) + eps) once l_t > 5, p -= lr m^ before.

    l = 2 / (1 - b2) - 1, l_t = l - 2 t b2^t / (1 - b2^t),
    r^2 = (l_t - 4) (l_t - 2) l / ((l - 4) (l - 2) l_t). Weight decay as in Adam. The state of p is
    {"step", "exp_avg": m, "exp_avg_sq": v}. Raises ValueError as Adam does.
    Source: Liu et al., On the variance of the adaptive learning rate, arXiv:1908.03265;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.RAdam.html
    """

    _rule = "RAdam"

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least("RAdam", lr=lr, eps=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        check_betas("RAdam", betas, defaults)
        super().__init__(params, defaults)


class Adamax(Compiled):
    """u <- max(b2 u, |g| + eps);  p -= lr m^ / u, m^ as in Adam, g = grad + weight_decay p.

    The state of p is {"step", "exp_avg": m, "exp_inf": u}. Raises ValueError as Adam does.
    Source: Kingma & Ba, arXiv:1412.6980, section 7.1;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adamax.html
    """

    _rule = "Adamax"

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        at_least("Adamax", lr=lr, eps=eps, weight_decay=weight_decay)
        exact("Adamax", eps=eps)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        check_betas("Adamax", betas, defaults)
        super().__init__(params, defaults)
