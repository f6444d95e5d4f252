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
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

import modules
import operators
import optimizers
from tables import Entry, summary, write
from workers import run

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
        tables[name] = []
        for entry in run(suite, found, options.jobs):
            tables[name].append(entry)
            if options.verbose or wanted:
                print(entry.line(), f"\n    {entry.note}" if entry.note else "", flush=True)
        print(summary(name, tables[name]))
    if options.suite == "all" and not wanted:
        write(DOCUMENT, tables, operators.left_out())
    return 0


def matches(name: str, wanted: set[str]) -> bool:
    """Whether a name, with or without its variant and namespace, was asked for."""
    return bool({name, name.split(" ")[0], name.split(" ")[0].rpartition(".")[2]} & wanted)


if __name__ == "__main__":
    sys.exit(main())
