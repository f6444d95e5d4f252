"""The meta device: tensors of a shape and a type without values.

An operation on them runs as always, but for its kernels (cpp/launch/launch.h). What would hand out
values raises.
Source: https://docs.pytorch.org/docs/stable/meta.html
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from . import _core
from ._core import Tensor
from ._device import OnMetaError, device
from ._overrides import DisableTorchFunctionSubclass, dispatch
from ._tensor_str import plain_types

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MetaTensor",
    "adopt",
    "as_meta",
    "dressed",
    "emptied",
    "in_class",
    "make",
    "silently",
    "told",
]

META = device("meta")
# What has no `input` whose place decides.
_CREATES = {
    *("arange", "empty", "empty_strided", "eye", "full", "linspace", "logspace", "normal", "ones"),
    *("rand", "randint", "randn", "randperm", "tril_indices", "triu_indices", "zeros"),
}
# Their results, or the shapes of them, depend on values.
_NEEDS_VALUES = {
    *("allclose", "bincount", "equal", "histc", "is_nonzero", "masked_select", "nonzero"),
    *("argwhere", "unique", "unique_consecutive", "__contains__"),
}
# Where a tensor is given beside the first.
_NEEDS_VALUES_BESIDE = {"repeat_interleave", "tensor_split"}


@contextmanager
def silently() -> Iterator[None]:
    """Without kernels, without classes that are asked, and without using up random numbers."""
    generator = _core.default_generator
    state = generator.get_state()
    with DisableTorchFunctionSubclass():
        _core._skip_kernels(True)
        try:
            yield
        finally:
            _core._skip_kernels(False)
            generator.set_state(state)


@cache
def _class(kind: Any, on_meta: bool) -> Any:
    """The class of the same name on the other side."""
    if on_meta:
        body = {"__module__": kind.__module__, "_plain": kind, "__repr__": kind.__repr__}
        made = type(kind.__name__, (MetaTensor, kind), body)
        if kind in plain_types:
            plain_types.add(made)
        return made
    return kind.__dict__.get("_plain", Tensor)


def _class_of(t: Any, on_meta: bool) -> Any:
    kind: Any = type(t)
    return _class(kind, on_meta)


def _leaf(t: Tensor, kind: Any, requires_grad: bool) -> Tensor:
    return _core._make_subclass(kind, t, requires_grad)  # type: ignore[no-any-return]


def dressed(result: Any) -> Any:
    if isinstance(result, MetaTensor):
        return result
    if isinstance(result, Tensor):
        return _core._in_class(result, MetaTensor)
    if isinstance(result, (tuple, list)):
        items = [dressed(item) for item in result]
        return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
    return result


def in_class(kind: Any) -> Any:
    """The class of that name on the meta device."""
    return _class(kind, True)


def as_meta(t: Tensor) -> Tensor:
    """A tensor of the same shape, type and class on the meta device."""
    if isinstance(t, MetaTensor):
        return t
    kind: Any = type(t)
    with silently():
        empty = _core.empty_like(t.detach())
    return _leaf(empty, MetaTensor if kind is Tensor else _class(kind, True), t.requires_grad)


def emptied(t: Tensor) -> Tensor:
    """Memory for it on the CPU, its values undefined."""
    empty = _core.empty_strided(t.shape, t.stride(), dtype=t.dtype)
    return _leaf(empty, _class_of(t, False), t.requires_grad)


def adopt(t: Tensor, found: Tensor) -> None:
    """t.data = found, also where that is on the other device: the same object goes there."""
    t.data = found
    if isinstance(t, MetaTensor) is not (meta := isinstance(found, MetaTensor)):
        t.__class__ = _class_of(t, meta)


def make(func: Any, args: Any, kwargs: Any) -> Any:
    """func(*args, device="meta", ...), which came to where the CPU is known; or tensor.to."""
    kwargs = {name: value for name, value in (kwargs or {}).items() if name != "device"}
    if isinstance(func, Tensor):
        args = [a for a in args if not isinstance(a, (str, device))]
        with silently():
            cast = func.detach().to(*args, **kwargs)
        return as_meta(cast).requires_grad_(func.requires_grad)
    requires_grad = kwargs.pop("requires_grad", False)
    with silently():
        made = func(*args, **kwargs)
    return _leaf(made, MetaTensor, requires_grad)


def told(func: Any, found: Any, args: Any, kwargs: Any) -> Any:
    """Any call in a block of `with torch.device("meta")`."""
    if func.__name__ in _CREATES and kwargs.get("device") is None:
        return make(func, args, kwargs)
    if found:
        return dispatch(func, found, args, kwargs)
    with DisableTorchFunctionSubclass():
        return func(*args, **kwargs)


def _no_data(self: Tensor, *args: Any, **kwargs: Any) -> NoReturn:
    raise NotImplementedError(
        "Cannot copy out of meta tensor; no data! [meta] give a module memory by to_empty(), or "
        "make the tensor on the cpu"
    )


def _has_bools(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(i, MetaTensor) and i.dtype in (_core.bool, _core.uint8) for i in parts)


class MetaTensor(Tensor):
    """A shape and a type; no values."""

    _without_memory = True
    device = property(lambda self: META)
    is_meta = property(lambda self: True)
    is_cpu = property(lambda self: False)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The call without its kernels. NotImplementedError where values are needed."""
        name = getattr(func, "__name__", "")
        kwargs = dict(kwargs or {})
        beside = any(isinstance(value, MetaTensor) for value in (*args[1:], *kwargs.values()))
        if name in _NEEDS_VALUES or (beside and name in _NEEDS_VALUES_BESIDE):
            _no_data(args[0])
        if name == "__getitem__" and _has_bools(args[1]):
            _no_data(args[0])
        if (place := kwargs.pop("device", None)) is not None and device(place) != META:
            with DisableTorchFunctionSubclass():
                return func(*args, device=place, **kwargs)
        with silently():
            result = func(*args, **kwargs)
        if any(result is value for value in args) and not isinstance(result, MetaTensor):
            _no_data(result)  # to be written into what is on the cpu
        return dressed(result)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Another type. NotImplementedError for another device."""
        places = [a for a in (*args, kwargs.pop("device", None)) if isinstance(a, (str, device))]
        if any(device(place) != META for place in places):
            _no_data(self)
        args = tuple(a for a in args if not isinstance(a, (str, device)))
        with silently():
            return dressed(Tensor.to(self, *args, **kwargs))

    def backward(self, *args: Any, **kwargs: Any) -> None:
        """Gradients on the meta device."""
        with silently():
            Tensor.backward(self, *args, **kwargs)

    @property
    def grad(self) -> Any:
        """The gradient, on the meta device too."""
        g = _grad.__get__(self)
        return g if g is None else dressed(g)

    @grad.setter
    def grad(self, value: Any) -> None:
        _grad.__set__(self, value)

    def data_ptr(self) -> int:
        """0."""
        return 0

    def __format__(self, spec: str) -> str:
        return repr(self)

    def numpy(self, *, force: bool = False) -> Any:
        """TypeError: there are no values."""
        raise TypeError("[numpy] can't convert meta device type tensor to numpy: it has no values")

    def item(self) -> Any:
        """RuntimeError: there are no values."""
        raise RuntimeError("[item] Tensor.item() cannot be called on meta tensors: no values")

    tolist = cpu = _no_data
    __bool__ = __float__ = __int__ = __index__ = item
    __complex__ = __reduce_ex__ = _no_data


def _here(new: Any) -> Any:
    def call(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return new(self, *args, **{"device": META} | kwargs)

    return call


for _name in ("new_empty", "new_full", "new_ones", "new_tensor", "new_zeros"):
    setattr(MetaTensor, _name, _here(getattr(Tensor, _name)))
_grad: Any = Tensor.grad
plain_types.add(MetaTensor)
MetaTensor.__name__ = "Tensor"
_core._set_meta(OnMetaError, make)
