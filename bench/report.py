"""The results as a table for the terminal, as JSON, and as Markdown for the README."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

from workloads import Bar

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


@dataclass
class Row:
    """One workload: each peer's median (seconds or bytes) and its ratio to ours."""

    name: str
    section: str
    unit: str = "s"
    values: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    rounds: dict[str, list[float]] = field(default_factory=dict)
    bar: str = ""
    met: bool | None = None

    def judge(self, bar: Bar) -> None:
        """Say what the bar is and whether it is met."""
        self.bar = f"<= {amount(bar.at_most, self.unit)}" if bar.at_most else f">= {bar.times:g}x"
        if "ours" in self.values:
            self.met = bar.met(self.values["ours"], self.ratios.get("torch"))
        elif "ours" in self.refused:
            self.met = False


@dataclass
class Results:
    """A whole run."""

    machine: dict[str, str]
    peers: dict[str, str]
    absent: dict[str, str]
    threads: int
    quick: bool
    rows: list[Row] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what `save` wrote."""
        data = json.loads(path.read_text())
        data["rows"] = [Row(**row) for row in data["rows"]]
        return cls(**data)


def machine() -> dict[str, str]:
    """The processor, the number of cores this process may use, the system and Python."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [n for n in cpuinfo.read_text().splitlines() if n.startswith("model name")]
        processor = names[0].split(":", 1)[1].strip() if names else processor
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    return {
        "processor": f"{processor} ({platform.machine()})",
        "cores": str(cores),
        "system": platform.system(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def amount(value: float, unit: str) -> str:
    """Three digits and a unit: `55.1 us`, `1.83 MB`."""
    steps = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))
    if unit == "B":
        steps = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0))
    name, scale = next((step for step in steps if value >= step[1]), steps[-1])
    number = value / scale
    return f"{number:.{2 if number < 10 else 1 if number < 100 else 0}f} {name}"


def times(ratio: float) -> str:
    """`9.8x`."""
    if ratio < 0.1:
        return f"{ratio:.2g}x"
    return f"{ratio:.{2 if ratio < 10 else 1 if ratio < 100 else 0}f}x"


def text(results: Results) -> str:
    """The table for a terminal."""
    keys = list(results.peers)
    header = ["", *(results.peers[key] for key in keys), "bar", "met"]
    lines: list[list[str]] = []
    section = ""
    for row in results.rows:
        if row.section != section:
            section = row.section
            lines += [[], [f"{section.upper()}"]]
        lines.append(_cells(row, keys))
    widths = [max(len(line[i]) for line in [header, *lines] if i < len(line) and len(line) > 1)
              for i in range(len(header))]  # fmt: skip
    table = ["  ".join(_pad(cell, widths[i], i) for i, cell in enumerate(line)).rstrip()
             for line in [header, *lines]]  # fmt: skip
    return "\n".join([*table, "", *_notes(results)])


def markdown(results: Results) -> str:
    """The table for the README: the elementwise rows as one small table of ratios to PyTorch."""
    keys = list(results.peers)
    header = ["", *(results.peers[key] for key in keys), "bar", "met"]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    sized = [row for row in results.rows if row.section.startswith("elementwise")]
    lines += [
        "| " + " | ".join(_cells(row, keys)) + " |" for row in results.rows if row not in sized
    ]
    if sized:
        sizes = list(dict.fromkeys(row.name.split(", ")[1] for row in sized))
        families = list(dict.fromkeys(row.name.split(", ")[0] for row in sized))
        found = {row.name: row for row in sized}
        lines += [
            "",
            "Elementwise, forward and backward, PyTorch's time over ours, by elements:",
            "",
        ]
        lines += ["| | " + " | ".join(sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
        for family in families:
            rows = [found.get(f"{family}, {size}") for size in sizes]
            cells = [_ratio_cell(row) for row in rows]
            lines.append(f"| {family} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"- {note}" for note in _notes(results))])


def around_markers(readme: Path) -> tuple[str, str]:
    """What stands before and after the two markers. Raises ValueError if they are not there."""
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"[bench] {readme} has no {BEGIN} ... {END}; put both lines into it")
    return before, after


def write_into(readme: Path, fragment: str) -> None:
    """Replace what stands between the two markers."""
    before, after = around_markers(readme)
    readme.write_text(f"{before}{BEGIN}\n{fragment}\n{END}{after}")


def _cells(row: Row, keys: list[str]) -> list[str]:
    cells = [row.name]
    for key in keys:
        if key in row.values:
            ratio = f" ({times(row.ratios[key])})" if key in row.ratios else ""
            cells.append(amount(row.values[key], row.unit) + ratio)
        else:
            cells.append("refused" if key in row.refused else "-")
    verdict = {True: "yes", False: "NO", None: ""}[row.met]
    return [*cells, row.bar, verdict]


def _ratio_cell(row: Row | None) -> str:
    if row is None or "torch" not in row.ratios:
        return "-" if row is None or not row.refused else "refused"
    return times(row.ratios["torch"]) + (" (missed)" if row.met is False else "")


def _pad(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)


def _notes(results: Results) -> list[str]:
    judged = [row for row in results.rows if row.met is not None]
    met = sum(row.met is True for row in judged)
    plural = "" if results.threads == 1 else "s"
    host = ", ".join(f"{key} {value}" for key, value in results.machine.items())
    notes = [
        "In brackets: the peer's time (or size) over ours; above 1x, backprop_ext is the better.",
        "captured: the same step under backprop_ext.capture, recorded once and replayed.",
        f"{results.threads} thread{plural}; medians of interleaved rounds; answers compared first.",
        f"Made on: {host}.",
    ]
    if results.quick:
        notes.append("A smoke run: too short for its times to be trusted.")
    if judged:
        notes.append(f"Bars met: {met} of {len(judged)}.")
    notes += [f"{key} is absent: {reason}" for key, reason in results.absent.items()]
    notes += [
        f"{row.name}: {key} is refused: {reason}"
        for row in results.rows
        for key, reason in row.refused.items()
    ]
    return notes
