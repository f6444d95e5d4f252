"""The batches of epoch after epoch, and the place among them where a stopped run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..random import default_generator

if TYPE_CHECKING:
    from collections.abc import Generator as Stream
    from collections.abc import Iterable

    from .._core import Generator, Tensor

__all__ = ["Batches", "parts"]

_END = object()


class Batches:
    """iter(batches) -> (batch, whether it is the last of its epoch), for ever.

    `data` is iterated anew for each epoch. The generators that its order is drawn from are its
    own, its sampler's and the default one; a stopped run draws an epoch's order again from their
    states at the epoch's start, passes by what it had used, and takes their later states up.
    Raises ValueError for data without batches.
    """

    def __init__(self, data: Iterable[Any]) -> None:
        self._data = data
        self._generators = _generators(data)
        self._start = self._states()
        self._skip, self._now = 0, self._start

    def state_dict(self) -> dict[str, Any]:
        """The generators' states at the start of the epoch and now, and the size of the data."""
        return {"start": self._start, "now": self._states(), "size": self._size()}

    def load_state_dict(self, state_dict: dict[str, Any], position: int) -> None:
        """Go on `position` batches into an epoch. Raises ValueError for data of another size."""
        ours, theirs = self._size(), state_dict["size"]
        if ours != theirs:
            raise ValueError(
                f"[resume] the data has {_counted(ours)}, the checkpoint was made with "
                f"{_counted(theirs)}; pass the same data and batch_size"
            )
        if len(state_dict["now"]) != len(self._generators):
            raise ValueError(
                f"[resume] {len(self._generators)} generators, the checkpoint has "
                f"{len(state_dict['now'])}; make the data as it was made before"
            )
        self._start, self._now, self._skip = state_dict["start"], state_dict["now"], position
        self._restore(self._now)

    def __iter__(self) -> Stream[tuple[Any, bool], None, None]:
        while True:
            skip, self._skip = self._skip, 0
            if skip:
                self._restore(self._start)
            else:
                self._start = self._states()
            batches = iter(self._data)
            for _ in range(skip):
                next(batches, _END)
            upcoming = next(batches, _END)
            if upcoming is _END:
                raise ValueError(
                    f"[fit] the data has no batch after {skip}; pass data with samples, of which "
                    "an iterator can be made for each epoch"
                )
            if skip:
                self._restore(self._now)
            while upcoming is not _END:
                batch, upcoming = upcoming, next(batches, _END)
                yield batch, upcoming is _END

    def _states(self) -> list[Tensor]:
        return [generator.get_state() for generator in self._generators]

    def _restore(self, states: list[Tensor]) -> None:
        for generator, state in zip(self._generators, states, strict=True):
            generator.set_state(state)

    def _size(self) -> list[int]:
        sized: tuple[Any, Any] = (self._data, getattr(self._data, "dataset", None))
        return [len(s) if hasattr(s, "__len__") else -1 for s in sized]


def parts(batch: Any, targets: int) -> tuple[list[Any], list[Any]]:
    """(inputs, targets) of a batch. Raises TypeError for one that is no (*inputs, *targets)."""
    if not isinstance(batch, (tuple, list)) or len(batch) <= targets:
        told = len(batch) if isinstance(batch, (tuple, list)) else type(batch).__name__
        raise TypeError(
            f"[fit] a batch is {told}, (*inputs, target) with {targets} targets is needed; collate "
            "the samples to that"
        )
    return [*batch[:-targets]], [*batch[-targets:]]


def _generators(data: Any) -> list[Generator]:
    """Each once: the default generator, then those of a DataLoader and its samplers."""
    batch_sampler = getattr(data, "batch_sampler", None)
    owners = (
        data,
        getattr(data, "sampler", None),
        batch_sampler,
        getattr(batch_sampler, "sampler", None),
    )
    found = [default_generator, *(getattr(owner, "generator", None) for owner in owners)]
    return list({id(g): g for g in found if g is not None}.values())


def _counted(size: list[int]) -> str:
    batches, samples = (str(n) if n >= 0 else "an unknown number of" for n in size)
    return f"{batches} batches, {samples} samples"
