"""One run: every workload, checked and then timed, and the cost before the first step."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import footprint
import numpy as np
from bars import BARS
from measure import Running, difference, finite, interleaved
from peers import Peer, find_peers
from results import Results, Row, machine
from workloads import TRAINING, Workload, workloads

DIST = Path(__file__).resolve().parent.parent / "dist"


def measure(ours: str, threads: int, quick: bool, only: str, large: bool) -> Results:
    """Measure the workloads whose name contains `only`, or the large ones; else all there is."""
    found = find_peers(ours, threads)
    here = {key: peer for key, peer in found.items() if not peer.absent}
    results = Results(
        machine=machine() | {p.label: p.version for p in here.values() if p.version},
        peers={key: peer.label for key, peer in here.items()},
        absent={peer.label: peer.absent for peer in found.values() if peer.absent},
        threads=threads,
        quick=quick,
    )
    for workload in workloads(quick):
        if only in workload.name and (workload.large or not large):
            _progress(workload.name)
            results.rows.append(_row(workload, here, quick, rest=0.05 if threads > 1 else 0.0))
    if not (only or large):
        _progress("import time")
        results.rows += _imports(here, 1 if quick else 7) + _sizes(here)
    _progress("")
    unknown = BARS.keys() - {row.name for row in results.rows}
    if unknown and not (quick or only or large):
        raise KeyError(f"[bench] bars of no workload: {sorted(unknown)}")
    if threads == 1:
        labels = {key: peer.label for key, peer in found.items()}
        for row in results.rows:
            for bar in BARS.get(row.name, ()):
                row.judge(bar, labels)
    return results


def _row(workload: Workload, here: dict[str, Peer], quick: bool, rest: float) -> Row:
    """Set the peers up, drop those whose answer differs, time the rest."""
    row = Row(workload.name, workload.section)
    running = _checked(workload, here, row)
    rounds, seconds = (3, 0.005) if quick else (11, 0.05)
    row.rounds = interleaved(running, rounds=rounds, seconds=seconds, rest=rest)
    for key in [key for key in running if not finite(running[key].answer())]:
        row.refused[key] = "NaN or infinity after it was timed"
        del row.rounds[key]
    row.values = {key: statistics.median(times) for key, times in row.rounds.items()}
    return row


def _checked(workload: Workload, here: dict[str, Peer], row: Row) -> dict[str, Running]:
    """The peers that give the answer of float64; `row` is told why others are refused."""
    reference = _reference(workload, here)
    if reference is None:
        row.skipped = "its reference is PyTorch in float64, which is not installed"
        return {}
    reference.run(workload.check_steps)
    want = reference.answer()
    running: dict[str, Running] = {}
    for key, peer in here.items():
        try:
            made = workload.set_up(key, peer.module, peer.how)
            if made is None:
                continue
            candidate = made
            first = _first_step(candidate)
            candidate.run(workload.check_steps - 1)
            wrong = difference(candidate.answer(), want, workload.tolerance)
        # Whatever one peer cannot do, the others are still measured.
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            row.refused[key] = wrong
        else:
            running[key] = candidate
            if workload.section == TRAINING:
                row.first[key] = _median_first(workload, key, peer, first)
    return running


def _first_step(fresh: Running) -> float:
    start = time.perf_counter()
    fresh.run(1)
    return time.perf_counter() - start


def _median_first(workload: Workload, key: str, peer: Peer, first: float) -> float:
    """Of up to 9 fresh models, as many as fit into a second."""
    times = [first]
    while len(times) < 9 and sum(times) + first < 1.0:
        fresh = workload.set_up(key, peer.module, peer.how)
        if fresh is None:
            break
        times.append(_first_step(fresh))
    return statistics.median(times)


def _reference(workload: Workload, here: dict[str, Peer]) -> Running | None:
    """NumPy in float64, or PyTorch in float64 where it is installed."""
    if workload.numpy is not None:
        return workload.numpy(np.float64)
    if workload.double is not None and "torch" in here:
        return workload.double(here["torch"].module)
    return None


def _imports(here: dict[str, Peer], rounds: int) -> list[Row]:
    names = {"ours": "", "torch": "", "jax": "jax.numpy"}
    modules = {k: names[k] or here[k].module.__name__ for k in names if k in here}
    numpy, beyond = footprint.import_times(modules, rounds)
    row = Row("import, beyond NumPy's", footprint.SECTION, values=beyond)
    return [row, Row("import of NumPy itself", footprint.SECTION, values={"numpy": numpy})]


def _sizes(here: dict[str, Peer]) -> list[Row]:
    wheel = Row("wheel", footprint.SECTION, "B")
    installed = Row("installed", footprint.SECTION, "B")
    sizes = footprint.wheel_sizes(DIST)
    if sizes:
        wheel.values["ours"], installed.values["ours"] = map(float, sizes)
    for key, distributions in {"torch": ("torch",), "jax": ("jax", "jaxlib")}.items():
        found = [footprint.installed_size(name) for name in distributions if key in here]
        if found and all(found):
            installed.values[key] = float(sum(size or 0 for size in found))
    return [wheel, installed]


def _progress(name: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{name:<60}\r", end="", file=sys.stderr, flush=True)
