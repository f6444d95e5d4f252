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
from .nn.modules._tree import changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from .nn.modules.module import Module

__all__ = ["Captured", "capture"]

RECORDINGS: Final = 16


class Captured(_core._Replayer):
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

    def _call(self, key: Any, tensors: list[Tensor], args: Any, kwargs: Any) -> Any:
        """Replay, or record where there is no recording of this signature yet.

        _Replayer's __call__ comes here with what it has found in the arguments, unless it may
        replay what it replayed last.
        """
        recording = self._recordings.get(key)
        if recording is None or not recording.applies():
            return self._record(key, tensors, args, kwargs)
        self._recordings.move_to_end(key)
        self._remember(key, recording.program, changes, recording.rebuild)
        results = recording.program.run(tensors)
        return results[0] if recording.rebuild is None else recording.rebuild(results)

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
            f"{r.title}: {r.program.launches} launches in {r.program.instructions} steps"
            for r in self._recordings.values()
        ]

    def explain(self) -> str:
        """What was recorded, fused and planned, for every signature."""
        return "\n".join(f"{r.title}\n{r.program.explain()}" for r in self._recordings.values())

    def profile(self, *args: Any, repeat: int = 100, **kwargs: Any) -> str:
        """Call the function `repeat` times and tell where a replay spends its time.

        One line per instruction: its median in microseconds, its share of the sum, what it does.
        The calls are calls like any others: parameters are updated and draws are made.
        """
        self(*args, **kwargs)
        recording = next(reversed(self._recordings.values()))
        tensors = _tensors_in((args, kwargs))
        runs = [recording.program.profile(tensors) for _ in range(repeat)]
        lines = runs[0][0]
        medians = [sorted(times)[repeat // 2] for times in zip(*(t for _, t in runs), strict=True)]
        total = sum(medians) or 1.0
        rows = [
            f"{seconds * 1e6:10.2f} us {seconds / total:5.1%}  {line}"
            for line, seconds in zip(lines, medians, strict=True)
        ]
        return "\n".join([recording.title, *rows, f"{total * 1e6:10.2f} us in all"])

    def _record(self, key: Any, tensors: list[Tensor], args: Any, kwargs: Any) -> Any:
        self._forget()
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
        title = _title(args, kwargs)
        recording = _Recording(title, program, returned, list(modules.values()))
        self._recordings[key] = recording
        self._recordings.move_to_end(key)
        self._remember(key, program, changes, recording.rebuild)
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
    """A program, how its results are put together, and what the modules were when it was made."""

    def __init__(self, title: str, program: Any, returned: Any, modules: list[Module]) -> None:
        self.title = title
        self.program = program
        # None: the function returns one tensor, which needs no putting together.
        self.rebuild: Callable[[list[Tensor]], Any] | None = None
        if returned is not _TENSOR:
            self.rebuild = lambda results: _rebuild(returned, iter(results))
        self._seen = changes.count
        self._modules = [(m, m.training, _members(m)) for m in modules]
        members = [value for _, _, values in self._modules for value in values]
        program.watch([value for value in members if isinstance(value, Tensor)])

    def applies(self) -> bool:
        """Whether modes, parameters, buffers and modules are those that were recorded."""
        if self._seen != changes.count:
            for module, training, members in self._modules:
                now = _members(module)
                if module.training != training or len(now) != len(members):
                    return False
                if any(a is not b for a, b in zip(now, members)):  # noqa: B905
                    return False
            self._seen = changes.count
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


def _with_tensors(value: Any, tensors: Any) -> Any:
    """The same arguments with arrays replaced by the tensors made of them."""
    if isinstance(value, (Tensor, np.ndarray)):
        return next(tensors)
    if isinstance(value, (tuple, list)):
        return _like(value, [_with_tensors(v, tensors) for v in value])
    if isinstance(value, dict):
        return {k: _with_tensors(v, tensors) for k, v in value.items()}
    return value


def _tensors_in(value: Any) -> list[Tensor]:
    """The tensors among arguments, in order; arrays become tensors on their memory."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, np.ndarray):
        return [_core.from_numpy(value)]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in _tensors_in(v)]
    if isinstance(value, dict):
        return [t for v in value.values() for t in _tensors_in(v)]
    return []


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


def _title(args: Any, kwargs: Any) -> str:
    """The arguments of a recording."""
    named = [f"{name}={_text(value)}" for name, value in kwargs.items()]
    return f"({', '.join([*map(_text, args), *named])})" + (
        "" if _core._is_grad_enabled() else ", no_grad"
    )


def _text(value: Any) -> str:
    """An argument for people: float32[8, 3], 0.5, ..."""
    if isinstance(value, Tensor):
        flag = ", requires_grad" if value.requires_grad else ""
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}{flag}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(_text, value)) + ")"
    return repr(value)
