"""Whether ops are recorded: per thread, as a context or around a function."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .._core import (
    _is_grad_enabled,
    _is_inference_mode,
    _set_grad_enabled,
    _set_inference_mode,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = [
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]

_F = TypeVar("_F", bound="Callable[..., Any]")
_Self = TypeVar("_Self", bound="_GradMode")

_GENERATOR = 0x20  # inspect.CO_GENERATOR, without the import


def is_grad_enabled() -> bool:
    """True when ops on tensors that require grad are recorded."""
    return _is_grad_enabled()


class _GradMode:
    """`with` and `@` put one mode in force and the earlier one back, also after an exception."""

    __slots__ = ("_earlier", "_mode")
    _mode: bool

    def __enter__(self) -> None:
        self._earlier = _is_grad_enabled()
        _set_grad_enabled(self._mode)

    def __exit__(self, *exception: object) -> None:
        _set_grad_enabled(self._earlier)

    def clone(self) -> _GradMode:
        """Another context of this mode."""
        return type(self)()

    def __call__(self, function: _F) -> _F:
        if getattr(getattr(function, "__code__", None), "co_flags", 0) & _GENERATOR:

            @wraps(function)
            def generate(*args: Any, **kwargs: Any) -> Any:
                return _drive(function(*args, **kwargs), self.clone)

            return generate  # type: ignore[return-value]
        return self._around(function)

    def _around(self, function: _F) -> _F:
        mode = self._mode

        @wraps(function)
        def in_mode(*args: Any, **kwargs: Any) -> Any:
            earlier = _is_grad_enabled()
            _set_grad_enabled(mode)
            try:
                return function(*args, **kwargs)
            finally:
                _set_grad_enabled(earlier)

        return in_mode  # type: ignore[return-value]


def _drive(
    inner: Generator[Any, Any, Any], mode: Callable[[], _GradMode]
) -> Generator[Any, Any, Any]:
    """Run a generator's own code in a mode, and what happens between its yields outside."""
    resume, argument = inner.send, None
    while True:
        try:
            with mode():
                item = resume(argument)
        except StopIteration as stop:
            return stop.value
        try:
            resume, argument = inner.send, (yield item)
        except BaseException as error:
            resume, argument = inner.throw, error


class _FixedMode(_GradMode):
    __slots__ = ()

    @overload
    def __new__(cls: type[_Self], function: None = None) -> _Self: ...
    @overload
    def __new__(cls, function: _F) -> _F: ...  # type: ignore[misc]
    def __new__(cls, function: Any = None) -> Any:
        mode = super().__new__(cls)
        return mode if function is None else mode(function)


class no_grad(_FixedMode):  # noqa: N801 (PyTorch's name)
    """Nothing is recorded inside: results do not require grad.

    `with no_grad():`, `@no_grad()` or `@no_grad`.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html
    """

    __slots__ = ()
    _mode = False


class enable_grad(_FixedMode):  # noqa: N801 (PyTorch's name)
    """Ops are recorded inside, also within a no_grad."""

    __slots__ = ()
    _mode = True


class set_grad_enabled(_GradMode):  # noqa: N801 (PyTorch's name)
    """Switch recording on or off, at once; as a `with` or `@`, only inside.

    TypeError for a mode that is no bool.
    """

    __slots__ = ()

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(f"[set_grad_enabled] mode is {mode!r}; pass True or False")
        self._earlier = _is_grad_enabled()
        self._mode = mode
        _set_grad_enabled(self._mode)

    def __enter__(self) -> None:
        # The constructor has switched already: what it found is what __exit__ puts back.
        _set_grad_enabled(self._mode)

    def clone(self) -> set_grad_enabled:
        return type(self)(self._mode)

    def __call__(self, function: _F) -> _F:
        _set_grad_enabled(self._earlier)
        return super().__call__(function)

    def __repr__(self) -> str:
        return f"{type(self).__module__}.{type(self).__qualname__}(mode={self._mode})"


def is_inference_mode_enabled() -> bool:
    """True inside inference_mode()."""
    return _is_inference_mode()


class inference_mode(_GradMode):  # noqa: N801 (PyTorch's name)
    """no_grad whose results stay outside of graphs for good; inference_mode(False) records again.

    `with inference_mode():`, `@inference_mode()` or `@inference_mode`. RuntimeError where a result
    is written in place, requires a gradient or is kept for one outside; a clone() of it may.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad_mode.inference_mode
    """

    __slots__ = ("_inference",)

    def __new__(cls, mode: Any = True) -> Any:
        """The mode, or a decorated function."""
        if not isinstance(mode, bool):
            return cls()(mode)
        new = super().__new__(cls)
        new._mode = not mode
        return new

    def __init__(self, mode: Any = True) -> None:
        """All is done by __new__."""

    def __enter__(self) -> None:
        self._inference = _is_inference_mode()
        _set_inference_mode(not self._mode)
        super().__enter__()

    def __exit__(self, *exception: object) -> None:
        _set_inference_mode(self._inference)
        super().__exit__(*exception)

    def clone(self) -> inference_mode:
        return type(self)(not self._mode)

    def _around(self, function: _F) -> _F:
        @wraps(function)
        def in_mode(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return in_mode  # type: ignore[return-value]
