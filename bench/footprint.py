"""What a user pays before the first step: import time, download and installed size."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import statistics
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

SECTION = "before the first step"

IMPORT = """
import time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
import {module}
print(middle - start, time.perf_counter() - middle)
"""


def import_times(modules: dict[str, str], rounds: int) -> tuple[float, dict[str, float]]:
    """Median seconds to import NumPy, and then each module after it, each in a fresh process."""
    numpy: list[float] = []
    beyond: dict[str, list[float]] = {peer: [] for peer in modules}
    for number in range(rounds + 1):
        for peer, module in modules.items():
            command = [sys.executable, "-c", IMPORT.format(module=module)]
            output = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
            first, second = map(float, output.split())
            # The first round fills the disk cache and writes the bytecode.
            if number:
                numpy.append(first)
                beyond[peer].append(second)
    return statistics.median(numpy), {p: statistics.median(t) for p, t in beyond.items()}


def wheel_sizes(dist: Path) -> tuple[int, int] | None:
    """Bytes of the newest `*.whl` in `dist`, packed and unpacked; None if there is none."""
    wheels = sorted(dist.glob("*.whl"), key=lambda wheel: wheel.stat().st_mtime)
    if not wheels:
        return None
    with zipfile.ZipFile(wheels[-1]) as wheel:
        return wheels[-1].stat().st_size, sum(item.file_size for item in wheel.infolist())


def installed_size(distribution: str) -> int | None:
    """Bytes on disk of an installed distribution; None if it is not installed from a wheel."""
    try:
        files: Iterable[importlib.metadata.PackagePath] = (
            importlib.metadata.files(distribution) or ()
        )
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = [Path(str(file.locate())) for file in files]
    return sum(path.stat().st_size for path in paths if path.exists()) or None
