"""What is counted, and the table in the docs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from reasons import REASONS

if TYPE_CHECKING:
    from pathlib import Path

PARTS: Final = ("forward", "gradient", "second")
BARS: Final = {"ops": "250", "modules": "100", "optimizers": "12"}
LONGEST: Final = 160
RULES: Final = [
    "A sample counts where its tensors are strided or sparse, on the CPU, and of a type that is "
    "here; operators are run in float32 and float64, or where they have neither in int64 and bool. "
    "Each entry runs in a process of its own: a crash or a hang is a difference.",
    "",
    "- forward: results, the tensors written in place, their shapes, types and `requires_grad`; "
    "random ones from the same seed. Strides are not compared. Of tensors that nobody wrote "
    "(`empty`, `resize_`, ...) only shape and type are.",
    "- gradient: of the results weighted with random numbers, for every input that requires one, "
    "and a module's parameters; second gradient: of those gradients, weighted again.",
    "- Close means within 2e-4 of the value (and 2e-5) in float32, 1e-7 (and 1e-9) in float64.",
    "- A cell says how many samples agree, out of how many; a dash, that PyTorch has no gradient "
    "there, or nothing agreed before. Right is an entry whose samples all agree, forward and "
    "gradient.",
    "- Optimizers: five steps with each set of options; the parameters are PyTorch's to 1e-6 in "
    "float64. In float32 too, or not twice as far from the float64 ones as PyTorch's float32 ones.",
]
TITLES: Final = {"ops": "Operators", "modules": "Modules", "optimizers": "Optimizers"}


@dataclass
class Entry:
    """One operator, module or optimizer: agreeing samples out of all, per part."""

    name: str
    missing: bool = False
    right: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    total: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    note: str = ""  # the first difference
    dtype: str = ""  # of the samples that are being run
    wrong_types: set[str] = field(default_factory=set)
    skipped: Counter[str] = field(default_factory=Counter)  # reasons

    def skip(self, reason: str) -> None:
        """Enter a sample that cannot be compared."""
        self.skipped[reason] += 1

    def count(self, part: str, difference: str | None) -> bool:
        """Enter one comparison; True when it agreed."""
        self.total[part] += 1
        self.right[part] += difference is None
        if difference is not None:
            self.note = self.note or f"{part}: {difference}"
            self.wrong_types.add(self.dtype)
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

    def left_out(self) -> str:
        """How many samples were not compared, and why."""
        return ", ".join(f"{n} {why}" for why, n in sorted(self.skipped.items()))


def shown(entries: list[Entry]) -> list[Entry]:
    """Those with something to compare, or missing."""
    return [e for e in entries if e.missing or e.total["forward"]]


def summary(suite: str, entries: list[Entry]) -> str:
    """How many there are, and how many are right throughout."""
    right = sum(e.complete for e in entries)
    missing = sum(e.missing for e in entries)
    differ = len(shown(entries)) - right - missing
    return (
        f"{TITLES[suite]}: {right} of {len(shown(entries))} right in every sample, forward and "
        f"gradient (bar: {BARS[suite]}); {differ} differ somewhere, {missing} missing."
    )


def write(path: Path, tables: dict[str, list[Entry]], left_out: list[str]) -> None:
    """The document, made whole."""
    import torch

    text = [
        "# How much of PyTorch is here",
        "",
        f"Made by `make parity` with PyTorch {torch.__version__.split('+')[0]}: the samples of its "
        "own test databases (`op_db`, `module_db`, `optim_db` of `torch.testing._internal`), run "
        "in both packages.",
        "",
        *(f"- {summary(name, entries)}" for name, entries in tables.items()),
        "",
        *RULES,
    ]
    for name, entries in tables.items():
        text += ["", f"## {TITLES[name]}", *section(entries)]
    text += ["", "Not looked at, for they are internals of PyTorch, or for GPUs: "]
    text[-1] += ", ".join(f"`{n}`" for n in left_out) + "."
    path.write_text("\n".join(text) + "\n")


def section(entries: list[Entry]) -> list[str]:
    """What differs and why, what is missing, what was not compared; and all the counts."""
    text: list[str] = []
    parts = [e for e in shown(entries) if not e.missing]
    if wrong := [e for e in parts if e.note]:
        text += ["", "| differs | forward | gradient | second gradient | first difference |"]
        text += ["|---|---|---|---|---|"]
        text += [f"| {e.name} | {' | '.join(e.cells())} | {why(e)} |" for e in wrong]
    if absent := [e.name for e in entries if e.missing]:
        text += ["", "Missing: " + ", ".join(f"`{n}`" for n in absent) + "."]
    if idle := [e for e in entries if not e.missing and not e.total["forward"]]:
        text += ["", "Nothing to compare: "]
        text[-1] += ", ".join(f"`{e.name}` ({e.left_out() or 'no samples'})" for e in idle) + "."
    text += ["", "| name | forward | gradient | second gradient | not compared |"]
    text += ["|---|---|---|---|---|"]
    text += [f"| {e.name} | {' | '.join(e.cells())} | {e.left_out()} |" for e in parts]
    return text


def why(entry: Entry) -> str:
    """The first difference, with its reason."""
    note = entry.note.replace("|", "\\|").replace("\n", " ")
    note = note if len(note) < LONGEST else note[:LONGEST] + "..."
    reason = REASONS.get(entry.name, "")
    if entry.wrong_types == {"float32"}:
        reason = reason or "float64 agrees throughout: rounding"
    return f"{note} ({reason})" if reason else note
