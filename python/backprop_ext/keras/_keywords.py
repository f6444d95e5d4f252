"""Keywords that a layer does not know: what was meant."""

from __future__ import annotations

from typing import Any, Final

from .._choice import nearest

__all__ = ["cure"]

KERAS_2: Final = {
    "bias_regularizer": "b_regularizer",
    "data_format": "dim_ordering",
    "dilation_rate": "atrous_rate",
    "kernel_initializer": "init",
    "kernel_regularizer": "W_regularizer",
    "padding": "border_mode",
    "recurrent_activation": "inner_activation",
    "recurrent_initializer": "inner_init",
    "recurrent_regularizer": "U_regularizer",
    "strides": "subsample",
    "use_bias": "bias",
}


def cure(cls: type, keyword: str) -> str:
    """What an error adds about an unknown keyword: the name in Keras 1, or the nearest one."""
    known = _known(cls)
    if (older := KERAS_2.get(keyword)) in known:
        return f"here, as in Keras 1, it is {older!r}"
    return nearest(keyword, known)


def _known(cls: type) -> set[str]:
    """The keywords of all constructors of a class."""
    return {
        name
        for base in cls.__mro__
        if "__init__" in vars(base) and base is not object
        for name in _arguments(base)
        if name != "self"
    }


def _arguments(cls: Any) -> tuple[str, ...]:
    code = cls.__init__.__code__
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return names
