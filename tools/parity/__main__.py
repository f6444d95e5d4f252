"""Compare with PyTorch's own operator, module and optimizer databases.

    python tools/parity                      all three, the table written into docs/parity.md
    python tools/parity ops --only sort,add  some operators, printed
    python tools/parity modules -v           with the first difference of each

Every sample that PyTorch tests itself with, as far as it is made of plain CPU tensors of our types,
is run in both packages: forward, gradient, and gradient of the gradient.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

import modules
import operators
import optimizers
from tables import Entry, summary, write

SUITES: Final[dict[str, Any]] = {"ops": operators, "modules": modules, "optimizers": optimizers}
DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "parity.md"


def main() -> int:
    """Run the suites that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", nargs="?", choices=[*SUITES, "all"], default="all")
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("-v", "--verbose", action="store_true", help="the first difference of each")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    wanted = set(filter(None, options.only.split(",")))
    tables: dict[str, list[Entry]] = {}
    for name, suite in SUITES.items():
        if options.suite not in (name, "all"):
            continue
        found = [n for n in suite.names() if not wanted or matches(n, wanted)]
        tables[name] = run(name, found, options.jobs)
        for entry in tables[name]:
            if options.verbose or wanted:
                print(entry.line(), *([f"    {entry.note}"] if entry.note else []), sep="\n")
        print(summary(name, tables[name]))
    if options.suite == "all" and not wanted:
        write(DOCUMENT, tables)
    return 0


def matches(name: str, wanted: set[str]) -> bool:
    """Whether a name, with or without its variant and namespace, was asked for."""
    return bool({name, name.split(" ")[0], name.split(" ")[0].rpartition(".")[2]} & wanted)


def run(suite: str, names: list[str], jobs: int) -> list[Entry]:
    """The entries of all names; one that ends the process is entered as a crash."""
    results: dict[str, Entry] = {}
    while rest := [n for n in names if n not in results]:
        with ProcessPoolExecutor(jobs) as pool:
            running = {n: pool.submit(check, suite, n) for n in rest}
            broken = []
            for n, future in running.items():
                try:
                    results[n] = future.result()
                except BrokenProcessPool:
                    broken.append(n)
        for n in broken[: 2 * jobs]:  # one of the first was it; each alone tells
            try:
                with ProcessPoolExecutor(1) as pool:
                    results[n] = pool.submit(check, suite, n).result()
            except BrokenProcessPool:
                results[n] = Entry(n, note="the process died")
    return [results[n] for n in names]


def check(suite: str, name: str) -> Entry:
    """One entry, in a worker."""
    warnings.simplefilter("ignore")
    entry: Entry = SUITES[suite].check(name)
    return entry


if __name__ == "__main__":
    sys.exit(main())
