"""Measure backprop_ext beside its peers: `python bench/run.py`. See README.md in this folder."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import results

HERE = Path(__file__).resolve().parent
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NPROC",  # JAX's pool
)


def main() -> int:
    options = _options()
    if options.child:
        return _measure(options)
    import report
    import results

    if options.readme:
        report.around_markers(options.readme)
    path = options.json or HERE / "results.json"
    if options.reuse:
        runs = results.load(path)
    else:
        runs = [run for i in range(len(options.threads)) for run in _run(options, i)]
        if options.json or not (options.quick or options.only):
            results.save(runs, path)
    runs = [run for run in runs if run.rows] or runs[:1]
    print(report.text(runs))
    drawn = bool(options.plot) and _plot(runs, options.plot)
    if options.readme:
        figure = os.path.relpath(options.plot, options.readme.parent) if drawn else ""
        report.write_into(options.readme, report.markdown(runs, figure))
    return 1 if any(row.refused for run in runs for row in run.rows) else 0


def _run(options: argparse.Namespace, place: int) -> list[results.Results]:
    """One number of threads in a process of its own, whose environment the libraries read."""
    import results

    threads = options.threads[place]
    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) < threads:
        print(
            f"bench: fewer than {threads} processors; {threads} threads left out", file=sys.stderr
        )
        return []
    environment = dict(os.environ) | dict.fromkeys(THREAD_VARIABLES, str(threads))
    flag = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
    environment["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
    environment["JAX_PLATFORMS"] = "cpu"
    # With one processor JAX is faster in the calling thread than with its queue.
    environment["JAX_CPU_ENABLE_ASYNC_DISPATCH"] = str(threads > 1).lower()
    with tempfile.TemporaryDirectory() as folder:
        # What an earlier run compiled would make the first step too short.
        environment["TORCHINDUCTOR_CACHE_DIR"] = folder
        path = Path(folder) / "results.json"
        command = [sys.executable, __file__, "--child", "--json", str(path)]
        command += ["--threads", str(threads), "--only", options.only, "--ours", options.ours]
        command += ["--quick"] * options.quick + ["--large"] * (options.large or place > 0)
        subprocess.run(command, check=True, env=environment)
        return results.load(path)


def _measure(options: argparse.Namespace) -> int:
    """What the process of one number of threads does."""
    (threads,) = options.threads
    # As many processors as threads: then no library can have more than it was given.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    import driver
    import results

    run = driver.measure(options.ours, threads, options.quick, options.only, options.large)
    results.save([run], options.json)
    return 0


def _plot(runs: list[results.Results], path: Path) -> bool:
    """Draw the first run; False if there is nothing to draw with."""
    try:
        import plot
    except ImportError as error:
        print(f"bench: no plot: {error}", file=sys.stderr)
        return False
    return plot.draw(runs[0], path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--threads",
        type=int,
        nargs="+",
        default=[1],
        metavar="N",
        help="of every peer; after the first number the large workloads alone (default 1)",
    )
    parser.add_argument("--large", action="store_true", help="the large workloads alone")
    parser.add_argument("--quick", action="store_true", help="smoke run: small sizes, few rounds")
    parser.add_argument("--only", default="", metavar="TEXT", help="workloads whose name has TEXT")
    parser.add_argument("--readme", type=Path, help="write the table between the markers of a file")
    parser.add_argument("--plot", type=Path, help="draw the ratios of one thread as SVG")
    parser.add_argument("--reuse", action="store_true", help="show the JSON of an earlier run")
    parser.add_argument(
        "--json", type=Path, help="where results go (bench/results.json, if the run is whole)"
    )
    parser.add_argument("--ours", default="backprop_ext", help="the module to measure as ours")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
