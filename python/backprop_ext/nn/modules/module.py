"""Module: the base class of layers and models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ... import _core
from ..._core import Tensor
from ..._device import device as as_device
from . import _state
from ._hooks import RemovableHandle, call_with_hooks
from ._tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...types import Device

__all__ = ["Module"]

_M = TypeVar("_M", bound="Module")


class Module(Tree):
    """y = forward(x), with the parameters, buffers and modules that were assigned to attributes.

    A subclass calls super().__init__() and defines forward(); calling the module runs forward and
    the hooks. Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
    """

    training: bool
    _forward_hooks: dict[Any, Any]
    _forward_pre_hooks: dict[Any, Any]

    def __init__(self) -> None:
        self.__setstate__({"training": True})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes. Raises NotImplementedError when the subclass has none."""
        raise NotImplementedError(
            f"[forward] {type(self).__name__} defines no forward(); define what it computes"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._forward_pre_hooks or self._forward_hooks:
            return call_with_hooks(self, args, kwargs)
        return self.forward(*args, **kwargs)

    def __setstate__(self, state: dict[str, Any]) -> None:
        empty: dict[str, Any] = {"_kinds": {}, "_forward_hooks": {}, "_forward_pre_hooks": {}}
        self.__dict__.update(empty | state)

    def __dir__(self) -> list[str]:
        return sorted(name for name in object.__dir__(self) if not name[0].isdigit())

    # Mode, dtype, gradients

    def train(self: _M, mode: bool = True) -> _M:
        """Set `training` here and below: Dropout drops only in training. Raises ValueError."""
        if not isinstance(mode, bool):
            raise ValueError(f"[train] mode is {mode!r}, a bool is needed; pass True or False")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self: _M) -> _M:
        """train(False)."""
        return self.train(False)

    def requires_grad_(self: _M, requires_grad: bool = True) -> _M:
        """Freeze the parameters, or train them."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients, or fill them with 0."""
        for param in self.parameters():
            if set_to_none:
                param.grad = None
            elif param.grad is not None:
                param.grad = param.grad.detach().zero_()

    def apply(self: _M, fn: Callable[[Module], object]) -> _M:
        """fn(module) for all below, and for this one last."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def _apply(self: _M, fn: Callable[[Tensor], Tensor]) -> _M:
        """Replace the values of parameters and buffers; the Parameters stay the same objects."""
        for param in self.parameters():
            grad, param.grad = param.grad, None
            param.data = fn(param.data)
            if grad is not None:
                param.grad = fn(grad.detach())
        done: dict[int, Tensor] = {}
        for module in self.modules():
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module.__dict__[name] = done.setdefault(id(buffer), fn(buffer))
        return self

    def to(
        self: _M, *args: Any, dtype: Any = None, device: Device = None, non_blocking: bool = False
    ) -> _M:
        """Cast the floating-point members to a dtype, in place; the device must be the CPU.

        Raises TypeError for a dtype that is not floating-point, RuntimeError for a device.
        """
        for arg in args:
            if isinstance(arg, (Tensor, _core.dtype)):
                dtype = arg.dtype if isinstance(arg, Tensor) else arg
            elif not isinstance(arg, bool):
                device = arg
        if device is not None:
            as_device(device)
        if dtype is None:
            return self
        if not dtype.is_floating_point:
            raise TypeError(
                f"[to] a module takes floating-point dtypes, not {dtype}; cast the tensor instead"
            )
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def float(self: _M) -> _M:
        """to(float32)."""
        return self.to(_core.float32)

    def double(self: _M) -> _M:
        """to(float64)."""
        return self.to(_core.float64)

    def cpu(self: _M) -> _M:
        """self: there is no other place."""
        return self

    # State

    def state_dict(
        self,
        *,
        destination: dict[str, Any] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Any]:
        """{dotted name: tensor} of parameters and persistent buffers, sharing their storage."""
        return _state.collect(self, destination, prefix, keep_vars)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _state.LoadResult:
        """Copy the values of a state_dict in; with `assign`, take its tensors.

        Raises RuntimeError that lists every missing and (if `strict`) unexpected key and every size
        mismatch, and changes nothing then.
        """
        return _state.restore(self, state_dict, strict, assign)

    # Hooks

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """hook(module, args) before forward; its result replaces args, None does not."""
        return RemovableHandle(self._forward_pre_hooks, (hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """hook(module, args, output) after forward; its result replaces output, None does not."""
        return RemovableHandle(self._forward_hooks, (hook, with_kwargs), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Any:
        """Raises NotImplementedError: a hook on a tensor sees the same gradients."""
        raise NotImplementedError(
            "[register_full_backward_hook] modules have forward hooks only; call "
            "output.register_hook(...) in one to see the gradient of the output"
        )

    # Printing

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the parentheses before the children."""
        return ""

    def _child_reprs(self) -> list[str]:
        return [f"({name}): {child!r}" for name, child in self._modules.items()]

    def __repr__(self) -> str:
        extra = self.extra_repr()
        head = extra.split("\n") if extra else []
        children = [text.replace("\n", "\n  ") for text in self._child_reprs()]
        if len(head) == 1 and not children:
            return f"{self._get_name()}({extra})"
        body = "".join(f"\n  {line}" for line in head + children)
        return f"{self._get_name()}({body}\n)" if body else f"{self._get_name()}()"
