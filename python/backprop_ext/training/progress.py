"""What a run shows of itself: tqdm's bar where that is installed, else a line for each epoch."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .state import State

__all__ = ["Progress"]


class Progress:
    """A callback of the loop: iterations of an epoch as a bar, and its scores as a line.

    `batches` is their number in an epoch and `epochs` the number of the last one, where known.
    """

    def __init__(self, batches: int | None = None, epochs: int | None = None) -> None:
        self._batches, self._epochs = batches, epochs
        self._bar: Any = None
        self._make = _tqdm()

    def __call__(self, state: State) -> None:
        """Show an iteration."""
        if self._make is not None:
            self._move(state)
        if state.epoch_finished:
            line = self._line(state)
            if self._make is not None:
                self._make.write(line, file=sys.stdout)
            else:
                print(line, flush=True)

    def _move(self, state: State) -> None:
        if self._bar is None:
            total = self._batches
            self._bar = self._make(
                total=total, unit="batch", leave=False, initial=state.position - 1
            )
        self._bar.update()
        if state.epoch_finished:
            self.close()

    def _line(self, state: State) -> str:
        of = "" if self._epochs is None else f"/{self._epochs}"
        scores = "".join(f"  {name} {value:.4f}" for name, value in state.history[-1].items())
        return f"epoch {state.epoch}{of}{scores}"

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _tqdm() -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm
