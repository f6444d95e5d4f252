"""A value that is there later, and what is called when it is: no thread waits for it by itself.

Source: https://docs.pytorch.org/docs/stable/futures.html
"""

from __future__ import annotations

from concurrent import futures
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._names import missing_from

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Future", "collect_all", "wait_all"]

_T = TypeVar("_T")
_S = TypeVar("_S")


class Future(Generic[_T]):
    """A value to come. `devices` is taken, and not used."""

    def __init__(self, *, devices: Any = None) -> None:
        self._future: futures.Future[_T] = futures.Future()

    def done(self) -> bool:
        """Whether a value or an exception is there."""
        return self._future.done()

    def wait(self) -> _T:
        """The value, once it is there. Raises what set_exception was given."""
        return self._future.result()

    def value(self) -> _T:
        """The value. Raises RuntimeError before it is there, and what set_exception was given."""
        if not self.done():
            raise RuntimeError("[value] there is none yet; call wait()")
        return self.wait()

    def set_result(self, result: _T) -> None:
        """Give the value. Raises RuntimeError where there is one."""
        self._set(self._future.set_result, result)

    def set_exception(self, result: BaseException) -> None:
        """Give an exception in place of a value. Raises RuntimeError where there is one."""
        self._set(self._future.set_exception, result)

    def _set(self, give: Callable[[Any], None], result: Any) -> None:
        try:
            give(result)
        except futures.InvalidStateError:
            raise RuntimeError("[set_result] the Future is completed; make another") from None

    def add_done_callback(self, callback: Callable[[Future[_T]], None]) -> None:
        """callback(self) once the value is there, which may be at once."""
        self._future.add_done_callback(lambda _: callback(self))

    def then(self, callback: Callable[[Future[_T]], _S]) -> Future[_S]:
        """A Future of what callback(self) returns, once the value is there.

        It raises RuntimeError where the callback raised.
        """
        after: Future[_S] = Future()

        def run(done: Future[_T]) -> None:
            try:
                after.set_result(callback(done))
            except Exception as error:
                after.set_exception(RuntimeError(f"[then] the callback raised {error!r}"))

        self.add_done_callback(run)
        return after


def collect_all(futures: Sequence[Future[Any]]) -> Future[list[Future[Any]]]:
    """A Future of the list, there when all of it is."""
    every: Future[list[Future[Any]]] = Future()
    left = [len(futures)]

    def count(_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            every.set_result([*futures])

    if not futures:
        every.set_result([])
    for future in futures:
        future.add_done_callback(count)
    return every


def wait_all(futures: Sequence[Future[Any]]) -> list[Any]:
    """The values, once all are there. Raises what the first to fail was given."""
    return [future.wait() for future in collect_all(futures).wait()]


__getattr__ = missing_from("torch.futures", globals())
