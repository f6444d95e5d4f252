"""The notebooks in examples/ are what the lessons are, and run from top to bottom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "examples").glob("seed*.py"))
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def text(cell: Any) -> str:
    """What a cell printed."""
    return "".join(output.get("text", "") for output in cell["outputs"])


def test_notebooks_are_made_of_the_lessons_as_they_are_now() -> None:
    command = [sys.executable, str(ROOT / "tools" / "make_notebooks.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.stem for path in LESSONS] == [
        path.stem for path in NOTEBOOKS if path.stem.startswith("seed")
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("default")  # of the kernel's own machinery
def test_notebook_runs_from_top_to_bottom_and_prints_what_it_shows(path: Path) -> None:
    pytest.importorskip("ipykernel")
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    shown = nbformat.read(path, as_version=4)
    nbformat.validate(shown)
    run = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(run, timeout=300, kernel_name="python3").execute()
    for before, after in zip(shown.cells, run.cells, strict=True):
        if before.cell_type == "code" and path.stem.startswith("seed"):
            assert text(after) == text(before)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_notebook_prints_what_the_script_prints(lesson: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    shown = nbformat.read(lesson.with_suffix(".ipynb"), as_version=4)
    printed = "".join(text(cell) for cell in shown.cells if cell.cell_type == "code")
    command = [sys.executable, str(lesson)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == printed
