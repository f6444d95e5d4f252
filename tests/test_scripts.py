"""Scripts as PyTorch's users write them, run here: they print what PyTorch printed.

`tests/data/scripts/x.txt` is what `python tests/scripts/x.py` printed under PyTorch 2.13. Text is
compared exactly, numbers to a part in a thousand: sums are rounded in another order here.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import backprop_ext as bx
from backprop_ext import doctor

HERE = Path(__file__).parent
SCRIPTS = sorted((HERE / "scripts").glob("*.py"))
NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:e[-+]\d+)?")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    dtype = bx.get_default_dtype()
    with bx.random.fork_rng():
        yield
    bx.set_default_dtype(dtype)


def translated(source: str) -> str:
    """The script with this package in the place of PyTorch."""
    source = re.sub(r"^import torch$", "import backprop_ext as torch", source, flags=re.M)
    return re.sub(r"^(import|from) torch\b", r"\1 backprop_ext", source, flags=re.M)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_prints_what_it_prints_under_torch(path: Path) -> None:
    source = path.read_text()
    missing, _ = doctor.check(source)
    if missing:
        pytest.skip(f"it uses {', '.join(sorted({found.name for found in missing}))}")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(translated(source), str(path), "exec"), {"__name__": "__main__"})
    ours = printed.getvalue().split("\n")
    torchs = (HERE / "data" / "scripts" / f"{path.stem}.txt").read_text().split("\n")
    for line, expected in zip(ours, torchs, strict=True):
        assert NUMBER.sub("#", line).split() == NUMBER.sub("#", expected).split()
        numbers, others = ([float(n) for n in NUMBER.findall(text)] for text in (line, expected))
        assert numbers == pytest.approx(others, rel=2e-3, abs=2e-4), line
