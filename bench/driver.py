"""One run: every workload, checked and then timed, and the cost before the first step."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

import footprint
import numpy as np
from measure import Running, difference, finite, interleaved, median_ratio
from peers import Peer, find_peers
from report import Results, Row, machine
from workloads import BARS, Workload, workloads

DIST = Path(__file__).resolve().parent.parent / "dist"


def measure(ours: str, threads: int, quick: bool, only: str) -> Results:
    """Measure the workloads whose name contains `only`; with none given, the footprint too."""
    found = find_peers(ours, threads)
    here = {key: peer for key, peer in found.items() if not peer.absent}
    results = Results(
        machine=machine() | {p.label: p.version for p in here.values() if not p.captures},
        peers={key: peer.label for key, peer in here.items()},
        absent={peer.label: peer.absent for peer in found.values() if peer.absent},
        threads=threads,
        quick=quick,
    )
    for workload in workloads(quick):
        if only in workload.name:
            _progress(workload.name)
            results.rows.append(_row(workload, here, quick))
    if not only:
        _progress("import time")
        results.rows += _imports(here, 1 if quick else 7) + _sizes(here)
    _progress("")
    unknown = BARS.keys() - {row.name for row in results.rows}
    if unknown and not (quick or only):
        raise KeyError(f"[bench] bars of no workload: {sorted(unknown)}")
    if threads == 1:
        for row in results.rows:
            if row.name in BARS:
                row.judge(BARS[row.name])
    return results


def _row(workload: Workload, here: dict[str, Peer], quick: bool) -> Row:
    """Set the peers up, drop those whose answer differs, time the rest."""
    row = Row(workload.name, workload.section)
    running = _checked(workload, here, row.refused)
    rounds, seconds = (3, 0.005) if quick else (11, 0.05)
    row.rounds = interleaved(running, rounds=rounds, seconds=seconds)
    for key in [key for key in running if not finite(running[key].answer())]:
        row.refused[key] = "NaN or infinity after it was timed"
        del row.rounds[key]
    for key, times in row.rounds.items():
        row.values[key] = statistics.median(times)
        if key != "ours" and "ours" in row.rounds:
            row.ratios[key] = median_ratio(times, row.rounds["ours"])
    return row


def _checked(
    workload: Workload, here: dict[str, Peer], refused: dict[str, str]
) -> dict[str, Running]:
    """The peers that give NumPy's answer in float64; why the others are refused."""
    reference = workload.numpy(np.float64)
    reference.run(workload.check_steps)
    want = reference.answer()
    running: dict[str, Running] = {}
    for key, peer in here.items():
        if (key == "eigen" and workload.eigen is None) or (peer.captures and not workload.captured):
            continue
        try:
            candidate = _set_up(workload, peer)
            candidate.run(workload.check_steps)
            wrong = difference(candidate.answer(), want, workload.tolerance)
        # Whatever one peer cannot do, the others are still measured.
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            refused[key] = wrong
        else:
            running[key] = candidate
    return running


def _set_up(workload: Workload, peer: Peer) -> Running:
    if peer.key == "numpy":
        return workload.numpy(np.float32)
    if peer.key == "eigen" and workload.eigen is not None:
        return workload.eigen(peer.module)
    return workload.torch_like(peer.module, peer.module.capture if peer.captures else _as_it_is)


def _as_it_is(step: Any) -> Any:
    return step


def _imports(here: dict[str, Peer], rounds: int) -> list[Row]:
    modules = {key: peer.module.__name__ for key, peer in here.items() if key in ("ours", "torch")}
    numpy, beyond = footprint.import_times(modules, rounds)
    row = Row("import, beyond NumPy's", footprint.SECTION, values=beyond)
    if "ours" in beyond and "torch" in beyond:
        row.ratios["torch"] = beyond["torch"] / beyond["ours"]
    return [row, Row("import of NumPy itself", footprint.SECTION, values={"numpy": numpy})]


def _sizes(here: dict[str, Peer]) -> list[Row]:
    wheel = Row("wheel", footprint.SECTION, "B")
    installed = Row("installed", footprint.SECTION, "B")
    sizes = footprint.wheel_sizes(DIST)
    if sizes:
        wheel.values["ours"], installed.values["ours"] = map(float, sizes)
    torch = footprint.installed_size("torch") if "torch" in here else None
    if torch:
        installed.values["torch"] = torch
        if sizes:
            installed.ratios["torch"] = torch / sizes[1]
    return [wheel, installed]


def _progress(name: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{name:<60}\r", end="", file=sys.stderr, flush=True)
