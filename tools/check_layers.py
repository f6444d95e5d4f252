"""Check the architecture that the includes of cpp/ show: `python tools/check_layers.py`.

    core <- formulas, kernels <- launch <- decompositions <- autograd, ops <- optim <- bindings
                                        launch <- capture <- bindings

A folder includes from itself and from what stands left of it. The engine sees of kernels/ only the
headers without Eigen; Eigen stays in kernels/, in decompositions/ (but not in the header that ops/
include) and in the thread pool; Python in bindings/.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

CPP: Final = Path(__file__).resolve().parent.parent / "cpp"

BELOW: Final[dict[str, set[str]]] = {
    "core": set(),
    "formulas": set(),
    "kernels": {"core", "formulas"},
    "launch": {"core", "formulas", "kernels"},
    "autograd": {"core", "formulas", "kernels", "launch", "ops"},
    "decompositions": {"core", "kernels", "launch"},
    "ops": {"core", "formulas", "kernels", "launch", "decompositions", "autograd"},
    "optim": {"core", "formulas", "launch", "autograd", "ops"},
    "capture": {"core", "kernels", "launch"},
    "bindings": {"core", "launch", "autograd", "ops", "optim", "capture"},
}
# What compiles once per instruction set must not leak inline code into the engine.
SHARED_KERNEL_HEADERS: Final = {
    "kernels/table.h",
    "kernels/pointwise_rules.h",
    "kernels/windows.h",
}
# The header of decompositions/ without Eigen.
OPEN_DECOMPOSITIONS: Final = "decompositions/decompositions.h"
EIGEN_IN: Final = ("kernels", "decompositions")
EIGEN_ALSO_IN: Final = {"launch/parallel.cpp"}

INCLUDE: Final = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def main() -> int:
    """Print every include that breaks a rule."""
    faults = [fault for path in sorted(CPP.rglob("*.[ch]*")) for fault in faults_of(path)]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


def faults_of(path: Path) -> Iterator[str]:
    """The faults of one file, as `file:line: what; the cure`."""
    name = path.relative_to(CPP).as_posix()
    layer = name.partition("/")[0]
    if path.suffix not in (".h", ".cpp", ".hpp", ".cc"):
        return
    if layer not in BELOW:
        yield f"cpp/{name}: {layer}/ is no layer; enter it in tools/check_layers.py"
        return
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = INCLUDE.match(line)
        fault = found and fault_of(layer, name, found[1])
        if fault:
            yield f"cpp/{name}:{number}: {fault}"


def fault_of(layer: str, name: str, header: str) -> str | None:
    """Why a file of `layer` must not include `header`, or None if it may."""
    other = header.partition("/")[0]
    if "Eigen" in header.split("/"):
        if layer not in EIGEN_IN and name not in EIGEN_ALSO_IN:
            return f"{header} outside {' and '.join(EIGEN_IN)}; write a kernel and launch it"
    elif other == "pybind11" or header in ("Python.h", "structmember.h"):
        if layer != "bindings":
            return f"{header} outside bindings/; give the engine plain C++ values"
    elif other in BELOW and other != layer:
        if other not in BELOW[layer]:
            return f"{layer}/ includes {header}, which stands above it; turn the call around"
        if other == "kernels" and header not in SHARED_KERNEL_HEADERS:
            return f"{header} has code for one instruction set; include kernels/table.h"
        if other == "decompositions" and header != OPEN_DECOMPOSITIONS:
            return f"{header} has Eigen in it; include {OPEN_DECOMPOSITIONS}"
    return None


if __name__ == "__main__":
    sys.exit(main())
