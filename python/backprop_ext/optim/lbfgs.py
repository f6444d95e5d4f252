"""L-BFGS: Newton's method on an estimate of the inverse Hessian from the last few steps."""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import _core
from .._checks import whole
from ..autograd.grad_mode import enable_grad, no_grad
from ._compiled import at_least, exact, the_number
from .optimizer import Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core import Tensor
    from ..types import Closure
    from ._compiled import Number
    from .optimizer import ParamsT

__all__ = ["LBFGS"]

# Wolfe's conditions: enough decrease, and a slope flatter than this share of the first.
_DECREASE, _FLATTER = 1e-4, 0.9
# A pair (s, y) is kept when s.y is above this: the estimate stays positive definite.
_LEAST_CURVATURE = 1e-10
# What a step continues from; the names are PyTorch's.
_MEMORY = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")


def _dense_grad(p: Tensor) -> Tensor:
    return _core.zeros_like(p) if p.grad is None else p.grad.to_dense()


class LBFGS(Optimizer):
    """p += t d, d = -H g, H the inverse Hessian as the last `history_size` steps estimate it.

    step(closure) makes up to `max_iter` such steps and calls closure up to `max_eval` times (5/4
    of max_iter when None); it ends early when max |g| <= tolerance_grad, or when the step or the
    loss changes by less than tolerance_change. t is lr, or found by a line search that fulfils
    Wolfe's strong conditions (line_search_fn="strong_wolfe"). One parameter group, whose state is
    kept with the first parameter. Raises ValueError for several groups, a negative lr; RuntimeError
    for another line search.
    Source: Nocedal & Wright, Numerical optimization, algorithms 7.4, 7.5, 3.5 and 3.6;
    https://docs.pytorch.org/docs/stable/generated/torch.optim.LBFGS.html
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        at_least("LBFGS", lr=lr)
        exact("LBFGS", lr=lr, tolerance_grad=tolerance_grad, tolerance_change=tolerance_change)
        if lr is True:
            raise RuntimeError("[LBFGS] lr=True; pass a number")
        the_number("LBFGS", "max_iter", max_iter)
        if not isinstance(history_size, bool) and whole(history_size) is None:
            raise TypeError(f"[LBFGS] history_size={history_size!r}; pass an int")
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError(
                f"[LBFGS] {len(self.param_groups)} parameter groups, 1 is supported; "
                "make an optimizer for each"
            )
        self._params: list[Tensor] = self.param_groups[0]["params"]

    @no_grad()
    def step(self, closure: Closure) -> Any:  # type: ignore[override]
        """Some steps; `closure` computes the loss and the gradients. Returns the first loss."""
        group, state = self.param_groups[0], self.state[self._params[0]]
        search = group["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError(f"[LBFGS] line_search_fn={search!r}; pass 'strong_wolfe' or None")
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        closure = enable_grad()(closure)
        first_loss = closure()
        loss, g = float(first_loss), self._gradient()
        state["func_evals"] += 1
        evaluations = 1
        if _greatest(g) <= group["tolerance_grad"]:
            return first_loss
        memory = _Memory(state)
        for count in range(1, ceil(group["max_iter"]) + 1):
            state["n_iter"] += 1
            lr = float(group["lr"])
            if state["n_iter"] == 1:
                memory.start(g)
                memory.t = min(1.0, 1.0 / float(g.abs().sum())) * lr
            else:
                memory.learn(g, group["history_size"])
                memory.t = lr
            memory.prev_flat_grad, memory.prev_loss = g.clone(), loss
            d = memory.d
            slope = _dot(g, d)
            if slope > -group["tolerance_change"]:
                break
            last = count >= group["max_iter"]
            used = 0
            if search:
                line = _Line(self, closure, d, _Point(0.0, loss, g, slope))
                left = group["max_eval"] - evaluations
                found = line.search(memory.t, group["tolerance_change"], left)
                memory.t, loss, g, _ = found
                used = line.evaluations
                self._move_to(line.origin, memory.t, d)
            else:
                self._move_to([p.clone() for p in self._params], memory.t, d)
                if not last:
                    loss, g, used = float(closure()), self._gradient(), 1
            evaluations += used
            state["func_evals"] += used
            if (
                last
                or evaluations >= group["max_eval"]
                or _greatest(g) <= group["tolerance_grad"]
                or _greatest(d) * abs(memory.t) <= group["tolerance_change"]
                or abs(loss - memory.prev_loss) < group["tolerance_change"]
            ):
                break
        memory.store(state)
        return first_loss

    def _gradient(self) -> Tensor:
        """All gradients in one row; zeros where there is none."""
        return _core.cat([_dense_grad(p).reshape(-1) for p in self._params])

    def _move_to(self, origin: list[Tensor], t: float, d: Tensor) -> None:
        """The parameters become origin + t d."""
        start = 0
        for p, x in zip(self._params, origin, strict=True):
            end = start + p.numel()
            p.copy_(x.add(d[start:end].view(x.shape), alpha=t))
            start = end


class _Memory:
    """The estimate of H: steps s (old_stps), changes y of the gradient (old_dirs), 1 / s.y (ro)."""

    d: Tensor
    t: float
    old_dirs: list[Tensor]
    old_stps: list[Tensor]
    ro: list[float]
    H_diag: float
    prev_flat_grad: Tensor
    prev_loss: float

    def __init__(self, state: dict[str, Any]) -> None:
        self.__dict__.update((name, state[name]) for name in _MEMORY if name in state)

    def store(self, state: dict[str, Any]) -> None:
        state.update((name, self.__dict__[name]) for name in _MEMORY if name in self.__dict__)

    def start(self, g: Tensor) -> None:
        self.d, self.old_dirs, self.old_stps, self.ro, self.H_diag = g.neg(), [], [], [], 1.0

    def learn(self, g: Tensor, limit: int) -> None:
        """Enters the last step and computes d = -H g by the two loops of algorithm 7.4."""
        y, s = g - self.prev_flat_grad, self.d * self.t
        curvature = _dot(y, s)
        if curvature > _LEAST_CURVATURE:
            if len(self.old_dirs) == limit:
                for entries in (self.old_dirs, self.old_stps, self.ro):
                    entries.pop(0)
            self.old_dirs.append(y)
            self.old_stps.append(s)
            self.ro.append(1.0 / curvature)
            self.H_diag = curvature / _dot(y, y)
        pairs = [*zip(self.old_stps, self.old_dirs, self.ro, strict=True)]
        q, weights = g.neg(), []
        for s, y, rho in reversed(pairs):
            weights.append(_dot(s, q) * float(rho))
            q.add_(y, alpha=-weights[-1])
        q.mul_(float(self.H_diag))
        for s, y, rho in pairs:
            q.add_(s, alpha=weights.pop() - _dot(y, q) * float(rho))
        self.d = q


class _Point(NamedTuple):
    """The loss at a distance t on a line, its gradient, and its slope along the line."""

    t: float
    loss: float
    g: Tensor
    slope: float


class _Line:
    """The loss along origin + t d."""

    def __init__(
        self, optimizer: LBFGS, closure: Callable[[], Any], d: Tensor, start: _Point
    ) -> None:
        self.optimizer, self.closure, self.d, self.start = optimizer, closure, d, start
        self.origin = [p.clone() for p in optimizer._params]
        self.evaluations = 0

    def at(self, t: float) -> _Point:
        self.evaluations += 1
        self.optimizer._move_to(self.origin, t, self.d)
        loss, g = float(self.closure()), self.optimizer._gradient()
        return _Point(t, loss, g, _dot(g, self.d))

    def falls_short(self, point: _Point) -> bool:
        return point.loss > self.start.loss + _DECREASE * point.t * self.start.slope

    def is_flat(self, point: _Point) -> bool:
        return abs(point.slope) <= -_FLATTER * self.start.slope

    def search(self, t: float, least_change: float, limit: int) -> _Point:
        """A point that fulfils Wolfe's strong conditions, or the best one of about `limit` points.

        First the line is walked in growing steps until a minimum is bracketed; then the bracket is
        narrowed around the minimum of the cubic through its ends.
        """
        before, here = self.start, self.at(t)
        for steps in range(limit):
            if self.falls_short(here) or (steps > 1 and here.loss >= before.loss):
                return self._narrow([before, here], limit - steps, least_change)
            if self.is_flat(here):
                return here
            if here.slope >= 0:
                return self._narrow([before, here], limit - steps, least_change)
            bounds = (here.t + 0.01 * (here.t - before.t), here.t * 10)
            before, here = here, self.at(_cubic_minimum(before, here, bounds))
        return min(self.start, here, key=lambda point: point.loss)

    def _narrow(self, ends: list[_Point], limit: int, least_change: float) -> _Point:
        size = _greatest(self.d)
        stuck = False
        low = 0 if ends[0].loss <= ends[1].loss else 1
        for _ in range(limit):
            left, right = sorted(end.t for end in ends)
            if (right - left) * size < least_change:
                break
            t = _cubic_minimum(ends[0], ends[1], (left, right))
            # Twice close to an end, or on it: a tenth of the bracket away from it instead.
            margin = 0.1 * (right - left)
            close = min(right - t, t - left) < margin
            if close and (stuck or t >= right or t <= left):
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                close = False
            stuck = close
            new = self.at(t)
            if self.falls_short(new) or new.loss >= ends[low].loss:
                ends[1 - low] = new
                low = 0 if ends[0].loss <= ends[1].loss else 1
                continue
            done = self.is_flat(new)
            if not done and new.slope * (ends[1 - low].t - ends[low].t) >= 0:
                ends[1 - low] = ends[low]
            ends[low] = new
            if done:
                break
        return ends[low]


def _cubic_minimum(a: _Point, b: _Point, bounds: tuple[float, float]) -> float:
    """Where the cubic with the losses and slopes of a and b is least, kept within bounds."""
    if a.t > b.t:
        a, b = b, a
    low, high = bounds
    if a.t == b.t:
        return (low + high) / 2
    bend = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = bend * bend - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    root = sqrt(square)
    if not (span := b.slope - a.slope + 2 * root):
        return (low + high) / 2
    t = b.t - (b.t - a.t) * ((b.slope + root - bend) / span)
    return min(max(t, low), high)


def _dot(a: Tensor, b: Tensor) -> float:
    return float(a.dot(b))


def _greatest(t: Tensor) -> float:
    return float(t.abs().max())
