"""One step of training: loss, gradients, clipping, update. Captured where that is safe."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import no_grad
from ..nn.modules.module import Module
from ..optim import LBFGS
from ..random import get_rng_state, set_rng_state
from .buffers import Buffers, Kept, put_back
from .recordable import foreign, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..optim import Optimizer

__all__ = ["DivergedError", "Step"]

_SHAPES: Final = 8


class DivergedError(FloatingPointError):
    """A loss or a gradient is not finite; the parameters were not updated with it."""


class Step:
    """step(inputs, target) -> loss:  p <- update(p, clip(d loss / d p)).

    loss = loss(module(*inputs), *targets) + penalty(). Where the loss or a gradient is not finite,
    nothing is updated, buffers are put back, and DivergedError is raised.

    `capture`: None records the step where it is known to be made of tensor operations alone, which
    is where module, loss, penalty and clipping are this package's and no module has hooks. True
    records your own code too: what its Python computes is then frozen (docs/capture.md). False
    never records. What cannot be recorded runs as it is, and `eager_reason` says why. The bits are
    the same either way.
    """

    def __init__(
        self,
        module: Module,
        loss: Callable[..., Tensor],
        optimizer: Optimizer,
        penalty: Callable[[], Tensor | None] | None = None,
        clip: Callable[[list[Tensor]], None] | None = None,
        capture: bool | None = None,
    ) -> None:
        self.module, self.loss, self.optimizer = module, loss, optimizer
        self.penalty, self.clip = penalty, clip
        self.capture = capture
        self.eager_reason: str | None = None
        self._refused: str | None = None
        self._captured: Callable[..., tuple[Tensor, Tensor]] | None = None
        self._shapes: set[Any] = set()
        self._frozen: list[Any] = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_captured": None, "_shapes": set()}

    def set_clip(self, clip: Callable[[list[Tensor]], None] | None) -> None:
        """Clip in another way from now on; what was recorded with the former is dropped."""
        self.clip, self._captured, self._shapes = clip, None, set()

    def prepare(self) -> None:
        """Before a run: what is a buffer, a parameter, and whether to record."""
        own = self.module.parameters()
        others = (p for group in self.optimizer.param_groups for p in group["params"])
        self._parameters = list({id(p): p for p in (*own, *others)}.values())
        self._buffers = Buffers(self.module)
        self.eager_reason = self._why_eager()
        frozen = settings(self._computing)
        if self.eager_reason is not None:
            self._captured = None
        elif self._captured is None or frozen != self._frozen:
            from .._capture import Captured

            self._captured, self._shapes, self._frozen = Captured(self._gradients), set(), frozen

    @property
    def _computing(self) -> tuple[Any, ...]:
        return (self.module, self.loss, self.penalty, self.clip)

    def __call__(self, inputs: Sequence[Any], *targets: Any) -> float:
        before = self._buffers.copy()
        value = self._step(inputs, targets, before)
        if not self._buffers.narrowed:
            self._buffers.narrow(before)
        return value

    def _step(self, inputs: Sequence[Any], targets: Sequence[Any], before: list[Kept]) -> float:
        if isinstance(self.optimizer, LBFGS):
            return self._by_closure(inputs, targets, before)
        value = _finite(*self._forward_and_back(inputs, targets, before), before)
        self.optimizer.step()
        return value

    def _gradients(self, inputs: Sequence[Any], *targets: Any) -> tuple[Tensor, Tensor]:
        """(loss, a number that is finite if all gradients are)."""
        for p in self._parameters:
            p.grad = None
        loss = self.loss(self.module(*inputs), *targets)
        extra = None if self.penalty is None else self.penalty()
        if extra is not None:
            loss = loss + extra
        if loss.numel() != 1:
            raise ValueError(
                f"[fit] the loss has shape {tuple(loss.shape)}, one number is needed; take its "
                "mean()"
            )
        loss.backward()
        if self.clip is not None:
            self.clip(self._parameters)
        with no_grad():
            sums = [p.grad.sum() for p in self._parameters if p.grad is not None]
            check = sum(sums[1:], sums[0]) if sums else _core.zeros(())
        return loss, check

    def _forward_and_back(
        self, inputs: Sequence[Any], targets: Sequence[Any], before: list[Kept]
    ) -> tuple[Tensor, Tensor]:
        if self._captured is not None:
            shapes = tuple((tuple(t.shape), t.dtype) for t in (*inputs, *targets))
            if shapes in self._shapes:
                return self._captured(inputs, *targets)
            if len(self._shapes) < _SHAPES:
                self._shapes.add(shapes)
                return self._record(inputs, targets, before)
            self._run_eagerly(f"batches of more than {_SHAPES} shapes")
        return self._gradients(inputs, *targets)

    def _record(
        self, inputs: Sequence[Any], targets: Sequence[Any], before: list[Kept]
    ) -> tuple[Tensor, Tensor]:
        generator = get_rng_state()
        try:
            return self._captured(inputs, *targets)  # type: ignore[misc]
        except Exception as error:
            reason = str(error)
        # The step as it is tells whether the recording or the step itself was at fault.
        put_back(before)
        set_rng_state(generator)
        try:
            result = self._gradients(inputs, *targets)
        except Exception:
            put_back(before)
            set_rng_state(generator)
            raise
        self._run_eagerly(reason)
        return result

    def _by_closure(
        self, inputs: Sequence[Any], targets: Sequence[Any], before: list[Kept]
    ) -> float:
        """LBFGS asks for the loss several times; the first must be finite, as the others start
        from it."""
        first: list[float] = []

        def closure() -> Tensor:
            loss, check = self._gradients(inputs, *targets)
            if not first:
                first.append(_finite(loss, check, before))
            return loss

        self.optimizer.step(closure)
        return first[0]

    def _run_eagerly(self, reason: str) -> None:
        self._captured, self.eager_reason, self._refused = None, reason, reason

    def _why_eager(self) -> str | None:
        if self.capture is not None:
            return self._refused if self.capture else "capture=False"
        if isinstance(self.optimizer, LBFGS):
            return "LBFGS evaluates the step several times"
        reason = foreign(self._computing)
        return f"{reason}; pass capture=True to record it" if reason else self._refused


def _finite(loss: Tensor, check: Tensor, before: list[Kept]) -> float:
    value = float(loss.item())
    if isfinite(value) and isfinite(check.item()):
        return value
    put_back(before)
    raise DivergedError(f"loss is {value}" if not isfinite(value) else "gradient is not finite")
