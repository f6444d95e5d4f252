"""Module: the base class of layers and models."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar

from ... import _core, _switches
from ..._core import Tensor
from ..._device import device as _device
from ..._device import no_gpu, on_cpu
from . import _state
from ._hooked import Hooked
from ._hooks import call_with_hooks, global_hooks
from ._hooks import (
    register_module_buffer_registration_hook as register_module_buffer_registration_hook,
)
from ._hooks import register_module_forward_hook as register_module_forward_hook
from ._hooks import register_module_forward_pre_hook as register_module_forward_pre_hook
from ._hooks import register_module_full_backward_hook as register_module_full_backward_hook
from ._hooks import register_module_full_backward_pre_hook as register_module_full_backward_pre_hook
from ._hooks import (
    register_module_module_registration_hook as register_module_module_registration_hook,
)
from ._hooks import (
    register_module_parameter_registration_hook as register_module_parameter_registration_hook,
)
from ._state import _IncompatibleKeys
from ._tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..._layout import memory_format
    from ...types import Device

__all__ = ["Module"]

_M = TypeVar("_M", bound="Module")


class _CallSignature:
    """(*args, **kwargs): what inspect finds of a module, whose call is compiled, not of a class."""

    def __get__(self, module: Module | None, owner: type[Module]) -> Any:
        if module is None:
            raise AttributeError("__signature__")
        from inspect import signature

        return signature(lambda *args, **kwargs: None)


def _member(self: Module, name: str) -> Any:
    """The parameter, buffer or module of a name. Raises AttributeError."""
    if name in self.__dict__.get("_kinds", ()):
        return self.__dict__[name]
    raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class Module(Hooked, Tree):
    """y = forward(x), with the parameters, buffers and modules that were assigned to attributes.

    A subclass calls super().__init__() and defines forward(); calling the module runs forward and
    the hooks. Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
    """

    training: bool
    dump_patches = call_super_init = False  # switches of PyTorch's that scripts ask for
    _version = 1
    __signature__ = _CallSignature()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # A class that looks for names itself, or that calls __getattr__, may mean Module's own.
        # Attributes cost more in modules with it, so it is there from the first such class on.
        codes = (getattr(member, "__code__", None) for member in vars(cls).values())
        if hasattr(cls, "__getattr__") or any(c and "__getattr__" in c.co_names for c in codes):
            Module.__getattr__ = _member  # type: ignore[attr-defined]

    def __init__(self) -> None:
        Module.__setstate__(self, {"training": True})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes. Raises NotImplementedError when the subclass has none."""
        raise NotImplementedError(
            f"[forward] {type(self).__name__} defines no forward(); define what it computes"
        )

    if TYPE_CHECKING:

        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__["_kinds"] = {}
        self._no_hooks()
        self.__dict__.update(self._take_books(state))
        self._note_hooks()

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
        """Freeze the parameters, or train them. TypeError for what is no bool."""
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

    def _apply(self: _M, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> _M:
        """Replace the values of parameters and buffers; the Parameters stay the same objects."""
        for child in self.children() if recurse else ():
            child._apply(fn)  # which may have more to replace
        for param in self._parameters.values():
            if param is not None:
                grad = param.grad
                found, of_grad = fn(param.data), None if grad is None else fn(grad.detach())
                param.grad = None
                if found.is_meta or param.is_meta:
                    from ..._meta import adopt

                    adopt(param, found)
                else:
                    param.data = found
                param.grad = of_grad
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self.__dict__[name] = fn(buffer)
        return self

    def to(
        self: _M,
        *args: Any,
        dtype: Any = None,
        device: Device = None,
        non_blocking: bool = False,
        memory_format: memory_format | None = None,
    ) -> _M:
        """Cast the floating-point members to a dtype, in place; the device must be the CPU.

        Members of 4 or 5 dimensions are laid out in a memory format that is given.
        TypeError for a dtype that is not floating-point, `cuda()`'s and others' for a device.
        """
        first, *rest = args or (None,)
        if isinstance(first, (Tensor, _core.dtype)):
            dtype = first.dtype if isinstance(first, Tensor) else first
        elif args:
            device = first
            if rest and isinstance(rest[0], (_core.dtype, NoneType)):
                dtype = rest.pop(0)
        if isinstance(first, bool) or not all(isinstance(switch, bool) for switch in rest):
            raise TypeError(f"[to] {args} name no place and type; pass a device, a dtype, or both")
        if len(rest) > 1:
            raise RuntimeError("[to] a module is cast in place, without copy; leave it out")
        meta = device is not None and not isinstance(device, int) and _device(device).type == "meta"
        if device is not None and not meta:
            on_cpu(device)
        kind = _core.float32 if dtype is None else dtype
        if not (isinstance(kind, _core.dtype) and (kind.is_floating_point or kind.is_complex)):
            raise TypeError(
                f"[to] a module takes floating-point or complex dtypes, not {dtype}; cast the "
                "tensor instead"
            )

        if not isinstance(memory_format, (_core.memory_format, NoneType)):
            raise TypeError(f"[to] memory_format={memory_format!r}; pass torch.channels_last, say")

        def moved(t: Tensor) -> Tensor:
            kind = dtype if t.is_floating_point() or t.is_complex() else None
            laid = memory_format if t.dim() in (4, 5) else None
            return t.to(device=device, dtype=kind, memory_format=laid)

        stays = dtype is None and memory_format is None and not meta
        if stays and device is not None:
            stays = not any(t.is_meta for t in (*self.parameters(), *self.buffers()))
        return self if stays else self._apply(moved)

    def share_memory(self: _M) -> _M:
        """Moves parameters and buffers to memory that processes have in common."""
        return self._apply(lambda t: t.share_memory_())

    def float(self: _M) -> _M:
        """Parameters and buffers of real floats as float32."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def half(self: _M) -> _M:
        """Parameters and buffers of real floats as float16."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self: _M) -> _M:
        """Parameters and buffers of real floats as bfloat16."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def double(self: _M) -> _M:
        """Parameters and buffers of real floats as float64."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def type(self: _M, dst_type: Any) -> _M:
        """Cast all parameters and buffers to a dtype, in place."""
        if dst_type is None or isinstance(dst_type, Tensor):
            raise TypeError(f"[type] dst_type is a {type(dst_type).__name__}; pass a dtype")
        return self._apply(lambda t: t.type(dst_type))

    def to_empty(self: _M, *, device: Device, recurse: bool = True) -> _M:
        """Give parameters and buffers new memory, its values undefined."""
        if device is not None and _device(device).type == "meta":
            return self.to(device)
        if device is not None:
            on_cpu(device)

        def empty(t: Tensor) -> Tensor:
            if not t.is_meta:
                return _core.empty_like(t)
            from ..._meta import emptied

            return emptied(t)

        return self._apply(empty)

    def compile(self, *args: Any, **options: Any) -> None:
        """Nothing, as `torch.compile`, whose options are checked: there is no compiler."""
        _switches.compile(self, *args, **options)

    def cuda(self: _M, device: Device = None) -> _M:
        """Raises AssertionError: there is no GPU."""
        raise no_gpu(device)

    def cpu(self: _M) -> _M:
        """self; what is on the meta device has no values to bring."""
        return self.to("cpu")

    # State

    def state_dict(
        self,
        *args: Any,
        destination: dict[str, Any] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Any]:
        """{dotted name: tensor} of parameters and persistent buffers, sharing their storage."""
        if args:  # once they could be given by place
            given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
            return self.state_dict(**given)
        return _state.collect(self, destination, prefix, keep_vars)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        _state.save_own(self, destination, prefix, keep_vars)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy the values of a state_dict in; with `assign`, take its tensors.

        Raises RuntimeError that lists every missing and (if `strict`) unexpected key and every size
        mismatch, and changes nothing then; TypeError for what is no mapping.
        """
        if not hasattr(state_dict, "keys"):
            raise TypeError(
                f"[load_state_dict] Expected state_dict to be dict-like, got {type(state_dict)}; "
                "pass what state_dict() returned"
            )
        return _state.restore(self, state_dict, strict, assign)

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        _state.load_own(self, state_dict, prefix, missing_keys, unexpected_keys, error_msgs)

    def get_extra_state(self) -> Any:
        """What else belongs to the state: a subclass that returns it has it in its state_dict."""
        raise RuntimeError(
            f"[get_extra_state] {type(self).__name__} defines none; define it and set_extra_state"
        )

    def set_extra_state(self, state: Any) -> None:
        """Take back what get_extra_state returned."""
        raise RuntimeError(
            f"[set_extra_state] {type(self).__name__} defines none; define it and get_extra_state"
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


_core._install_module_call(Module, global_hooks, call_with_hooks)
