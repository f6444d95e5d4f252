"""Steps that look at a parameter as a matrix: Adafactor and Muon."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from .. import _core
from .._checks import truths
from .._switches import finfo
from ..autograd.grad_mode import enable_grad, no_grad
from ._compiled import at_least, exact
from .optimizer import Optimizer

if TYPE_CHECKING:
    from .._core import Tensor
    from ..types import Closure
    from ._compiled import Number
    from .optimizer import ParamsT

__all__ = ["Adafactor", "Muon"]


class _ByParameter(Optimizer):
    """An optimizer that steps through its parameters."""

    @no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        """Update each parameter with a gradient. `closure` computes the loss, which is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, p.grad, group)
        return loss

    def _update(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        raise NotImplementedError


class Adafactor(_ByParameter):
    """p -= a u / max(1, rms(u) / d),  u = g / sqrt(V),  a = max(eps[1], rms(p)) min(lr, 1/sqrt(t)).

    V is the average of g^2, of a matrix only that of its rows r and columns c: V = r c / mean(r);
    step t enters it with weight t^beta2_decay. p <- (1 - lr weight_decay) p before. eps[0] bounds
    V from below; None is the dtype's epsilon. The state of p is {"step", "row_var", "col_var"} or
    {"step", "variance"}. Raises ValueError for settings out of range.
    Source: Shazeer & Stern, Adafactor, arXiv:1804.04235;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adafactor.html
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        at_least("Adafactor", lr=lr, weight_decay=weight_decay)
        at_least("Adafactor", 1.0, d=d)
        if not beta2_decay <= 0 or (eps[0] is not None and eps[0] < 0) or eps[1] < 0:
            raise ValueError(
                f"[Adafactor] beta2_decay={beta2_decay} and eps={eps}; pass a decay of 0 or less, "
                "and eps of 0 or more"
            )
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        truths(foreach)
        super().__init__(params, defaults)

    def _update(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        state, lr = self.state[p], float(group["lr"])
        if not state:
            state["step"] = _core.tensor(0.0)
            if g.dim() > 1:
                state["row_var"] = _core.zeros(*g.shape[:-1], 1, dtype=g.dtype)
                state["col_var"] = _core.zeros(*g.shape[:-2], 1, g.shape[-1], dtype=g.dtype)
            else:
                state["variance"] = _core.zeros_like(g)
        state["step"] += 1
        t = state["step"].item()
        weight = t ** group["beta2_decay"]
        least, least_scale = group["eps"]
        least = finfo(p.dtype).eps if least is None else least
        if group["maximize"]:
            g = -g
        size = max(least_scale, _rms(p)) * min(lr, 1.0 / sqrt(t))
        if group["weight_decay"]:
            p.mul_(1 - lr * group["weight_decay"])
        square = g * g
        if g.dim() > 1:
            rows = _blend(state["row_var"], square.mean(-1, keepdim=True), weight)
            columns = _blend(state["col_var"], square.mean(-2, keepdim=True), weight)
            variance = rows @ columns / rows.mean(-2, keepdim=True).clamp(min=least)
        else:
            variance = _blend(state["variance"], square, weight)
        update = variance.clamp(min=least * least).rsqrt() * g
        p.add_(update, alpha=-size / max(1.0, _rms(update) / group["d"]))


class Muon(_ByParameter):
    """p <- (1 - lr weight_decay) p - lr s O(m),  O(m) the orthogonal factor of the momentum m.

    m <- momentum m + (1 - momentum) g; nesterov: g and m blended once more. O is approximated by
    `ns_steps` steps of Newton and Schulz, X <- a X + (b A + c A^2) X with A = X X^T, in the
    parameter's dtype (PyTorch rounds to bfloat16 there). s = sqrt(max(1, rows / columns)), or
    0.2 sqrt(max(rows, columns)) for adjust_lr_fn="match_rms_adamw". The state of p is
    {"momentum_buffer": m}. Raises ValueError for a parameter that is no matrix, or settings out of
    range. Source: Jordan et al., Muon, 2024; Liu et al., arXiv:2502.16982;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Muon.html
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        at_least("Muon", lr=lr, weight_decay=weight_decay, momentum=momentum)
        if eps is None:
            raise RuntimeError("[Muon] eps=None; pass a number")
        exact("Muon", momentum=momentum, eps=eps)
        if ns_steps >= 100:
            raise ValueError(f"[Muon] {ns_steps=}; pass less than 100")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"[Muon] adjust_lr_fn={adjust_lr_fn!r}; pass 'original' or 'match_rms_adamw'"
            )
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def _check(self, p: Any) -> None:
        super()._check(p)
        if p.dim() != 2:
            raise ValueError(
                f"[Muon] a parameter has shape {tuple(p.shape)}, a matrix is needed; give the "
                "others to another optimizer"
            )

    def _update(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        state, lr, momentum = self.state[p], float(group["lr"]), group["momentum"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = _core.zeros_like(g)
        m = _blend(state["momentum_buffer"], g, 1 - momentum)
        x = g + (m - g) * momentum if group["nesterov"] else m
        rows, columns = p.shape
        if tall := rows > columns:
            x = x.T
        x = x / max(float((x * x).sum().sqrt()), group["eps"])
        a, b, c = group["ns_coefficients"]
        for _ in range(group["ns_steps"]):
            gram = x @ x.T
            x = a * x + (b * gram + c * (gram @ gram)) @ x
        if group["adjust_lr_fn"] == "match_rms_adamw":
            scale = 0.2 * sqrt(max(rows, columns))
        else:
            scale = sqrt(max(1.0, rows / columns))
        p.mul_(1 - lr * group["weight_decay"])
        p.add_(x.T if tall else x, alpha=-lr * scale)


def _blend(average: Tensor, x: Tensor, weight: float) -> Tensor:
    """average <- average + weight (x - average)"""
    return average.add_(x - average, alpha=weight)


def _rms(t: Tensor) -> float:
    """The root of the mean of the squares."""
    return sqrt(float((t * t).sum()) / t.numel()) if t.numel() else 0.0
