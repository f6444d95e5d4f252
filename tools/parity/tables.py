"""What is counted, and the table in the docs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

PARTS: Final = ("forward", "gradient", "second")
TITLES: Final = {"ops": "Operators", "modules": "Modules", "optimizers": "Optimizers"}


@dataclass
class Entry:
    """One operator, module or optimizer: agreeing samples out of all, per part."""

    name: str
    missing: bool = False
    right: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    total: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    note: str = ""  # the first difference

    def count(self, part: str, difference: str | None) -> bool:
        """Enter one comparison; True when it agreed."""
        self.total[part] += 1
        self.right[part] += difference is None
        if difference is not None and not self.note:
            self.note = f"{part}: {difference}"
        return difference is None

    @property
    def complete(self) -> bool:
        """Whether every sample is right, forward and gradient."""
        return (
            not self.missing
            and self.total["forward"] > 0
            and all(self.right[p] == self.total[p] for p in ("forward", "gradient"))
        )

    def cells(self) -> list[str]:
        """The counts as text."""
        if self.missing:
            return ["missing", "", ""]
        return [f"{self.right[p]}/{self.total[p]}" if self.total[p] else "-" for p in PARTS]

    def line(self) -> str:
        """One line for a terminal."""
        mark = "ok" if self.complete else "--"
        return f"{mark} {self.name:45} " + "  ".join(f"{c:>9}" for c in self.cells())


def summary(suite: str, entries: list[Entry]) -> str:
    """How many there are, and how many are right throughout."""
    plain = [e for e in entries if e.missing or e.total["forward"]]
    right = sum(e.complete for e in plain)
    missing = sum(e.missing for e in plain)
    return (
        f"{TITLES[suite]}: {right} of {len(plain)} right in every sample, forward and gradient; "
        f"{missing} missing, {len(plain) - right - missing} that differ somewhere."
    )


def write(path: Path, tables: dict[str, list[Entry]]) -> None:
    """The document, made whole."""
    import torch

    text = [
        "# How much of PyTorch is here",
        "",
        "Made by `make parity`: every sample of PyTorch's own test databases "
        f"(`torch.testing._internal`, PyTorch {torch.__version__.split('+')[0]}) that is made of "
        "plain CPU tensors of float32, float64, int64, int32 or bool, run in both packages and "
        "compared: forward, gradient, and gradient of the gradient. A cell says how many samples "
        "agree, out of how many; a dash, that there is nothing to compare.",
        "",
    ]
    text += [f"- {summary(name, entries)}" for name, entries in tables.items()]
    for name, entries in tables.items():
        shown = [e for e in entries if e.missing or e.total["forward"]]
        text += ["", f"## {TITLES[name]}", "", "| name | forward | gradient | second gradient |"]
        text += ["|---|---|---|---|"]
        text += [f"| {e.name} | {' | '.join(e.cells())} |" for e in shown if not e.missing]
        absent = [e.name for e in shown if e.missing]
        if absent:
            text += ["", "Missing: " + ", ".join(absent) + "."]
    path.write_text("\n".join(text) + "\n")
