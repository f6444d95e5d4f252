"""Checkpoints: the whole of a run in one file, and which of a folder's files to go on from."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..serialization import load, save
from .triggers import EveryEpoch

if TYPE_CHECKING:
    from collections.abc import Callable

    from .state import State

__all__ = ["Checkpoint", "read_checkpoint"]

_FORMAT, _VERSION = "backprop_ext.training", 1
_NAME: Final = re.compile(r"checkpoint-(\d+)\.pt")


class Checkpoint:
    """A file `checkpoint-<iteration>.pt` in the folder `path` whenever `trigger` says so.

    A file is written beside and renamed, so it is whole or absent. With `over_write` the newest
    two are kept, otherwise all. Raises TypeError for a trigger that cannot be called.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        trigger: Callable[[State], bool] | None = None,
        over_write: bool = True,
    ) -> None:
        trigger = EveryEpoch() if trigger is None else trigger
        if not callable(trigger):
            raise TypeError(
                f"[Checkpoint] trigger is a {type(trigger).__name__}; pass one such as EveryEpoch()"
            )
        self.path, self.trigger, self.over_write = Path(path), trigger, over_write

    def files(self) -> list[Path]:
        """The folder's checkpoints by iteration, the newest at the end."""
        found = [(int(m[1]), p) for p in self.path.glob("*") if (m := _NAME.fullmatch(p.name))]
        return [path for _, path in sorted(found)]

    def write(self, content: dict[str, Any]) -> Path:
        """Save what a Loop is at."""
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / f"checkpoint-{content['state']['iteration']}.pt"
        save({"format": _FORMAT, "version": _VERSION, **content}, path)
        if self.over_write:
            for old in self.files()[:-2]:
                old.unlink()
        return path

    def newest(self) -> dict[str, Any] | None:
        """The content of the newest file, None where there is none.

        Raises RuntimeError when it is damaged; the one before it is named, and left as it is.
        """
        files = self.files()
        if not files:
            return None
        try:
            return read_checkpoint(files[-1])
        except RuntimeError as error:
            if len(files) == 1:
                raise
            raise RuntimeError(
                f"{error}. The checkpoint before it, {files[-2]}, is kept: delete {files[-1]} to "
                "go on from there"
            ) from error


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of a checkpoint. Raises RuntimeError for a damaged file, and for another kind."""
    from pickle import UnpicklingError

    try:
        content = load(path)
    except (EOFError, UnpicklingError) as error:
        raise RuntimeError(str(error)) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise RuntimeError(
            f"[checkpoint] {os.fspath(path)} was not written by a training run; load it with "
            "backprop_ext.load, or pass a checkpoint"
        )
    if content["version"] != _VERSION:
        raise RuntimeError(
            f"[checkpoint] {os.fspath(path)} has version {content['version']}, {_VERSION} can be "
            "read; go on with the release that wrote it"
        )
    return content
