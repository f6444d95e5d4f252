"""`__torch_function__` for functions of one's own, and to ask who has one.

Source: https://docs.pytorch.org/docs/stable/torch.overrides.html
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from ._core import Tensor
from ._dispatch import TorchFunctionMode
from ._overrides import (
    as_is,
    handle_torch_function,
    has_torch_function,
    takes_part,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "TorchFunctionMode",
    "get_default_nowrap_functions",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
    "wrap_torch_function",
]


def get_default_nowrap_functions() -> set[Callable[..., Any]]:
    """The functions whose results Tensor's own `__torch_function__` leaves as they are."""
    return as_is


def has_torch_function_unary(tensor: Any) -> bool:
    """has_torch_function of one argument."""
    return takes_part(tensor)


def has_torch_function_variadic(*args: Any) -> bool:
    """has_torch_function of arguments one by one."""
    return has_torch_function(args)


def is_tensor_like(inp: object) -> bool:
    """Whether it is a tensor, or of a class with `__torch_function__`."""
    return type(inp) is Tensor or hasattr(inp, "__torch_function__")


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[..., Any]:
    """A decorator: of the function's arguments those that dispatcher names are asked first."""

    def decorate(func: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(func)
        def asking(*args: Any, **kwargs: Any) -> Any:
            relevant = tuple(dispatcher(*args, **kwargs))
            if has_torch_function(relevant):
                return handle_torch_function(asking, relevant, *args, **kwargs)
            return func(*args, **kwargs)

        return asking

    return decorate
