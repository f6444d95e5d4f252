"""Operations with a derivative of one's own."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from .engine import grad
from .grad_mode import enable_grad, is_grad_enabled, no_grad

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core import _FunctionLink

__all__ = ["Function", "FunctionCtx", "InplaceFunction", "once_differentiable"]


_level_is_open = False  # forward_ad's, where a jvp is enough


class FunctionCtx:
    """What forward leaves for backward: tensors by save_for_backward, all else as attributes.

    needs_input_grad has a bool for each argument of forward.
    """

    _link: _FunctionLink
    _shapes: list[tuple[Any, ...] | None]

    def __init__(self, function: type[Function], args: tuple[Any, ...]) -> None:
        self._function = function
        self._saved: tuple[Tensor | None, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._fixed: tuple[Tensor, ...] = ()
        self._materialize = True
        self.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep arguments, results or other tensors, once, in forward or setup_context."""
        self._saved = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """For jvp: what is not saved for backward is kept as it is."""
        self._saved = self._saved or tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Name the arguments that forward has written in place; it must return them too."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Name the results that have no gradient."""
        for value in args:
            if not isinstance(value, Tensor):
                raise RuntimeError(
                    f"[mark_non_differentiable] a {type(value).__name__} was named; name tensors"
                )
        self._fixed = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros, or None, for a result without a gradient; zeros at first."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What was saved. Raises RuntimeError when it was written to, or freed by a backward."""
        if "_link" not in self.__dict__:
            return self._saved
        return tuple(self._link.saved_tensors())

    def _zeros(self) -> list[Any]:
        return [t if t is None else _core.zeros(*t[:-1], dtype=t[-1]) for t in self._shapes]

    saved_variables = saved_tensors  # as they were called before PyTorch 0.4

    def _backward(self, *grads: Tensor | None) -> Any:
        return self._function.backward(self, *grads)


class Function:
    """y = F.apply(x): a static forward(ctx, x) computes y, backward(ctx, g) gives (dy/dx)^T g.

    backward returns a gradient, or None, for each argument of forward, and may be differentiated
    itself when it is made of tensor operations. With setup_context(ctx, inputs, output), forward
    takes no ctx. Raises RuntimeError, in the backward pass, for a wrong number of gradients and for
    one of a shape that cannot be summed to its argument's.
    Source: https://docs.pytorch.org/docs/stable/notes/extending.html
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raises RuntimeError: functions with a state, of before apply, are gone."""
        name = type(self).__name__
        raise RuntimeError(f"[{name}] a Function is not called; use {name}.apply(...)")

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The results. Raises NotImplementedError where a subclass has none."""
        raise NotImplementedError("[Function] there is no forward; define a static forward(ctx, x)")

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Any) -> None:
        """Keeps what backward needs, where forward takes no ctx."""
        raise NotImplementedError("[Function] there is no setup_context; define it")

    @staticmethod
    def backward(ctx: FunctionCtx, *grad_outputs: Any) -> Any:
        """The gradients of the arguments. Raises NotImplementedError where there is none."""
        vjp = ctx._function.vjp
        if vjp is Function.vjp:
            if ctx._function.jvp is not Function.jvp and _level_is_open:
                return _transposed(ctx, grad_outputs)
            raise NotImplementedError(
                f"[{ctx._function.__name__}] there is no backward; define a static "
                "backward(ctx, *grads)"
            )
        return vjp(ctx, *grad_outputs)

    @staticmethod
    def vjp(ctx: FunctionCtx, *grad_outputs: Any) -> Any:
        """Another name of backward."""
        return ctx._function.backward(ctx, *grad_outputs)

    @staticmethod
    def jvp(ctx: FunctionCtx, *grad_inputs: Any) -> Any:
        """The tangents of the results. NotImplementedError where there is none."""
        raise NotImplementedError("[Function] there is no jvp; define a static jvp(ctx, *tangents)")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """The results of forward, recorded."""
        ctx = FunctionCtx(cls, args)
        if _level_is_open:
            ctx._shapes = [(*a.shape, a.dtype) if isinstance(a, Tensor) else None for a in args]
        with no_grad():
            if cls.setup_context is Function.setup_context:
                output = cls.forward(ctx, *args, **kwargs)
            else:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, output)
        several = isinstance(output, tuple)
        results = _core._record_function(
            f"{cls.__name__}Backward",
            ctx,
            args,
            output if several else (output,),
            ctx._saved,
            ctx._dirty,
            ctx._fixed,
            ctx._materialize,
        )
        # The node holds them from here on; held by ctx too, a result would never be freed.
        ctx._saved = ctx._dirty = ctx._fixed = ()
        return results if several else results[0]


def _transposed(ctx: FunctionCtx, grads: tuple[Any, ...]) -> Any:
    """J^T g from v -> J v, which is linear: its derivative along v."""
    from types import SimpleNamespace

    kept = SimpleNamespace(**ctx.__dict__, saved_tensors=ctx.saved_tensors)  # jvp may delete
    with enable_grad():
        along = [None if t is None else t.requires_grad_() for t in ctx._zeros()]
        found = ctx._function.jvp(kept, *along)  # type: ignore[arg-type]
        outs = found if isinstance(found, tuple) else (found,)
        wanted = [v for v in along if v is not None]
        parts = iter(grad(outs, wanted, grads, create_graph=True, allow_unused=True))
    return tuple(None if v is None else next(parts) for v in along)


class InplaceFunction(Function):
    """A Function as of old, which may write into its arguments: see FunctionCtx.mark_dirty."""


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a backward that cannot be differentiated: doing so raises RuntimeError."""

    @wraps(fn)
    def once(ctx: FunctionCtx, *grads: Any) -> Any:
        with no_grad():
            found = fn(ctx, *grads)
        if not is_grad_enabled() or not any(
            isinstance(g, Tensor) and g.requires_grad for g in grads
        ):
            return found
        several = isinstance(found, tuple)
        ends = tuple(
            g.detach().requires_grad_() if isinstance(g, Tensor) else g
            for g in (found if several else (found,))
        )
        ends = _End.apply(*ends)
        return ends if several else ends[0]

    return once


class _End(Function):
    """The identity, which refuses to be differentiated."""

    @staticmethod
    def forward(ctx: FunctionCtx, *args: Any) -> Any:
        return args

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Any) -> Any:
        raise RuntimeError(
            "[once_differentiable] trying to differentiate twice a function that was marked with "
            "@once_differentiable; take the mark off if its backward is made of tensor operations"
        )
