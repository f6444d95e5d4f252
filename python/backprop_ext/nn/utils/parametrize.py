"""Parameters that are computed from others: module.weight = f(module.parametrizations.weight).

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrize.register_parametrization.html
"""

from __future__ import annotations

import copy
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..._core import Tensor
from ...autograd.grad_mode import no_grad
from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module
from ..parameter import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_depth = 0
_cache: dict[tuple[int, str], Tensor] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Inside, every parametrized tensor is computed once."""
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if not _depth:
            _cache.clear()


class ParametrizationList(ModuleList):
    """f_n(... f_1(original)), with the original tensors as parameters or buffers.

    A right_inverse that returns several tensors makes them original0, original1, ...
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("[ParametrizationList] no modules; ParametrizationList requires one")
        super().__init__(modules)
        self.unsafe = unsafe
        value: Any = original
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with suppress(NotImplementedError):  # it starts from the value as it is
                        value = module.right_inverse(value)
        self.is_tensor = isinstance(value, Tensor)
        self.ntensors = 1 if self.is_tensor else len(value)
        wanted = isinstance(original, Parameter) and original.requires_grad
        for name, part in self._named([value] if self.is_tensor else list(value)):
            if isinstance(original, Parameter):
                whole = part is original
                kept = original if whole else Parameter(part, wanted)
                self.register_parameter(name, kept)
            else:
                self.register_buffer(name, part)

    def _named(self, values: list[Any]) -> list[tuple[str, Any]]:
        names = [f"original{k}" for k in range(self.ntensors)]
        return list(zip(["original"] if self.is_tensor else names, values, strict=True))

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrized tensor becomes `value`."""
        with no_grad():
            new: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"[right_inverse] {type(module).__name__} defines none; define it to assign"
                    )
                new = module.right_inverse(new)
            for name, part in self._named([new] if self.is_tensor else list(new)):
                kept = getattr(self, name)
                if kept.shape == part.shape:
                    kept.copy_(part)
                else:
                    kept.data = part.detach().clone()

    def forward(self) -> Tensor:
        originals = [getattr(self, name) for name, _ in self._named([None] * self.ntensors)]
        first, *rest = list(self)
        x: Tensor = first(*originals)
        for module in rest:
            x = module(x)
        return x


def _property(name: str) -> property:
    def get(self: Any) -> Tensor:
        compute = self.parametrizations[name]
        if not _depth:
            return compute()  # type: ignore[no-any-return]
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = compute()
        return _cache[key]

    def put(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def _lists(module: Module) -> Any:
    """What its tensors are computed by, a ModuleDict by name."""
    return module.__dict__["parametrizations"]


def _open_class(module: Module) -> None:
    """Give the module a class of its own, to hold the properties."""
    kind = type(module)

    def deepcopy(self: Any, memo: dict[int, Any]) -> Any:
        other = memo[id(self)] = self.__new__(self.__class__)
        other.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return other

    methods = {} if hasattr(kind, "__deepcopy__") else {"__deepcopy__": deepcopy}
    module.__class__ = type(f"Parametrized{kind.__name__}", (kind,), methods)


def _close_class(module: Module) -> None:
    """Give the module its own class back."""
    module.__class__ = type(module).__bases__[0]


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """From now on module.tensor_name is parametrization(original); returns the module.

    Raises ValueError when there is no such tensor, or (unless `unsafe`) the shape or dtype would
    change.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        found = _lists(module)[tensor_name]
        before = getattr(module, tensor_name)
        _check(tensor_name, before, parametrization(before), unsafe)
        if hasattr(parametrization, "right_inverse"):
            with no_grad():
                found.right_inverse(parametrization.right_inverse(before))
        found.append(parametrization)
        return module
    if tensor_name not in {**module._parameters, **module._buffers}:
        raise ValueError(
            f"[register_parametrization] {type(module).__name__} has no parameter or buffer "
            f"{tensor_name!r}; named_parameters() lists them"
        )
    original = getattr(module, tensor_name)
    parts = ParametrizationList([parametrization], original, unsafe)
    with no_grad():
        _check(tensor_name, original, parts(), unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        _open_class(module)
        module.register_module("parametrizations", ModuleDict())
    setattr(type(module), tensor_name, _property(tensor_name))
    _lists(module)[tensor_name] = parts
    return module


def _check(name: str, before: Tensor, after: Any, unsafe: bool) -> None:
    if unsafe:
        return
    if not isinstance(after, Tensor):
        raise ValueError(
            f"[register_parametrization] the parametrization of {name!r} returned a "
            f"{type(after).__name__}, it must return a tensor"
        )
    if (after.shape, after.dtype) != (before.shape, before.dtype):
        raise ValueError(
            f"[register_parametrization] {name!r} would change from {tuple(before.shape)} "
            f"{before.dtype} to {tuple(after.shape)} {after.dtype}; pass unsafe=True if it may"
        )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module, or one tensor of it, is computed from others."""
    found = module.__dict__.get("parametrizations")
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make the tensor a parameter again: its present value, or (one original only) the original.

    Raises ValueError when it is not parametrized.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(
            f"[remove_parametrizations] {type(module).__name__}.{tensor_name} is not parametrized; "
            "is_parametrized() tells"
        )
    parts = _lists(module)[tensor_name]
    if not leave_parametrized and not parts.is_tensor:
        raise ValueError(
            "[remove_parametrizations] leave_parametrized=False needs one original tensor; there "
            f"are {parts.ntensors}"
        )
    value: Any = parts.original if parts.is_tensor else parts.original0
    if leave_parametrized:
        with no_grad():
            new = getattr(module, tensor_name)
        if parts.is_tensor:
            value.data = new.data
        elif isinstance(value, Parameter):
            value = Parameter(new.detach(), value.requires_grad)
        else:
            value = new
    delattr(type(module), tensor_name)
    del _lists(module)[tensor_name]
    if isinstance(value, Parameter):
        module.register_parameter(tensor_name, value)
    else:
        module.register_buffer(tensor_name, value)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        _close_class(module)
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that the module had."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Give to_module copies of from_module's parametrizations, and the values of its tensors."""
    if not is_parametrized(from_module):
        return to_module
    source = _lists(from_module)
    for name in [tensor_name] if tensor_name is not None else list(source):
        for parametrization in source[name]:
            register_parametrization(to_module, name, copy.deepcopy(parametrization), unsafe=True)
        target = _lists(to_module)
        with no_grad():
            for key, value in source[name]._named([None] * source[name].ntensors):
                del value
                getattr(target[name], key).copy_(getattr(source[name], key))
    return to_module
