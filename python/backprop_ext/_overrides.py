"""Classes of one's own in the place of tensors: `__torch_function__`, asked before or instead.

A class derived from Tensor is asked before an operation runs, and its results are of that class
again; any other class with the method is asked where the operation does not take its object.
Source: https://docs.pytorch.org/docs/stable/notes/extending.html
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from . import _core
from ._core import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = [
    "BINARY",
    "OTHERS",
    "SHOWN",
    "DisableTorchFunctionSubclass",
    "as_is",
    "disabled",
    "dispatch",
    "handle_torch_function",
    "has_torch_function",
    "own_names",
    "takes_part",
]

# What Python calls for an operator, and the operation that __torch_function__ is told of.
BINARY = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "truediv": "div",
    "matmul": "matmul",
    "mod": "remainder",
    "pow": "pow",
    "floordiv": "__floordiv__",
    "and": "__and__",
    "or": "__or__",
    "xor": "__xor__",
    "lshift": "__lshift__",
    "rshift": "__rshift__",
}
OTHERS = {"neg": "neg", "pos": "positive", "abs": "abs", "invert": "__invert__"}
OTHERS |= {"eq": "__eq__", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge"}
OTHERS |= {"getitem": "__getitem__", "setitem": "__setitem__", "repr": "__repr__"}
SHOWN = ("T", "H", "mT", "mH", "data", "real", "imag")

# Operations whose results stay as they are: a gradient is a plain tensor.
as_is: set[Any] = set()


def disabled(func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """Stands as `__torch_function__` in a class that takes no part, as Parameter."""
    return NotImplemented


@contextmanager
def DisableTorchFunctionSubclass() -> Iterator[None]:  # noqa: N802 (PyTorch's name)
    """In this context classes derived from Tensor are as Tensor itself: nobody asks them."""
    _core._ask_subclasses(False)
    try:
        yield
    finally:
        _core._ask_subclasses(True)


takes_part = _core._takes_part


def dispatch(func: Any, found: Sequence[Any], args: Any, kwargs: Any) -> Any:
    """What the first of the objects makes of func(*args, **kwargs), a subclass before its base.

    TypeError where all of them answer NotImplemented.
    """
    asked: list[Any] = []
    for value in found:
        if all(type(value) is not type(other) for other in asked):
            at = [k for k, other in enumerate(asked) if isinstance(value, type(other))]
            asked.insert(at[0] if at else len(asked), value)
    types = tuple(type(value) for value in asked)
    for value in asked:
        result = type(value).__torch_function__(func, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = getattr(func, "__name__", func)
    raise TypeError(
        f"[{name}] __torch_function__ of {[kind.__name__ for kind in types]} returned "
        "NotImplemented; let one of them handle the operation"
    )


def _as(cls: type[Tensor], result: Any) -> Any:
    if isinstance(result, Tensor):
        return result if isinstance(result, cls) else _core._as_subclass(result, cls)
    if isinstance(result, (tuple, list)) and any(isinstance(item, Tensor) for item in result):
        items = [_as(cls, item) for item in result]
        return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
    return result


def _torch_function(
    cls: type[Tensor], func: Any, types: Any, args: Any = (), kwargs: Any = None
) -> Any:
    """func(*args, **kwargs) on plain tensors, its results as objects of the class.

    NotImplemented where another class takes part that this one does not derive from.
    """
    if not all(issubclass(cls, other) for other in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        if hasattr(cls, "__torch_dispatch__"):
            from ._dispatch import below

            result = below(func, args, kwargs)
        else:
            result = func(*args, **(kwargs or {}))
        return result if func in as_is else _as(cls, result)


def _asked(func: Any, operands: tuple[Any, ...]) -> Any:
    return dispatch(func, [value for value in operands if takes_part(value)], operands, None)


def _operator(name: str, func: Any) -> Callable[..., Any]:
    """self + other and the like, of which the class is asked first."""
    plain = getattr(Tensor, name)

    def call(self: Any, *others: Any) -> Any:
        return _asked(func, (self, *others)) if _asks(others) else plain(self, *others)

    return call


def _reflected(name: str, func: Any, either_way: bool) -> Callable[..., Any]:
    """other + self, for numbers and for tensors, whose own operator would have come first."""
    plain = getattr(Tensor, name)

    def call(self: Any, other: Any) -> Any:
        if not _asks((other,)):
            return plain(self, other)
        if isinstance(other, Tensor):
            return _asked(func, (other, self))
        return _asked(func if either_way else plain, (self, other))

    return call


def _asks(others: tuple[Any, ...]) -> bool:
    """Whether the class is asked; an operand that knows more than a tensor comes first."""
    foreign = len(others) == 1 and hasattr(others[0], "__torch_function__")
    return _core._subclasses_are_asked() and not (foreign and not isinstance(others[0], Tensor))


def _attribute(name: str) -> property:
    shown = getattr(Tensor, name)

    def get(self: Any) -> Any:
        return _asked(shown.__get__, (self,)) if _asks(()) else shown.__get__(self)

    return property(get, getattr(shown, "__set__", None), doc=shown.__doc__)


def _take_part(cls: type[Tensor], /, **options: Any) -> None:
    """Called for each class derived from Tensor: from now on calls look for its objects."""
    super(Tensor, cls).__init_subclass__(**options)
    below = hasattr(cls, "__torch_dispatch__")
    if below:
        from ._dispatch import answer_for

        answer_for(cls)
    if below or getattr(cls, "__torch_function__", disabled) is disabled:
        return
    _core._subclasses_take_part(False)
    wanted = {f"__{name}__": _operator for name in (*BINARY, *OTHERS)}
    for name in set(wanted) - set(own_names(cls)):
        setattr(cls, name, _operator(name, getattr(Tensor, (BINARY | OTHERS)[name[2:-2]])))
    for name, operation in BINARY.items():
        if (turned := f"__r{name}__") not in own_names(cls):
            func = getattr(Tensor, operation)
            setattr(cls, turned, _reflected(turned, func, name in ("add", "mul")))
    for name in set(SHOWN) - set(own_names(cls)):
        setattr(cls, name, _attribute(name))


def own_names(cls: type[Tensor]) -> set[str]:
    """What the class and those between it and Tensor define."""
    return {name for kind in cls.__mro__[: cls.__mro__.index(Tensor)] for name in vars(kind)}


def _as_subclass(self: Tensor, cls: type[Tensor]) -> Tensor:
    """The same memory and place in the graph as an object of a class derived from Tensor.

    TypeError for another class.
    """
    return _core._as_subclass(self, cls)  # type: ignore[no-any-return]


_as_subclass.__name__ = "as_subclass"
_core._set_overrides(dispatch, disabled)
for _name, _value in {
    "__torch_function__": classmethod(_torch_function),
    "__init_subclass__": classmethod(_take_part),
    "as_subclass": _as_subclass,
}.items():
    setattr(Tensor, _name, _value)


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether one of the arguments has a class that would be asked."""
    return any(takes_part(value) for value in relevant_args)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """What the classes of `relevant_args` make of public_api(*args, **kwargs).

    TypeError where none of them has `__torch_function__`, or all return NotImplemented.
    """
    found = [value for value in relevant_args if takes_part(value)]
    return dispatch(public_api, found, args, kwargs)
