"""Wrong arguments to everything raise an exception of PyTorch's classes and never crash."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROUNDS = 60


@pytest.mark.parametrize("seed", [0, 1])
def test_wrong_arguments_never_crash(seed: int) -> None:
    script = Path(__file__).parent / "fuzz.py"
    done = subprocess.run(
        [sys.executable, str(script), str(ROUNDS), str(seed)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = done.stdout.splitlines()
    last = lines[-1] if lines else "nothing"
    assert done.returncode == 0, f"died in: {last}\n{done.stderr[-2000:]}"
    assert last == "DONE"
    bad = [f"{call} -> {line}" for call, line in pairwise(lines) if line.startswith("BAD")]
    assert bad == []
