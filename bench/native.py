"""Builds the libraries of `cpp/` where they are needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

CPP = Path(__file__).resolve().parent / "cpp"


def library(target: str, *sources: str) -> Path:
    """The library, built first if it is not there or older than its sources.

    Raises FileNotFoundError if there is no CMake, and CalledProcessError with the output in
    `stdout` if the build fails.
    """
    suffix = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
    path = CPP / "build" / f"lib{target}{suffix}"
    newest = max((CPP / name).stat().st_mtime for name in (*sources, "CMakeLists.txt"))
    if path.exists() and path.stat().st_mtime >= newest:
        return path
    here = str(Path(sys.executable).parent)
    cmake = shutil.which("cmake", path=here) or shutil.which("cmake")
    if cmake is None:
        raise FileNotFoundError("cmake is not installed: pip install cmake cmeel-eigen")
    folder = str(path.parent)
    configure = [cmake, "-S", str(CPP), "-B", folder, "-DCMAKE_BUILD_TYPE=Release"]
    wheel = Path(sysconfig.get_path("purelib")) / "cmeel.prefix" / "include" / "eigen3"
    if wheel.is_dir():
        configure.append(f"-DEIGEN3_INCLUDE_DIR={wheel}")
    build = [cmake, "--build", folder, "--config", "Release", "--target", target]
    print(f"building {target} ...", file=sys.stderr)
    for command in (configure, build):
        subprocess.run(
            command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    # A build that finds nothing to do leaves the old time, and would be asked again at every run.
    path.touch()
    return path


def reason(error: Exception) -> str:
    """Why a library could not be built or loaded."""
    return f"{error}\n{getattr(error, 'stdout', None) or ''}".strip()
