"""Functions that run before and after a Module's forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .module import Module

    Hook = tuple[Callable[..., Any], bool]

__all__ = ["RemovableHandle", "call_with_hooks"]


class RemovableHandle:
    """Taken from a register call: `remove()`, or the end of a `with`, takes the hook out again."""

    __slots__ = ("_hooks", "_key")

    def __init__(self, hooks: dict[Any, Hook], hook: Hook, prepend: bool) -> None:
        # A key of its own, not the handle: that would be a reference cycle.
        self._hooks, self._key = hooks, object()
        later = dict(hooks) if prepend else {}
        if prepend:
            hooks.clear()
        hooks[self._key] = hook
        hooks.update(later)

    def remove(self) -> None:
        """Take the hook out; a second time does nothing."""
        self._hooks.pop(self._key, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """forward between its hooks: what a hook returns, if not None, replaces what it was given."""
    for hook, with_kwargs in tuple(module._forward_pre_hooks.values()):
        if with_kwargs:
            changed = hook(module, args, kwargs)
            if changed is not None:
                args, kwargs = changed
        else:
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    result = module.forward(*args, **kwargs)
    for hook, with_kwargs in tuple(module._forward_hooks.values()):
        changed = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
        if changed is not None:
            result = changed
    return result
