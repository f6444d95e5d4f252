"""What a run has found, kept as JSON."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bars import Bar
from measure import median_ratio


@dataclass
class Verdict:
    """A bar: who has to be how fast, what was measured, and whether that is enough."""

    bar: str
    measured: str
    met: bool | None


@dataclass
class Row:
    """One workload: each peer's median (seconds or bytes), its rounds and its first step."""

    name: str
    section: str
    unit: str = "s"
    values: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    rounds: dict[str, list[float]] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    skipped: str = ""
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def base(self) -> str:
        """Whom the row's ratios compare with: the captured step, or the eager one."""
        return "captured" if "captured" in self.values else "ours"

    def ratio(self, who: str, peer: str) -> float | None:
        """The peer's time over `who`'s; None if one of them was not measured."""
        if who in self.rounds and peer in self.rounds:
            return median_ratio(self.rounds[peer], self.rounds[who])
        if who in self.values and peer in self.values:
            return self.values[peer] / self.values[who]
        return None

    def judge(self, bar: Bar, labels: dict[str, str]) -> None:
        """Enter the bar and whether it is met."""
        who, value, ratio = bar.who, self.values.get(bar.who), self.ratio(bar.who, bar.peer)
        if bar.at_most:
            text = f"{labels.get(who, who)} <= {amount(bar.at_most, self.unit)}"
            measured = "" if value is None else amount(value, self.unit)
        else:
            peer = labels.get(bar.peer, bar.peer)
            text = f"{labels.get(who, who)} against {peer} >= {times(bar.times)}"
            measured = "" if ratio is None else times(ratio)
        met = False if who in self.refused else None
        if value is not None:
            met = bar.met(value, ratio)
        self.verdicts.append(Verdict(text, measured, met))


@dataclass
class Results:
    """A whole run with one number of threads."""

    machine: dict[str, str]
    peers: dict[str, str]
    absent: dict[str, str]
    threads: int
    quick: bool
    rows: list[Row] = field(default_factory=list)


def save(runs: list[Results], path: Path) -> None:
    """Write JSON."""
    path.write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")


def load(path: Path) -> list[Results]:
    """Read what `save` wrote."""
    runs = json.loads(path.read_text())
    for run in runs:
        run["rows"] = [_row(row) for row in run["rows"]]
    return [Results(**run) for run in runs]


def machine() -> dict[str, str]:
    """The processor, the number of its cores, the system and Python."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [n for n in cpuinfo.read_text().splitlines() if n.startswith("model name")]
        processor = names[0].split(":", 1)[1].strip() if names else processor
    return {
        "processor": f"{processor} ({platform.machine()})",
        "cores": str(os.cpu_count()),
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


def _row(row: dict[str, object]) -> Row:
    read = Row(**row)  # type: ignore[arg-type]
    read.verdicts = [Verdict(**verdict) for verdict in row["verdicts"]]  # type: ignore[attr-defined]
    return read
