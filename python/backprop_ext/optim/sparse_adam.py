"""Steps for sparse gradients: the rows that a gradient has are updated, and no others."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from .. import _core
from .._layout import strided
from ..autograd.grad_mode import enable_grad, no_grad
from ._compiled import check_betas
from .optimizer import Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core import Tensor
    from ..types import Closure
    from ._compiled import Number
    from .optimizer import ParamsT

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam for sparse gradients: moments and parameters change only where the gradient has values.

    m <- m + (1 - beta_1) (g - m);  v <- v + (1 - beta_2) (g^2 - v);
    p -= lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + eps) in step t.
    The state of p is {"step", "exp_avg", "exp_avg_sq"}. Raises ValueError for a setting out of
    range and for sparse parameters, RuntimeError for a dense gradient.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SparseAdam.html
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        for name, value in (("lr", lr), ("eps", eps)):
            if not value > 0:
                raise ValueError(f"[SparseAdam] {name}={value}; pass a number above 0")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize}
        check_betas("SparseAdam", betas, defaults)
        super().__init__(params, defaults)

    def _check(self, p: Any) -> None:
        super()._check(p)
        if p.layout is not strided:
            raise ValueError("[SparseAdam] a parameter is sparse; pass dense ones")

    @no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        """Update each parameter with a gradient. `closure` computes the loss, which is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        steps = [(group, p) for group in self.param_groups for p in group["params"]]
        steps = [(group, p) for group, p in steps if p.grad is not None]
        if any(not p.grad.is_sparse for _, p in steps):
            raise RuntimeError(
                "[SparseAdam] does not support dense gradients; use Adam, or Embedding(sparse=True)"
            )
        for group, p in steps:
            self._update(group, p)
        return loss

    def _update(self, group: dict[str, Any], p: Tensor) -> None:
        state = self.state[p]
        if not state:
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = _core.zeros_like(p), _core.zeros_like(p)
        state["step"] += 1
        at, g = _rows(group, p)
        if not len(g):
            return
        beta1, beta2 = group["betas"]
        m = state["exp_avg"][at]
        m += (1 - beta1) * (g - m)
        v = state["exp_avg_sq"][at]
        v += (1 - beta2) * (g * g - v)
        state["exp_avg"][at], state["exp_avg_sq"][at] = m, v
        correction = sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
        p[at] -= group["lr"] * correction * m / (v.sqrt() + group["eps"])


def _gradient(group: dict[str, Any], p: Tensor) -> Any:
    return -p.grad if group["maximize"] else p.grad  # type: ignore[operator]


def _rows(group: dict[str, Any], p: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """Where the gradient of p has values, each place once, and the values."""
    g = _gradient(group, p).coalesce()
    return tuple(g.indices()), g.values()


def _sgd(group: dict[str, Any], state: dict[str, Any], p: Tensor) -> None:
    g = _gradient(group, p)
    if momentum := group["momentum"]:
        b = state.get("momentum_buffer")
        scaled = g.clone() if b is None else b * momentum + g * (1 - group["dampening"])
        b = state["momentum_buffer"] = scaled.coalesce()
        g = g + b * momentum if group["nesterov"] else b
    p.add_(g, alpha=-float(group["lr"]))


def _adagrad(group: dict[str, Any], state: dict[str, Any], p: Tensor) -> None:
    at, g = _rows(group, p)
    state["step"] += 1
    total = state["sum"][at] + g * g
    state["sum"][at] = total
    rate = group["lr"] / (1 + (float(state["step"]) - 1) * group["lr_decay"])
    p[at] -= rate * g / (total.sqrt() + group["eps"])


_RULES: dict[str, Callable[[dict[str, Any], dict[str, Any], Tensor], None]] = {
    "SGD": _sgd,
    "Adagrad": _adagrad,
}


@no_grad()
def _sparse_step(rule: str, group: dict[str, Any], states: Any, params: list[Tensor]) -> None:
    """The step of a compiled optimizer for parameters whose gradient is sparse.

    RuntimeError where the rule has none, or with a weight decay, which would change every row.
    """
    if rule not in _RULES:
        raise RuntimeError(
            f"[{rule}] does not support sparse gradients; use SparseAdam, SGD or Adagrad"
        )
    if group["weight_decay"]:
        raise RuntimeError(
            f"[{rule}] weight_decay={group['weight_decay']} with sparse gradients; make it 0"
        )
    for p in params:
        _RULES[rule](group, states[p], p)


_core._set_sparse_step(_sparse_step)
