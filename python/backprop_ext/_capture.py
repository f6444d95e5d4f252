"""`capture`: a training step recorded once and replayed in C++, without Python and without a tape.

The first call with a new signature runs the function as usual, while every kernel that it launches
is written down. Later calls run that list again: fused where neighbours allow it, in memory that
was planned once. The results are the same bits as those of the function itself.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from . import _core
from ._core import Tensor
from .nn.modules._hooks import register_module_forward_pre_hook

if TYPE_CHECKING:
    from collections.abc import Callable

    from .nn.modules.module import Module

__all__ = ["Captured", "capture"]

RECORDINGS: Final = 16


class Captured:
    """A function that is recorded on its first call and replayed afterwards.

    Arguments may be tensors, NumPy arrays, numbers, strings, None, and lists, tuples and dicts of
    them; tensors and arrays are inputs of the recording, everything else belongs to its signature.
    At most `recordings` signatures are kept, the one used longest ago is dropped first.

    Raises RuntimeError where the function reads a tensor's value (`item`, `bool`, `numpy`, `print`)
    while it is recorded, or is called while it runs; TypeError for generators and coroutines.
    """

    def __init__(self, function: Callable[..., Any], recordings: int = RECORDINGS) -> None:
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise TypeError(
                f"[capture] {function!r} is a generator or coroutine, which cannot be replayed; "
                "capture the step that it runs"
            )
        if not callable(function):
            raise TypeError(f"[capture] {function!r} is not callable; pass a function")
        functools.update_wrapper(self, function)
        self._function = function
        self._limit = recordings
        self._recordings: OrderedDict[Any, _Recording] = OrderedDict()
        self._count = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Replay, or record where there is no recording of this signature yet."""
        tensors: list[Tensor] = []
        key = (_core._is_grad_enabled(), _signature((args, kwargs), tensors))
        recording = self._recordings.get(key)
        if recording is None or not recording.applies():
            return self._record(key, tensors, args, kwargs)
        self._recordings.move_to_end(key)
        return _rebuild(recording.returned, iter(recording.program.run(tensors)))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: each instance has recordings of its own."""
        if instance is None:
            return self
        bound = Captured(self._function.__get__(instance, owner), self._limit)
        instance.__dict__[self._function.__name__] = bound
        return bound

    def signatures(self) -> list[str]:
        """One line for each recording, the one used last at the end."""
        return [
            f"{_title(key)}: {r.program.launches} launches in {r.program.instructions} steps"
            for key, r in self._recordings.items()
        ]

    def explain(self) -> str:
        """What was recorded, fused and planned, for every signature."""
        return "\n".join(
            f"{_title(key)}\n{r.program.explain()}" for key, r in self._recordings.items()
        )

    def _record(self, key: Any, tensors: list[Tensor], args: Any, kwargs: Any) -> Any:
        self._warn_of_many()
        args, kwargs = _with_tensors((args, kwargs), iter(tensors))
        results: list[Tensor] = []
        returned: Any = None

        def step() -> list[Tensor]:
            nonlocal returned
            # Without its graph a result holds nothing that a replay would have to renew.
            returned = _skeleton(self._function(*args, **kwargs), results)
            return results

        modules: dict[int, Module] = {}
        hook = register_module_forward_pre_hook(lambda m, _: modules.update({id(m): m}))
        try:
            program = _core._record(step, tensors)
        finally:
            hook.remove()
        recording = _Recording(program, returned, list(modules.values()))
        self._recordings[key] = recording
        self._recordings.move_to_end(key)
        while len(self._recordings) > self._limit:
            self._recordings.popitem(last=False)
        return _rebuild(returned, iter(results))

    def _warn_of_many(self) -> None:
        self._count += 1
        if self._count != self._limit + 1:
            return
        warnings.warn(
            f"[capture] {self.__name__} has been recorded {self._count} times, each time for "  # type: ignore[attr-defined]
            "other shapes, values or modes; pass what changes as tensors of one shape, or pad",
            stacklevel=4,
        )


class _Recording:
    """A program, the form of what it returns, and what the modules were when it was recorded."""

    def __init__(self, program: Any, returned: Any, modules: list[Module]) -> None:
        self.program = program
        self.returned = returned
        self._modules = [(m, m.training, _members(m)) for m in modules]
        members = [value for _, _, values in self._modules for value in values]
        program.watch([value for value in members if isinstance(value, Tensor)])

    def applies(self) -> bool:
        """Whether modes, parameters, buffers and modules are those that were recorded."""
        for module, training, members in self._modules:
            if module.training != training:
                return False
            now = _members(module)
            if len(now) != len(members) or any(a is not b for a, b in zip(now, members)):  # noqa: B905
                return False
        return bool(self.program.applies())


def _members(module: Module) -> list[Any]:
    """Parameters, buffers and modules of its own."""
    values = module.__dict__
    return [values[name] for name in module._kinds]


def capture(function: Callable[..., Any] | None = None, *, recordings: int = RECORDINGS) -> Any:
    """Record a function's kernels once and replay them; usable as a decorator.

    >>> step = capture(lambda x, y: ...)   # forward, backward and optimizer
    >>> loss = step(x, y)                  # recorded, then replayed
    """
    if function is None:
        return functools.partial(Captured, recordings=recordings)
    return Captured(function, recordings)


_PLAIN = (int, float, str, bytes, bool, type(None))


def _signature(value: Any, tensors: list[Tensor]) -> Any:
    """What must be equal for a replay; tensors and arrays are collected on the way."""
    if isinstance(value, Tensor):
        tensors.append(value)
        return (value.dtype, tuple(value.shape), value.stride(), value.requires_grad)
    if isinstance(value, np.ndarray):
        return _signature(_core.as_tensor(value), tensors)
    if isinstance(value, (tuple, list)):
        return (type(value), *[_signature(v, tensors) for v in value])
    if isinstance(value, dict):
        return (dict, *[(k, _signature(v, tensors)) for k, v in value.items()])
    if isinstance(value, _PLAIN):
        return (type(value), value)
    try:
        hash(value)
    except TypeError:
        return (type(value), id(value))
    return value


def _with_tensors(value: Any, tensors: Any) -> Any:
    """The same arguments with arrays replaced by the tensors made of them."""
    if isinstance(value, (Tensor, np.ndarray)):
        return next(tensors)
    if isinstance(value, (tuple, list)):
        return _like(value, [_with_tensors(v, tensors) for v in value])
    if isinstance(value, dict):
        return {k: _with_tensors(v, tensors) for k, v in value.items()}
    return value


_TENSOR: Final = object()


def _skeleton(value: Any, tensors: list[Tensor]) -> Any:
    """A result with a mark in the place of each tensor; these are collected, without graphs."""
    if isinstance(value, Tensor):
        tensors.append(value if value.is_leaf else value.detach())
        return _TENSOR
    if isinstance(value, (tuple, list)):
        return _like(value, [_skeleton(v, tensors) for v in value])
    if isinstance(value, dict):
        return {k: _skeleton(v, tensors) for k, v in value.items()}
    return value


def _like(value: Any, items: list[Any]) -> Any:
    """The items as a list, tuple or named tuple, as `value` is one."""
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def _rebuild(value: Any, tensors: Any) -> Any:
    if value is _TENSOR:
        return next(tensors)
    if isinstance(value, (tuple, list)):
        return _like(value, [_rebuild(v, tensors) for v in value])
    if isinstance(value, dict):
        return {k: _rebuild(v, tensors) for k, v in value.items()}
    return value


def _title(key: Any) -> str:
    """The arguments of a recording."""
    grad, (_, args, kwargs) = key
    named = [f"{name}={_text(k)}" for name, k in kwargs[1:]]
    return f"({', '.join([*map(_text, args[1:]), *named])})" + ("" if grad else ", no_grad")


def _text(key: Any) -> str:
    """A signature for people: float32[8, 3], 0.5, ..."""
    if not isinstance(key, tuple):
        return str(key)
    if isinstance(key[0], _core.dtype):
        flag = ", requires_grad" if key[3] else ""
        return f"{str(key[0]).removeprefix('torch.')}{list(key[1])}{flag}"
    if key[0] in _PLAIN:
        return repr(key[1])
    if key[0] is dict:
        return "{" + ", ".join(f"{name!r}: {_text(k)}" for name, k in key[1:]) + "}"
    return "(" + ", ".join(_text(k) for k in key[1:]) + ")"
