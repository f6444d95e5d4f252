"""Measure backprop_ext beside its peers: `python bench/run.py`. See README.md in this folder."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def main() -> int:
    options = _options()
    # Read by the libraries when they load, so before anything imports NumPy.
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(options.threads)))
    import driver
    import report

    if options.readme:
        report.around_markers(options.readme)
    path = options.json or HERE / "results.json"
    if options.reuse:
        results = report.Results.load(path)
    else:
        results = driver.measure(options.ours, options.threads, options.quick, options.only)
        if options.json or not (options.quick or options.only):
            results.save(path)
    print(report.text(results))
    if options.readme:
        report.write_into(options.readme, report.markdown(results))
    return 1 if any(row.refused for row in results.rows) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="of every peer (default 1)")
    parser.add_argument("--quick", action="store_true", help="smoke run: small sizes, few rounds")
    parser.add_argument("--only", default="", metavar="TEXT", help="workloads whose name has TEXT")
    parser.add_argument("--readme", type=Path, help="write the table between the markers of a file")
    parser.add_argument("--reuse", action="store_true", help="show the JSON of an earlier run")
    parser.add_argument(
        "--json", type=Path, help="where results go (bench/results.json, if the run is whole)"
    )
    parser.add_argument("--ours", default="backprop_ext", help="the module to measure as ours")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
