"""`capture`: a training step recorded once and replayed in C++, without Python and without a tape.

The first call with a new signature runs the function as usual, while every kernel that it launches
is written down. Later calls run that list again: fused where neighbours allow it, in memory that
was planned once. The results are the same bits as those of the function itself.
"""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from . import _core
from ._capture_recording import Recording, Watch
from ._capture_values import rebuild, skeleton, title, with_tensors

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from ._core import Tensor

__all__ = ["Captured", "capture"]

RECORDINGS: Final = 16


class Captured(_core._Replayer):
    """A function that is recorded on its first call and replayed afterwards.

    Arguments may be tensors, NumPy arrays, numbers, strings, None, and lists, tuples and dicts of
    them; tensors and arrays are inputs of the recording, everything else belongs to its signature.
    At most `recordings` signatures are kept, the one used longest ago is dropped first. A copy,
    and what is unpickled, records anew.

    Raises RuntimeError where the function reads a tensor's value (`item`, `bool`, `numpy`, `print`)
    while it is recorded, or is called while it runs; TypeError for generators and coroutines, and
    for arguments without a hash; ValueError for fewer than 1 recordings.
    """

    def __init__(self, function: Callable[..., Any], recordings: int = RECORDINGS) -> None:
        if not callable(function):
            raise TypeError(f"[capture] {function!r} is not callable; pass a function")
        if any(is_one(f) for is_one in _NOT_STEPS for f in (function, type(function).__call__)):
            raise TypeError(
                f"[capture] {function!r} is a generator or coroutine, which cannot be replayed; "
                "capture the step that it runs"
            )
        if not isinstance(recordings, int):
            raise TypeError(
                f"[capture] recordings is a {type(recordings).__name__}, an int is needed"
            )
        if recordings < 1:
            raise ValueError(f"[capture] recordings={recordings}; pass 1 or more")
        functools.update_wrapper(self, function, updated=())
        self._function = function
        self._limit = recordings
        self._recordings: OrderedDict[Any, Recording] = OrderedDict()
        self._count = 0
        # The attribute that it is, as a method.
        self._attribute: str | None = None

    def _call(self, key: Any, tensors: list[Tensor], args: Any, kwargs: Any) -> Any:
        """Replay, or record where there is no recording of this signature yet.

        _Replayer's __call__ comes here with what it has found in the arguments, unless it may
        replay what it replayed last.
        """
        recording = self._recordings.get(key)
        if recording is None or not recording.applies():
            return self._record(key, tensors, args, kwargs)
        self._recordings.move_to_end(key)
        self._remember(key, recording.program, recording.rebuild)
        results = recording.program.run(tensors)
        return results[0] if recording.rebuild is None else recording.rebuild(results)

    def __set_name__(self, owner: type, name: str) -> None:
        self._attribute = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: each instance has recordings of its own, kept in its __dict__.

        Raises TypeError for an instance without one.
        """
        if instance is None:
            return self
        name = self._attribute or self._function.__name__
        own = getattr(instance, "__dict__", None)
        if not isinstance(own, dict):
            raise TypeError(
                f"[capture] {name}: a {type(instance).__name__} has no __dict__ for its "
                "recordings; add '__dict__' to __slots__, or capture a function"
            )
        # Special methods come here at every call: they are looked up on the class.
        bound = own.get(name)
        if not isinstance(bound, Captured):
            bound = Captured(self._function.__get__(instance, owner), self._limit)
            bound._attribute = name
            own[name] = bound
        return bound

    def __reduce__(self) -> Any:
        """By name where it has one, as functions are; else captured anew."""
        instance = getattr(self._function, "__self__", None)
        if instance is not None and self._attribute:
            return getattr, (instance, self._attribute)
        name = getattr(self, "__qualname__", "")
        if getattr(sys.modules.get(self.__module__), name, None) is self:
            return name
        return Captured, (self._function, self._limit)

    def signatures(self) -> list[str]:
        """One line for each recording, the one used last at the end."""
        return [
            f"{r.title}: {r.program.launches} launches in {r.program.instructions} steps"
            for r in self._recordings.values()
        ]

    def explain(self) -> str:
        """What was recorded, fused and planned, for every signature."""
        return "\n".join(f"{r.title}\n{r.program.explain()}" for r in self._recordings.values())

    def draw(self, path: str | PathLike[str] | None = None) -> str:
        """The plan of the recording used last, as a picture: SVG, or HTML for a path that ends so.

        On the left the instructions, from top to bottom; beside them the arena: a rectangle per
        buffer, as wide as its bytes and as high as the time for which it is needed. Returns the
        text, and writes it to `path`, .svg or .html.

        Raises RuntimeError before the first call, ValueError for another suffix.
        """
        from ._capture_plan import draw

        return draw(self._last(), path)

    def profile(self, *args: Any, repeat: int = 100, **kwargs: Any) -> str:
        """Call the function `repeat` times and tell where a replay spends its time.

        One line per instruction: its median in microseconds, its share of the sum, what it does.
        The calls are calls like any others: parameters are updated and draws are made.
        """
        self(*args, **kwargs)
        recording = self._last()
        tensors = self._tensors(*args, **kwargs)
        runs = [recording.program.profile(tensors) for _ in range(repeat)]
        lines = runs[0][0]
        medians = [sorted(times)[repeat // 2] for times in zip(*(t for _, t in runs), strict=True)]
        total = sum(medians) or 1.0
        rows = [
            f"{seconds * 1e6:10.2f} us {seconds / total:5.1%}  {line}"
            for line, seconds in zip(lines, medians, strict=True)
        ]
        return "\n".join([recording.title, *rows, f"{total * 1e6:10.2f} us in all"])

    def _last(self) -> Recording:
        if not self._recordings:
            raise RuntimeError("[capture] nothing is recorded yet; call the captured function once")
        return next(reversed(self._recordings.values()))

    def _record(self, key: Any, tensors: list[Tensor], args: Any, kwargs: Any) -> Any:
        self._forget()
        self._warn_of_many()
        results: list[Tensor] = []
        returned: Any = None

        def step(tensors: list[Tensor]) -> list[Tensor]:
            nonlocal args, kwargs, returned
            args, kwargs = with_tensors((args, kwargs), iter(tensors))
            # Without its graph a result holds nothing that a replay would have to renew.
            returned = skeleton(self._function(*args, **kwargs), results)
            return results

        with Watch() as watch:
            program = _core._record(step, tensors)
        recording = Recording(title(args, kwargs), program, returned, watch)
        self._recordings[key] = recording
        self._recordings.move_to_end(key)
        self._remember(key, program, recording.rebuild)
        while len(self._recordings) > self._limit:
            self._recordings.popitem(last=False)
        return rebuild(returned, iter(results))

    def _warn_of_many(self) -> None:
        self._count += 1
        if self._count != self._limit + 1:
            return
        name = getattr(self, "__name__", type(self._function).__name__)
        warnings.warn(
            f"[capture] {name} has been recorded {self._count} times, each time for "
            "other shapes, values or modes; pass what changes as tensors of one shape, or pad",
            stacklevel=4,
        )


_NOT_STEPS: Final = (
    inspect.isgeneratorfunction,
    inspect.iscoroutinefunction,
    inspect.isasyncgenfunction,
)


def capture(function: Callable[..., Any] | None = None, *, recordings: int = RECORDINGS) -> Any:
    """Record a function's kernels once and replay them; usable as a decorator.

    >>> step = capture(lambda x, y: ...)   # forward, backward and optimizer
    >>> loss = step(x, y)                  # recorded, then replayed
    """
    if function is None:
        return functools.partial(Captured, recordings=recordings)
    return Captured(function, recordings)
