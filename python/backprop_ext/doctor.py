"""Which names of PyTorch's a script uses that are not here.

    python -m backprop_ext.doctor train.py more.py folder

Scripts are parsed, never run. It follows `import torch`, `import torch.nn as nn`, `from torch.x
import y` and plain assignments of them (also under the name backprop_ext), and reports each name
that is missing with its line, and the nearest there is; methods of tensors where the name leaves
no doubt. Exit code 1 if anything is missing, 2 if a file cannot be read.
"""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _core
from ._names import absent, is_absent, torch_names

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Finding", "check", "main"]

_PACKAGES = ("torch", "backprop_ext")
_BUILT_ON_TORCH = ("torchvision", "torchaudio", "torchtext", "pytorch_lightning", "lightning")
_MISSING = object()


class Finding(NamedTuple):
    """A name that is missing: where, which, and what is said of it."""

    line: int
    name: str
    reason: str


def check(source: str, filename: str = "<script>") -> tuple[list[Finding], int]:
    """(what is missing, how many of PyTorch's names are used). Raises SyntaxError."""
    reader = _Reader()
    reader.visit(ast.parse(source, filename))
    methods = (
        Finding(line, f"Tensor.{name}", absent("torch.Tensor", name, _have("torch.Tensor")))
        for line, name in reader.attributes
        if name in _telling_methods() and name not in reader.defined
    )
    found = sorted({*reader.findings, *methods})
    return found, len(reader.names)


def _resolve(path: str) -> Any:
    """What a dotted name of PyTorch's is here, `_MISSING` for nothing."""
    found: Any = import_module(__package__)
    walked = __package__
    for part in path.split(".")[1:]:
        walked = f"{walked}.{part}"
        try:
            found = getattr(found, part)
        except AttributeError:
            try:
                found = import_module(walked)
            except ImportError as error:
                if (error.name or walked).startswith(f"{__package__}."):
                    return _MISSING
                found = error  # the module is here, and needs a package that is not installed
    return found


def _only_a_name(found: Any) -> str:
    """Why no tensor has an element type, as float16; empty for all else."""
    if isinstance(found, _core.dtype):
        try:
            _core.empty(0, dtype=found)
        except NotImplementedError as error:
            return str(error)
    return ""


def _have(namespace: str) -> list[str]:
    owner = _resolve(namespace)
    names = [*dir(owner), *getattr(owner, "__all__", ())]
    return [name for name in names if not (isinstance(owner, type) and is_absent(owner, name))]


def _telling_methods() -> set[str]:
    """Tensor methods that are missing, and that nothing else common has."""
    from io import TextIOWrapper

    import numpy as np

    from .nn.modules.module import Module
    from .optim.optimizer import Optimizer

    others = (str, bytes, list, dict, set, tuple, int, float, Path, TextIOWrapper, np.ndarray)
    taken = {name for other in (*others, Module, Optimizer, np) for name in dir(other)}
    tensor = _resolve("torch.Tensor")
    return {name for name in torch_names()["torch.Tensor"] if is_absent(tensor, name)} - taken


class _Reader(ast.NodeVisitor):
    """Collects the names of PyTorch's that a script uses."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.names: set[str] = set()
        self.attributes: list[tuple[int, str]] = []  # of what is not known
        self.defined: set[str] = set()  # by the script itself
        self._known = dict.fromkeys(_PACKAGES, "torch")
        self._foreign: set[str] = set()  # names that come from other modules
        self._bound: dict[str, str] = {}  # a name in the script -> a dotted name of PyTorch's

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            path = self._path(alias.name)
            if path is None:
                self._other(node.lineno, alias.name)
                self._foreign.add(alias.asname or alias.name.split(".")[0])
                continue
            self._use(node.lineno, path)
            self._bound[alias.asname or alias.name.split(".")[0]] = (
                path if alias.asname else "torch"
            )

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        path = self._path(node.module or "") if not node.level else None
        if path is None:
            if not node.level:
                self._other(node.lineno, node.module or "")
            self._foreign |= {alias.asname or alias.name for alias in node.names}
            return
        for alias in node.names:
            if alias.name == "*":
                self._use(node.lineno, path)
                own = [name for name in dir(_resolve(path)) if name[0] != "_"]
                self._bound |= {n: f"{path}.{n}" for n in (*torch_names().get(path, ()), *own)}
            elif self._use(node.lineno, f"{path}.{alias.name}"):
                self._bound[alias.asname or alias.name] = f"{path}.{alias.name}"

    def visit_Assign(self, node: ast.Assign) -> None:
        """`F = torch.nn.functional` binds as an import does; another assignment unbinds."""
        self.generic_visit(node)
        path = self._dotted(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._bound.pop(target.id, None)
                if path and _resolve(path) is not _MISSING:
                    self._bound[target.id] = path
            elif isinstance(target, ast.Attribute):
                self.defined.add(target.attr)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = self._dotted(node)
        if path is None:
            if not (isinstance(node.value, ast.Name) and node.value.id in self._foreign):
                self.attributes.append((node.end_lineno or node.lineno, node.attr))
            self.generic_visit(node)
        else:
            self._use(node.lineno, path)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in self._bound:
            self._use(node.lineno, self._bound[node.id])

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.defined.add(node.name)
        self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.defined.add(node.name)
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.defined.add(node.name)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.defined.add(node.target.id)
        self.generic_visit(node)

    def _path(self, module: str) -> str | None:
        first, _, rest = module.partition(".")
        if first not in self._known:
            return None
        return f"torch.{rest}" if rest else "torch"

    def _dotted(self, node: ast.expr) -> str | None:
        """The dotted name of PyTorch's that an expression is."""
        if isinstance(node, ast.Name):
            return self._bound.get(node.id)
        if not isinstance(node, ast.Attribute):
            return None
        base = self._dotted(node.value)
        if base is None or not self._is_namespace(base):
            return None
        return f"{base}.{node.attr}"

    @staticmethod
    def _is_namespace(path: str) -> bool:
        """Modules and classes have names that can be checked, values have not."""
        found = _resolve(path)
        return path in torch_names() or isinstance(found, (type, type(sys)))

    def _use(self, line: int, path: str) -> bool:
        self.names.add(path)
        found = _resolve(path)
        if found is not _MISSING:
            if reason := _only_a_name(found):
                self.findings.append(Finding(line, path, reason))
            return True
        namespace, _, name = path.rpartition(".")
        while _resolve(namespace) is _MISSING:  # the first part that is missing says it
            namespace, _, name = namespace.rpartition(".")
        missing = f"{namespace}.{name}"
        self.findings.append(Finding(line, missing, absent(namespace, name, _have(namespace))))
        return False

    def _other(self, line: int, module: str) -> None:
        if module.split(".")[0] in _BUILT_ON_TORCH:
            self.findings.append(Finding(line, module, "it needs PyTorch itself"))


def _scripts(arguments: list[str]) -> Iterator[Path]:
    for argument in map(Path, arguments):
        yield from sorted(argument.rglob("*.py")) if argument.is_dir() else [argument]


def main(arguments: list[str] | None = None) -> int:
    """Check the scripts and folders named on the command line, and print what is missing."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print((__doc__ or "").strip())
        return 0 if arguments else 2
    missing = unread = files = used = 0
    for path in _scripts(arguments):
        files += 1
        try:
            findings, names = check(path.read_text(encoding="utf-8"), str(path))
        except (OSError, SyntaxError, ValueError) as error:
            print(f"{path}: cannot be read: {error}", file=sys.stderr)
            unread += 1
            continue
        missing += len(findings)
        used += names
        for line, name, reason in findings:
            print(f"{path}:{line}: {name}: {reason}")
    print(f"{files} files use {used} names of PyTorch's; {missing or 'none'} of the uses missing")
    return 2 if unread else int(missing > 0)


if __name__ == "__main__":
    sys.exit(main())
