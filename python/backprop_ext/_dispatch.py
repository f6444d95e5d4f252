"""Modes that see every call, and classes that answer below autograd: `__torch_dispatch__`.

Calls come here from where classes derived from Tensor are looked for (cpp/bindings/overrides.cpp),
while a mode is open or once such a class was made; operators, while a mode is open, by way of
functions in their slots. Nothing of it is in the way of others.
Source: https://docs.pytorch.org/docs/stable/notes/extending.html
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from . import _core, _overrides
from ._aten import canonical, composite
from ._core import Tensor
from ._device import on_cpu
from .utils._pytree import tree_leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["TorchDispatchMode", "TorchFunctionMode", "make_wrapper", "rebuilt", "tell", "told"]


class _Open(threading.local):
    """The modes of this thread, the innermost last."""

    def __init__(self) -> None:
        self.functions: list[Any] = []
        self.below: list[Any] = []
        self.quiet = False  # while a call is taken apart

    def __bool__(self) -> bool:
        return bool(self.functions or self.below) and not self.quiet


_open = _Open()
_count = 0  # of modes that are open in all threads
_lock = threading.Lock()
_plain_operators: dict[str, Any] = {}
_overridden: dict[str, Any] = {}


def _listen() -> None:
    _core._set_mode(told if _open else None, bool(_open.below))


@contextmanager
def _without_last(stack: list[Any]) -> Iterator[Any]:
    """What a mode calls goes to the next one."""
    mode = stack.pop()
    _listen()
    try:
        yield mode
    finally:
        stack.append(mode)
        _listen()


@contextmanager
def _quiet(on: bool) -> Iterator[None]:
    """Nobody is told, or again."""
    before, _open.quiet = _open.quiet, on
    _listen()
    try:
        yield
    finally:
        _open.quiet = before
        _listen()


def _types(values: list[Any]) -> tuple[type, ...]:
    return tuple(dict.fromkeys(type(value) for value in values))


def told(func: Any, found: Any, args: Any, kwargs: Any) -> Any:
    """A call: the innermost function mode answers, or a class; what is below them goes on."""
    asked = [value for value in found if _overrides.takes_part(value)]
    if _open.functions:
        with _without_last(_open.functions) as mode:
            result = mode.__torch_function__(func, _types(asked), args, kwargs or {})
        if result is not NotImplemented:
            return result
        return _overrides.dispatch(func, asked, args, kwargs)
    if asked:
        return _overrides.dispatch(func, asked, args, kwargs)
    return below(func, args, kwargs)


def _holders(args: Any, kwargs: Any) -> list[Any]:
    given = tree_leaves((args, kwargs))
    return [v for v in given if isinstance(v, Tensor) and hasattr(v, "__torch_dispatch__")]


def below(func: Any, args: Any, kwargs: Any) -> Any:
    """The call as __torch_dispatch__ is told of it: one operation of torch.ops.aten or several."""
    kwargs = kwargs or {}
    if not _open.below and not _holders(args, kwargs):
        return func(*args, **kwargs)
    with _quiet(True):
        if (parts := composite(func)) is not None:
            return parts(*args, **kwargs)
        op, args, kwargs = canonical(func, args, kwargs)
    result = tell(op, args, kwargs)
    return args[0] if op.overloadpacket.__name__[-1] == "_" else result  # written in place


def tell(op: Any, args: Any, kwargs: Any) -> Any:
    """An operation: the innermost dispatch mode answers, or a class, or it runs."""
    with _quiet(False):
        return _answer(op, args, kwargs)


def _answer(op: Any, args: Any, kwargs: Any) -> Any:
    holders = _holders(args, kwargs)
    types = _types(holders)
    if _open.below:
        with _without_last(_open.below) as mode:
            result = mode.__torch_dispatch__(op, types, args, kwargs)
        if result is not NotImplemented:
            return result
        types = types or (type(mode),)
    for kind in sorted(_types(holders), key=lambda kind: -len(kind.__mro__)):
        result = kind.__torch_dispatch__(op, types, args, kwargs)  # type: ignore[attr-defined]
        if result is not NotImplemented:
            return result
    if types:
        raise TypeError(
            f"[{op}] __torch_dispatch__ of {[kind.__name__ for kind in types]} returned "
            "NotImplemented; let one of them handle the operation"
        )
    return op(*args, **kwargs)


def _operators() -> dict[str, Any]:
    """What Python calls, and the operation that is told of."""
    named = {f"__{name}__": op for name, op in (_overrides.BINARY | _overrides.OTHERS).items()}
    for name, op in _overrides.BINARY.items():
        if name != "matmul":
            named[f"__i{name}__"] = f"{op}_"
        named[f"__r{name}__"] = op if name in ("add", "mul") else f"__r{name}__"
    named |= {"to": "to", "item": "item"}
    return {
        name: getattr(Tensor, op if hasattr(Tensor, op) else name)
        for name, op in named.items()
        if name not in ("__repr__", "__pos__")
    }


def _operator(name: str, operation: Any, plain: Any, always: bool) -> Callable[..., Any]:
    """A method that is told: of a class that answers, or of Tensor while modes are open."""
    ready = (Tensor, int, float, complex)

    def call(self: Any, *others: Any, **kwargs: Any) -> Any:
        one = others[0] if others else 0
        foreign = not isinstance(one, ready) and name[:2] == "__" and name[-6:] != "item__"
        if foreign or not (always or _open):
            return NotImplemented if plain is None else plain(self, *others, **kwargs)
        if name[:3] == "__r" and isinstance(one, Tensor):
            turned = getattr(Tensor, _overrides.BINARY[name[3:-2]])
            return told(turned, [one, self], (one, self), None)
        found = [v for v in (self, *others) if isinstance(v, Tensor)]
        return told(operation, found, (self, *others), kwargs)

    call.__name__ = name
    return call


def _watch_operators(on: bool) -> None:
    for name, operation in (_operators() if on else {}).items():
        _plain_operators[name] = plain = getattr(Tensor, name)
        _overridden[name] = _operator(name, operation, plain, False)
    for name, method in (_overridden if on else _plain_operators).items():
        setattr(Tensor, name, method)


def _refused(what: str) -> Callable[..., Any]:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"[{what}] is not supported for tensor subclasses, got {type(self).__name__}, which "
            "has no memory of its own; take what it holds"
        )

    return refuse


def _attribute(get: Any) -> property:
    return property(lambda self: told(get, [self], (self,), None))


def answer_for(cls: Any) -> None:
    """A class with __torch_dispatch__ was made: its operators and attributes are told of."""
    _core._subclasses_take_part(True)
    _core._set_overrides(told, _overrides.disabled)
    own = _overrides.own_names(cls)
    made: dict[str, Any] = {
        name: _operator(name, _plain_operators.get(operation.__name__, operation), None, True)
        for name, operation in _operators().items()
    }
    for name in _overrides.SHOWN:
        made[name] = _attribute(getattr(Tensor, name).__get__)
    made |= _HOLDER
    for name in set(made) - own:
        setattr(cls, name, made[name])


def _number(kind: Any) -> Any:
    return lambda self: kind(self.item())


def _copy(self: Any, memo: dict[int, Any]) -> Any:
    if id(self) not in memo:
        memo[id(self)] = self.clone()
    return memo[id(self)]


def _reduce(self: Any, protocol: Any) -> Any:
    made_of = (type(self), tuple(self.shape), self.stride(), self.dtype, dict(self.__dict__))
    return rebuilt, made_of


def rebuilt(cls: Any, size: Any, strides: Any, dtype: Any, attributes: dict[str, Any]) -> Any:
    """What a file says of an object. ValueError for another class."""
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise ValueError(f"{cls!r} is no class of tensors")
    made = make_wrapper(cls, size, strides, dtype=dtype)
    made.__dict__.update(attributes)
    return made


def _without_graph(self: Any, requires_grad: bool = True) -> Any:
    if requires_grad:
        raise NotImplementedError(
            f"[requires_grad_] of a {type(self).__name__}: no graph goes through "
            "__torch_dispatch__ here; let the tensors inside require grad"
        )
    return self


def _tolds(name: str) -> Any:
    plain = getattr(Tensor, name)
    return lambda self, *args, **kwargs: told(plain, [self], (self, *args), kwargs)


_HOLDER: dict[str, Any] = {name: _refused(name) for name in ("numpy", "tolist", "__array__")}
_HOLDER |= {"__deepcopy__": _copy, "__reduce_ex__": _reduce, "requires_grad_": _without_graph}
_HOLDER |= {f"__{kind.__name__}__": _number(kind) for kind in (bool, int, float, complex)}
_HOLDER["__index__"] = _number(int)
_HOLDER |= {
    name: _tolds(name) for name in ("cpu", "pin_memory", "new_empty", "new_ones", "new_zeros")
}
_HOLDER["_without_memory"] = True
_HOLDER["data_ptr"] = lambda self: 0
_HOLDER["__repr__"] = lambda self: (
    f"{type(self).__name__}(..., size={tuple(self.shape)}, dtype={self.dtype})"
)


def make_wrapper(
    cls: Any,
    size: Any,
    strides: Any = None,
    storage_offset: Any = None,
    memory_format: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """An object of a subclass, of a shape and a type, which says itself what it holds.

    Its class answers by __torch_dispatch__ or __torch_function__. NotImplementedError where it is
    to require grad.
    """
    if device is not None:
        on_cpu(device)
    from ._meta import silently

    with _quiet(True), silently():
        if strides is None:
            made = _core.empty(tuple(size), dtype=dtype)
        else:
            made = _core.empty_strided(tuple(size), tuple(strides), dtype=dtype)
    made = _core._make_subclass(cls, made)
    return _without_graph(made, True) if requires_grad else made


def _enter(stack: list[Any], mode: Any) -> None:
    global _count
    with _lock:
        if not _count:
            _watch_operators(True)
        _count += 1
    stack.append(mode)
    _listen()


def _leave(stack: list[Any]) -> None:
    global _count
    stack.pop()
    _listen()
    with _lock:
        _count -= 1
        if not _count:
            _watch_operators(False)


class TorchFunctionMode:
    """In its block `__torch_function__(func, types, args, kwargs)` answers for every call.

    What that calls goes to the next mode outwards.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise NotImplementedError

    def __enter__(self) -> Any:
        _enter(_open.functions, self)
        return self

    def __exit__(self, *error: object) -> None:
        _leave(_open.functions)


class TorchDispatchMode:
    """In its block `__torch_dispatch__(func, types, args, kwargs)` answers for every operation.

    func is one of torch.ops.aten. It is asked above autograd: what it returns is recorded, and the
    backward pass is not seen.
    """

    def __init__(self, _dispatch_key: Any = None) -> None:
        pass

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise NotImplementedError

    def __enter__(self) -> Any:
        _enter(_open.below, self)
        return self

    def __exit__(self, *error: object) -> None:
        _leave(_open.below)
