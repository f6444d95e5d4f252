"""Functions that run around a Module's forward, and when its gradients are computed."""

from __future__ import annotations

import warnings
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from ... import _core
from ..._core import Tensor, _gate_gradients
from ._tree import BUFFER, MODULE, PARAMETER, changes, registration_hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from .module import Module

__all__ = [
    "Hook",
    "RemovableHandle",
    "call_with_hooks",
    "global_hooks",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]


class Hook(NamedTuple):
    """A function, the key of its handle, and how it wants to be called."""

    key: int
    run: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


_ids = count()


class RemovableHandle:
    """Taken from a register call: `remove()`, or the end of a `with`, takes the hook out again.

    The hook stands at hooks[id]; without one, the caller enters it there. What extra_dict has at
    that key goes with it.
    """

    __slots__ = ("_dicts", "id")

    def __init__(
        self,
        hooks: dict[int, Any],
        hook: Any = None,
        prepend: bool = False,
        extra_dict: dict[int, Any] | None = None,
    ) -> None:
        # A key of its own, not the handle: that would be a reference cycle.
        self._dicts, self.id = (hooks, {} if extra_dict is None else extra_dict), next(_ids)
        if hook is not None:
            later = dict(hooks) if prepend else {}
            if prepend:
                hooks.clear()
            hooks[self.id] = hook
            hooks.update(later)
        changes.count += 1

    def remove(self) -> None:
        """Take the hook out; a second time does nothing."""
        for entries in self._dicts:
            entries.pop(self.id, None)
        changes.count += 1

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


# A handle is printed by a notebook's cell that ends with a register call.
for _type in (RemovableHandle, _core.RemovableHandle):
    _type.__module__ = f"{_core.__name__.partition('.')[0]}.utils.hooks"

# Hooks of all modules, (kind, function, options): one dict, so that a call without any looks once.
global_hooks: dict[int, tuple[str, Callable[..., Any], tuple[bool, ...]]] = {}


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """hook(module, args) before the forward of every module."""
    return RemovableHandle(global_hooks, ("forward_pre", hook, ()))


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """hook(module, args, output) after the forward of every module."""
    return RemovableHandle(global_hooks, ("forward", hook, (with_kwargs, always_call)))


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """hook(module, grad_input, grad_output) when a module's gradients are there."""
    return RemovableHandle(global_hooks, ("backward", hook, ()))


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """hook(module, grad_output) when the gradients of a module's outputs are there."""
    return RemovableHandle(global_hooks, ("backward_pre", hook, ()))


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """hook(module, name, param) when a module is given one; what it returns takes its place."""
    return RemovableHandle(registration_hooks, (PARAMETER, hook))


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """hook(module, name, buffer) when a module is given one; what it returns takes its place."""
    return RemovableHandle(registration_hooks, (BUFFER, hook))


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """hook(module, name, child) when a module is given one; what it returns takes its place."""
    return RemovableHandle(registration_hooks, (MODULE, hook))


def _hooks(module: Module, kind: str) -> list[Hook]:
    # A list first: another thread may enter or remove one meanwhile.
    shared = [
        Hook(key, run, *options)
        for key, (of, run, options) in list(global_hooks.items())
        if of == kind
    ]
    own = list(getattr(module, f"_{kind}_hooks").items())
    return [*shared, *(Hook(key, run, *module._hook_options.get(key, ())) for key, run in own)]


class _Gate:
    """The gradients of one call of a module, caught between its outputs and its inputs."""

    def __init__(self, module: Module, before: list[Hook], after: list[Hook]) -> None:
        self.module, self.before, self.after = module, before, after
        self.inputs: int | None = None
        self.grad_output: tuple[Any, ...] | None = None

    def _wrap(self, values: tuple[Any, ...], seen: Callable[..., Any]) -> tuple[Any, ...] | None:
        """The values, their tensors with gradients led through one node; None without any."""
        places = [k for k, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]
        if not places:
            return None

        def run(grads: tuple[Any, ...]) -> tuple[Any, ...]:
            full: list[Any] = [None] * len(values)
            for k, g in zip(places, grads, strict=True):
                full[k] = g
            found = seen(tuple(full))
            return tuple(found[k] for k in places)

        changed = list(values)
        gated = _gate_gradients([values[k] for k in places], run)
        for k, t in zip(places, gated, strict=True):
            changed[k] = t
        return tuple(changed)

    def wrap_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        changed = self._wrap(args, self._at_inputs)
        self.inputs = len(args)
        self.open = changed is None  # no gradient reaches the inputs
        return args if changed is None else changed

    def wrap_outputs(self, result: Any) -> Any:
        many = isinstance(result, (tuple, list))
        if not many and not isinstance(result, Tensor):
            warnings.warn(
                f"[full_backward_hook] {type(self.module).__name__} returned a "
                f"{type(result).__name__}, whose gradients the hooks do not see; return a Tensor "
                "or a tuple",
                stacklevel=2,
            )
            return result
        changed = self._wrap(tuple(result) if many else (result,), self._at_outputs)
        if changed is None:
            return result
        if not many:
            return changed[0]
        return type(result)(*changed) if hasattr(result, "_fields") else type(result)(changed)

    def _at_outputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.before:
            changed = hook.run(self.module, grads)
            if changed is not None:
                grads = _replaced("backward_pre", grads, changed)
        self.grad_output = grads
        if self.open:
            nothing = (None,) * (self.inputs or 0)
            for hook in self.after:
                changed = hook.run(self.module, nothing, grads)
                given = changed if isinstance(changed, tuple) else (changed,)
                if any(g is not None for g in given):
                    raise RuntimeError(
                        "[full_backward_hook] a hook returned gradients of inputs that require "
                        "none; return None"
                    )
        return grads

    def _at_inputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.grad_output is None:  # of an output that no hook can watch
            return grads
        for hook in self.after:
            changed = hook.run(self.module, grads, self.grad_output)
            if changed is not None:
                grads = _replaced("backward", grads, changed)
        return grads


def _replaced(kind: str, grads: tuple[Any, ...], changed: Any) -> tuple[Any, ...]:
    if len(changed) != len(grads):
        raise RuntimeError(
            f"[full_{kind}_hook] a hook returned {len(changed)} gradients, {len(grads)} were "
            "given; return a tuple of one (or None) for each"
        )
    return tuple(changed) if isinstance(changed, (tuple, list)) else (changed,)


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """forward between its hooks: what a hook returns, if not None, replaces what it was given."""
    done: set[int] = set()
    result = None
    try:
        result = _call(module, args, kwargs, done)
    except Exception:
        for hook in _hooks(module, "forward"):
            if hook.always_call and hook.key not in done:
                more = (kwargs,) if hook.with_kwargs else ()
                hook.run(module, args, *more, result)
        raise
    return result


def _call(module: Module, args: Any, kwargs: dict[str, Any], done: set[int]) -> Any:
    for hook in _hooks(module, "forward_pre"):
        if hook.with_kwargs:
            changed = hook.run(module, args, kwargs)
            if changed is not None:
                if not isinstance(changed, tuple) or len(changed) != 2:
                    raise RuntimeError(
                        "[forward_pre_hook] a hook with kwargs must return None or a tuple of "
                        f"(args, kwargs), not {changed!r}"
                    )
                args, kwargs = changed
        else:
            changed = hook.run(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    before, after = _hooks(module, "backward_pre"), _hooks(module, "backward")
    gate = _Gate(module, before, after) if before or after else None
    if gate:
        args = gate.wrap_inputs(args)
    result = module.forward(*args, **kwargs)
    for hook in _hooks(module, "forward"):
        done.add(hook.key)
        more = (kwargs,) if hook.with_kwargs else ()
        changed = hook.run(module, args, *more, result)
        if changed is not None:
            result = changed
    return gate.wrap_outputs(result) if gate else result
