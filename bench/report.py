"""The results as tables for the terminal, and as Markdown for the README."""

from __future__ import annotations

from pathlib import Path

from results import Results, Row, amount, times
from workloads import ELEMENTWISE

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
IN_BRACKETS = (
    "In brackets: the peer's time (or size) over captured's, or over backprop_ext's where nothing"
    " is captured; above 1x, backprop_ext is the better."
)


def text(runs: list[Results]) -> str:
    """The tables for a terminal."""
    return "\n\n".join(_text(run) for run in runs)


def markdown(runs: list[Results], figure: str = "") -> str:
    """The tables for the README, the elementwise rows as one small one, and the figure."""
    first, *others = runs
    parts = [_table(first, [row for row in first.rows if row.section != ELEMENTWISE])]
    if figure:
        parts.append(f"![Each peer's time over that of the captured step]({figure})")
    for run in others:
        parts += [f"With {run.threads} threads, the large workloads:", _table(run, run.rows)]
    parts += _first_steps(first) + _elementwise(first)
    notes = _notes(first)
    for run in others:
        notes += [note for note in _notes(run) if note not in notes]
    parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts)


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


def _text(run: Results) -> str:
    keys = list(run.peers)
    lines: list[list[str]] = [_header(run)]
    section = ""
    for row in run.rows:
        if row.section != section:
            section = row.section
            lines += [[], [section.upper()]]
        lines.append(_cells(row, keys, run))
    started = [row for row in run.rows if row.first]
    if started:
        lines += [[], ["SECONDS UNTIL THE FIRST RESULT"]]
        lines += [[row.name, *_first_cells(row, keys)] for row in started]
    widths = [
        max(len(line[i]) for line in lines if i < len(line) and len(line) > 1)
        for i in range(len(lines[0]))
    ]
    table = [
        "  ".join(_pad(cell, widths[i], i) for i, cell in enumerate(line)).rstrip()
        for line in lines
    ]
    return "\n".join([*table, "", *_notes(run)])


def _table(run: Results, rows: list[Row]) -> str:
    keys = [key for key in run.peers if any(key in row.values for row in rows)]
    return _grid(
        ["", *(run.peers[key] for key in keys), *_header(run)[len(run.peers) + 1 :]],
        [_cells(row, keys, run) for row in rows],
    )


def _first_steps(run: Results) -> list[str]:
    """A table of the training workloads, or nothing."""
    rows = [row for row in run.rows if row.first]
    if not rows:
        return []
    keys = [key for key in run.peers if key not in ("numpy", "eigen")]
    grid = _grid(
        ["", *(run.peers[key] for key in keys)],
        [[row.name, *_first_cells(row, keys)] for row in rows],
    )
    return [
        "Until the first result, compiling or recording included (medians of fresh models):",
        grid,
    ]


def _elementwise(run: Results) -> list[str]:
    """PyTorch over ours, a row per family and a column per size, or nothing."""
    found = {row.name: row for row in run.rows if row.section == ELEMENTWISE}
    if not found:
        return []
    sizes = list(dict.fromkeys(name.split(", ")[1] for name in found))
    families = list(dict.fromkeys(name.split(", ")[0] for name in found))
    grid = _grid(
        ["", *sizes],
        [[f, *(_ratio_cell(found.get(f"{f}, {size}")) for size in sizes)] for f in families],
    )
    return ["Elementwise, forward and backward, PyTorch's time over ours, by elements:", grid]


def _grid(header: list[str], lines: list[list[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _header(run: Results) -> list[str]:
    return ["", *run.peers.values(), *(["bars met"] if run.threads == 1 else [])]


def _cells(row: Row, keys: list[str], run: Results) -> list[str]:
    cells = [row.name]
    for key in keys:
        if key in row.values:
            ratio = None if key == row.base else row.ratio(row.base, key)
            cell = amount(row.values[key], row.unit)
            cells.append(cell if ratio is None else f"{cell} ({times(ratio)})")
        else:
            cells.append("refused" if key in row.refused else "-")
    if run.threads > 1:
        return cells
    judged = [verdict.met for verdict in row.verdicts if verdict.met is not None]
    return [*cells, f"{sum(judged)} of {len(judged)}" if judged else ""]


def _first_cells(row: Row, keys: list[str]) -> list[str]:
    return [amount(row.first[key], "s") if key in row.first else "-" for key in keys]


def _ratio_cell(row: Row | None) -> str:
    ratio = None if row is None else row.ratio("ours", "torch")
    if row is None or ratio is None:
        return "-" if row is None or not row.refused else "refused"
    missed = any(verdict.met is False for verdict in row.verdicts)
    return times(ratio) + (" (missed)" if missed else "")


def _pad(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)


def _notes(run: Results) -> list[str]:
    plural = "" if run.threads == 1 else "s"
    host = ", ".join(f"{key} {value}" for key, value in run.machine.items())
    notes = [
        IN_BRACKETS,
        "captured: the same step under backprop_ext.capture, recorded once and replayed.",
        f"{run.threads} thread{plural}; medians of interleaved rounds; answers compared first.",
        f"Made on: {host}.",
    ]
    if run.quick:
        notes.append("A smoke run: too short for its times to be trusted.")
    judged = [(row, verdict) for row in run.rows for verdict in row.verdicts]
    counted = [verdict.met for _, verdict in judged if verdict.met is not None]
    if counted:
        notes.append(f"Bars met: {sum(counted)} of {len(counted)}.")
    notes += [
        f"Missed: {row.name}: {verdict.bar}: {verdict.measured or 'refused'}."
        for row, verdict in judged
        if verdict.met is False
    ]
    notes += [f"{key} is absent: {reason}" for key, reason in run.absent.items()]
    notes += [f"{row.name} is skipped: {row.skipped}" for row in run.rows if row.skipped]
    notes += [
        f"{row.name}: {key} is refused: {reason}"
        for row in run.rows
        for key, reason in row.refused.items()
    ]
    return notes
