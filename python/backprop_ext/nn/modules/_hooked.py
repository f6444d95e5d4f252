"""The methods by which hooks are registered on a Module."""

from __future__ import annotations

from collections import OrderedDict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ._hooks import RemovableHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Hooked"]

_HOOK_LISTS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class _WithoutModule:
    """A hook that does not take the module; a class, so that a copy's hook is bound to the copy."""

    def __init__(self, hook: Callable[..., Any]) -> None:
        self.hook = hook

    def __call__(self, module: object, *args: Any) -> Any:
        return self.hook(*args)


class Hooked:
    """Hooks by kind, in the order in which they run."""

    _forward_hooks: dict[int, Callable[..., Any]]
    _forward_pre_hooks: dict[int, Callable[..., Any]]
    _backward_hooks: dict[int, Callable[..., Any]]
    _backward_pre_hooks: dict[int, Callable[..., Any]]
    # (with_kwargs, always_call) of those that have them.
    _hook_options: Mapping[int, tuple[bool, ...]] = MappingProxyType({})
    # Whether one of them was ever filled: the one thing that a call looks at.
    _hooked: bool
    _is_full_backward_hook: bool | None = None
    _state_dict_hooks: dict[Any, Any]
    _state_dict_pre_hooks: dict[Any, Any]
    _load_state_dict_pre_hooks: dict[Any, Any]
    _load_state_dict_post_hooks: dict[Any, Any]

    def _no_hooks(self) -> None:
        for name in _HOOK_LISTS:
            self.__dict__[name] = OrderedDict()
        self.__dict__["_hooked"] = False

    def _note_hooks(self) -> None:
        self.__dict__["_hooked"] = any(self.__dict__[name] for name in _HOOK_LISTS)

    def _add(
        self,
        hooks: dict[int, Callable[..., Any]],
        hook: Callable[..., Any],
        prepend: bool,
        *options: bool,
    ) -> RemovableHandle:
        self.__dict__["_hooked"] = True
        chosen = self.__dict__.setdefault("_hook_options", {}) if any(options) else {}
        handle = RemovableHandle(hooks, hook, prepend, chosen)
        chosen[handle.id] = options
        return handle

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """hook(module, args) before forward; its result replaces args, None does not."""
        return self._add(self._forward_pre_hooks, hook, prepend, with_kwargs)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """hook(module, args, output) after forward; its result replaces output, None does not.

        With `always_call` it also runs, with output None, when forward raises.
        """
        return self._add(self._forward_hooks, hook, prepend, with_kwargs, bool(always_call))

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """hook(module, grad_output) before the gradients go through; its result replaces them."""
        return self._add(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """hook(module, grad_input, grad_output) when they are there; a result replaces grad_input.

        Both are tuples, of the positional arguments and of the outputs, None where no gradient is.
        """
        return self._add_backward(hook, prepend, True)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """The old name of register_full_backward_hook. RuntimeError for a module with both."""
        return self._add_backward(hook, False, False)

    def _add_backward(
        self, hook: Callable[..., Any], prepend: bool, is_full: bool
    ) -> RemovableHandle:
        if self._is_full_backward_hook is (not is_full):
            raise RuntimeError(
                "[register_backward_hook] the module has full and other backward hooks; register "
                "full ones"
            )
        self._is_full_backward_hook = is_full
        return self._add(self._backward_hooks, hook, prepend)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """hook(module, prefix, keep_vars) before state_dict()."""
        return RemovableHandle(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """hook(module, state_dict, prefix, local_metadata) after it; it may change state_dict."""
        return RemovableHandle(self._state_dict_hooks, hook)

    _register_state_dict_hook = register_state_dict_post_hook

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors)."""
        return RemovableHandle(self._load_state_dict_pre_hooks, hook)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        """The older name, whose hooks are called without the module."""
        return self.register_load_state_dict_pre_hook(hook if with_module else _WithoutModule(hook))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """hook(module, incompatible_keys) after loading; it may clear their two lists."""
        return RemovableHandle(self._load_state_dict_post_hooks, hook)
