"""Scalars of a run in a text file: one JSON object a line, {"tag", "step", "value", "time"}."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .._choice import nearest
from .triggers import Never

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from ..nn.modules.module import Module
    from .state import State

__all__ = ["Summary", "TrainSummary", "ValidationSummary"]


class Summary:
    """Scalars by tag and iteration, kept in `log_dir/app_name/<kind>.jsonl`.

    What was there is kept: a second run goes on in the same file. Written at the end of an epoch,
    at a checkpoint, and at the end of the run. Source of the names: BigDL's TrainSummary.
    """

    _kind: ClassVar[str]

    def __init__(self, log_dir: str | os.PathLike[str], app_name: str) -> None:
        self.path = Path(log_dir) / app_name / f"{self._kind}.jsonl"
        self._pending: list[dict[str, Any]] = []

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """Note a value; `flush` writes it."""
        entry = {"tag": tag, "step": step, "value": float(value), "time": time.time()}
        self._pending.append(entry)

    def flush(self) -> None:
        """Append what was noted to the file."""
        if not self._pending:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(entry) + "\n" for entry in self._pending)
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(text)
        self._pending = []

    def rewind(self, step: int) -> None:
        """Forget what came after iteration `step`: a run goes on from there."""
        self._pending = [entry for entry in self._pending if entry["step"] <= step]
        kept = [entry for entry in self._entries() if entry["step"] <= step]
        if self.path.exists():
            text = "".join(json.dumps(entry) + "\n" for entry in kept)
            beside = self.path.with_suffix(".tmp")
            beside.write_text(text, encoding="utf-8")
            os.replace(beside, self.path)

    def read_scalar(self, tag: str) -> NDArray[np.float64]:
        """(n, 3): iteration, value and time (in seconds since 1970) of every value of a tag.

        Raises ValueError for a tag that the file does not have.
        """
        self.flush()
        entries = self._entries()
        _require("read_scalar", tag, {entry["tag"] for entry in entries})
        rows = [[e["step"], e["value"], e["time"]] for e in entries if e["tag"] == tag]
        return np.array(rows, np.float64)

    def _entries(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        # A process that was killed may have left half a line at the end.
        return [json.loads(line) for line in lines if line.endswith("\n")]


class TrainSummary(Summary):
    """Of each iteration the loss, the learning rate and the throughput in samples per second.

    Tags: "Loss", "LearningRate", "Throughput"; and once "Parameters" has a trigger,
    "Parameters/<name>" and "Gradients/<name>", the L2 norms of each parameter and its gradient.
    """

    _kind = "train"

    def __init__(self, log_dir: str | os.PathLike[str], app_name: str) -> None:
        super().__init__(log_dir, app_name)
        self._triggers: dict[str, Callable[[State], bool]] = dict.fromkeys(
            ("Loss", "LearningRate", "Throughput"), lambda state: True
        )
        self._triggers["Parameters"] = Never()

    def set_summary_trigger(self, name: str, trigger: Callable[[State], bool]) -> TrainSummary:
        """Note the tag `name` only when `trigger` says so. Raises ValueError for another name."""
        _require("set_summary_trigger", name, self._triggers)
        self._triggers[name] = trigger
        return self

    def note(self, state: State, **values: float) -> None:
        """The scalars of an iteration."""
        for tag, value in values.items():
            if self._triggers[tag](state):
                self.add_scalar(tag, value, state.iteration)

    def note_parameters(self, state: State, module: Module) -> None:
        """The norms of its parameters, if their trigger says so."""
        if not self._triggers["Parameters"](state):
            return
        for name, p in module.named_parameters():
            for kind, tensor in (("Parameters", p), ("Gradients", p.grad)):
                if tensor is not None:
                    norm = float(np.linalg.norm(tensor.detach().numpy().astype(np.float64)))
                    self.add_scalar(f"{kind}/{name}", norm, state.iteration)


class ValidationSummary(Summary):
    """The scores of each validation; the tags are the metrics' names."""

    _kind = "validation"


def _require(op: str, tag: str, have: Collection[str]) -> None:
    if tag not in have:
        raise ValueError(f"[{op}] the tag {tag!r} is unknown; {nearest(tag, have)}")
