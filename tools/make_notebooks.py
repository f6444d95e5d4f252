"""Write examples/*.ipynb, the lessons as notebooks, with what they print.

    python tools/make_notebooks.py            # write
    python tools/make_notebooks.py --check    # fail if the committed files differ

A lesson is a script. Its docstring and the comments that begin a paragraph become text, the
paragraphs become cells, which are run in order.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import multiprocessing
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

EXAMPLES: Final = Path(__file__).resolve().parent.parent / "examples"


def paragraphs(source: str) -> Iterator[str]:
    """Runs of top-level statements without an empty line between them, their comments first."""
    lines, (docstring, *body) = source.splitlines(), ast.parse(source).body
    start = last = docstring.end_lineno or 0
    for node in body:
        first = node.lineno - 1
        while lines[first - 1].startswith(("#", "@")):
            first -= 1
        if "" in lines[last:first]:
            if start < last:
                yield "\n".join(lines[start:last])
            start = first
        last = node.end_lineno or last
    yield "\n".join(lines[start:last])


def markdown(text: str) -> str:
    """A docstring as markdown: its first sentence is the title, indented lines are formulas."""
    title, _, rest = text.partition("\n")
    blocks = [block.strip("\n") for block in re.split(r"\n\s*\n", rest) if block.strip()]
    return "\n\n".join([f"# {title.rstrip('.')}", *blocks])


def cells(source: str) -> Iterator[tuple[str, str]]:
    """(kind, text) of each cell."""
    yield "markdown", markdown(ast.get_docstring(ast.parse(source)) or "")
    for paragraph in paragraphs(source):
        lines = paragraph.splitlines()
        count = next(k for k, line in enumerate(lines) if not line.startswith("#"))
        if count:
            yield "markdown", " ".join(line.lstrip("# ") for line in lines[:count])
        yield "code", "\n".join(lines[count:])


def notebook(path: Path) -> dict[str, Any]:
    """The notebook of a script, run from top to bottom."""
    found: list[dict[str, Any]] = []
    names: dict[str, Any] = {"__name__": "__main__"}
    executed = 0
    for place, (kind, text) in enumerate(cells(path.read_text(encoding="utf-8"))):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{place}", "metadata": {}}
        cell["source"] = text.splitlines(keepends=True)
        if kind == "code":
            executed += 1
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(text, path.name, "exec", dont_inherit=True), names)
            output = printed.getvalue().splitlines(keepends=True)
            stream = {"name": "stdout", "output_type": "stream", "text": output}
            cell |= {"execution_count": executed, "outputs": [stream] if output else []}
        found.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": found, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def main() -> int:
    """Write or compare; the number of files that differ."""
    stale, paths = 0, sorted(EXAMPLES.glob("seed*.py"))
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as fresh:
        notebooks = fresh.map(notebook, paths, chunksize=1)
    for path, made in zip(paths, notebooks, strict=True):
        target = path.with_suffix(".ipynb")
        text = json.dumps(made, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        if "--check" not in sys.argv:
            target.write_text(text, encoding="utf-8")
        elif not target.exists() or target.read_text(encoding="utf-8") != text:
            print(f"{target.name} is not what {path.name} makes; run tools/make_notebooks.py")
            stale += 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
