"""Forward passes that are computed again in the backward pass instead of being kept.

Source: https://docs.pytorch.org/docs/stable/checkpoint.html
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from .._checks import truths
from .._core import Tensor
from ..autograd import engine
from ..autograd.function import Function
from ..autograd.grad_mode import enable_grad
from ..autograd.graph import saved_tensors_hooks
from ..random import RandomState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    Contexts = Callable[[], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]]

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "checkpoint",
    "checkpoint_sequential",
    "get_device_states",
    "noop_context_fn",
    "set_device_states",
]


class CheckpointError(RuntimeError):
    """The function did something else the second time."""


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """The devices beside the CPU that hold the arguments, and their generators' states: none."""
    return [], []


def set_device_states(
    devices: Sequence[int], states: Sequence[Tensor], *, device_type: str | None = None
) -> None:
    """Do nothing: get_device_states found no generator."""


def noop_context_fn() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Two contexts that do nothing."""
    return nullcontext(), nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Contexts = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), of which only the arguments are kept for the backward pass.

    What the derivatives need is computed again, from the same random numbers with
    `preserve_rng_state`. use_reentrant=True: a backward pass within the backward pass, which
    ignores inputs in containers, takes no keyword arguments, and needs .backward(), not grad().
    False: tensors are recomputed when they are first asked for; `context_fn` gives the contexts of
    the two forward passes, and determinism_check="none" does not compare their tensors. `debug`
    and `early_stop` change nothing. Raises CheckpointError when the function saves other tensors
    the second time; ValueError for another check, and for keyword arguments with use_reentrant.
    """
    if use_reentrant is None:
        warnings.warn(
            "[checkpoint] use_reentrant is not given, True is assumed; pass False, the better "
            "choice, or True",
            stacklevel=2,
        )
        use_reentrant = True
    if use_reentrant:
        if kwargs or context_fn is not noop_context_fn:
            raise ValueError(
                f"[checkpoint] use_reentrant=True with keyword arguments {sorted(kwargs)} or "
                "context_fn; pass use_reentrant=False"
            )
        return CheckpointFunction.apply(function, preserve_rng_state, *args)
    if determinism_check not in {"default", "none"}:
        raise ValueError(f"[checkpoint] {determinism_check=}; pass 'default' or 'none'")
    truths(debug)
    first, again = context_fn()
    frame = _Frame(
        lambda: function(*args, **kwargs), again, preserve_rng_state, determinism_check != "none"
    )
    with saved_tensors_hooks(frame.pack, frame.unpack), first:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    **kwargs: Any,
) -> Any:
    """The functions (or a Sequential) one after another, in `segments` parts: all but the last
    are checkpointed. Raises ValueError for more segments than functions."""
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError(
            f"[checkpoint_sequential] unexpected keyword arguments {sorted(kwargs)}; drop them"
        )
    if use_reentrant is None:
        use_reentrant = True
    if not hasattr(functions, "__iter__"):
        raise TypeError(
            f"[checkpoint_sequential] a {type(functions).__name__} is no sequence; pass a "
            "Sequential, or a list of functions"
        )
    steps = [*functions]
    size = len(steps) // segments
    if not size:
        raise ValueError(
            f"[checkpoint_sequential] {segments=} of {len(steps)} functions; take fewer"
        )
    split = max(0, size) * (segments - 1)
    for start in range(0, split, size):
        part = _chain(steps[start : start + size])
        input = checkpoint(part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return _chain(steps[split:])(input)


def _chain(steps: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        for step in steps:
            x = step(x)
        return x

    return run


@contextmanager
def _random_state(state: RandomState | None) -> Iterator[None]:
    """The generator in an earlier state, and afterwards back where it was."""
    if state is None:
        yield
        return
    now = RandomState()
    state.put_back()
    try:
        yield
    finally:
        now.put_back()


class _Frame:
    """One call: the saved tensors are numbers until the first is asked for, then computed."""

    def __init__(
        self,
        call: Callable[[], Any],
        context: AbstractContextManager[Any],
        preserve_rng_state: bool,
        compares: bool,
    ) -> None:
        self.call, self.context, self.compares = call, context, compares
        self.random = RandomState() if preserve_rng_state else None
        self.kinds: list[tuple[Any, Any]] = []
        self.values: dict[int, Tensor] = {}

    def pack(self, x: Tensor) -> int:
        self.kinds.append((tuple(x.shape), x.dtype))
        return len(self.kinds) - 1

    def unpack(self, number: int) -> Tensor:
        if number not in self.values:
            self._compute()
        return self.values.pop(number)

    def _compute(self) -> None:
        found: list[Tensor] = []

        def keep(x: Tensor) -> None:
            found.append(x.detach())

        def refuse(_: None) -> Tensor:
            raise CheckpointError(
                "[checkpoint] the function runs a backward pass of its own; use "
                "use_reentrant=True, or move it out"
            )

        with (
            enable_grad(),
            _random_state(self.random),
            saved_tensors_hooks(keep, refuse),
            self.context,
        ):
            self.call()
        if len(found) != len(self.kinds):
            raise CheckpointError(
                "[checkpoint] A different number of tensors was saved during the original forward "
                f"({len(self.kinds)}) and recomputation ({len(found)}); the function must do the "
                "same both times"
            )
        kinds = [(tuple(x.shape), x.dtype) for x in found]
        if self.compares and kinds != self.kinds:
            at = next(
                i
                for i, pair in enumerate(zip(kinds, self.kinds, strict=True))
                if pair[0] != pair[1]
            )
            raise CheckpointError(
                f"[checkpoint] Recomputed values have different metadata than during the forward "
                f"pass: tensor {at} is {kinds[at]}, it was {self.kinds[at]}; the function must do "
                "the same both times"
            )
        self.values = dict(enumerate(found))


class CheckpointFunction(Function):
    """Runs the function without recording; backward runs it again and differentiates that."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
        ctx.function = function
        ctx.random = RandomState() if preserve else None
        ctx.args = [None if isinstance(a, Tensor) else a for a in args]
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        args = [*ctx.args]
        for i, x in zip(ctx.places, ctx.saved_tensors, strict=True):
            args[i] = x.detach().requires_grad_(x.requires_grad)
        with enable_grad(), _random_state(ctx.random):
            result = ctx.function(*args)
        results = result if isinstance(result, tuple) else (result,)
        pairs = [
            (y, g)
            for y, g in zip(results, grads, strict=True)
            if isinstance(y, Tensor) and y.requires_grad and g is not None
        ]
        if not pairs:
            raise RuntimeError(
                "[checkpoint] none of the results requires grad, so there is nothing to "
                "differentiate; drop the checkpoint"
            )
        engine.backward([y for y, _ in pairs], [g for _, g in pairs])
        return (None, None, *(a.grad if isinstance(a, Tensor) else None for a in args))
