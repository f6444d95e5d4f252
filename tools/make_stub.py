"""Write python/backprop_ext/_core/*.pyi, the types of the compiled module.

    python tools/make_stub.py            # write
    python tools/make_stub.py --check    # fail if the committed files differ from the module

The operations come from the registry of the installed package, the classes and the module's own
functions from `core.pyi.in` beside this file. A folder of stubs rather than one file, because the
compiled module has submodules, `_nn` and others.
"""

from __future__ import annotations

import difflib
import keyword
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from backprop_ext import _core
from backprop_ext._names import is_absent

HERE: Final = Path(__file__).resolve().parent
TARGET: Final = HERE.parent / "python" / "backprop_ext" / "_core"
WIDTH: Final = 100

# The names of the handwritten part: Tensor's own methods hide float, int, bool and dtype.
TYPES: Final = {
    "Tensor": "Tensor",
    "Tensor | Number": "_Operand",
    "Number | Tensor": "_Operand",
    "float | Tensor": "_Operand",
    "Sequence[Tensor]": "Sequence[Tensor]",
    "Sequence[Tensor | None]": "Sequence[Tensor | None]",
    "bool": "_bool",
    "int": "_int",
    "Sequence[int]": "Sequence[_int]",
    "int | Sequence[int]": "_int | Sequence[_int]",
    "dtype": "_DType",
    "memory_format": "_MemoryFormat",
    "str": "str",
    "Generator": "Generator",
}
# Arguments whose items may be given one by one: the only one, or the last.
STARRED: Final = {
    "Sequence[int]": "_int",
    "int | Sequence[int]": "_int",
    "Sequence[Tensor]": "Tensor",
}
NAMESPACES: Final = ("nn", "linalg", "special", "fft")
RESULTS: Final = {"bool": "_bool", "int": "_int", "dtype": "_DType"}
# What cannot be said in a stub: constructors that always raise, pybind11's metaclass, and that no
# class can derive from Tensor and another compiled type.
UNLIKE: Final = [
    r"(Generator|_Program|_Replayer|Node|_FunctionNode|_FunctionLink|RemovableHandle|dtype"
    r"|memory_format)(\.__init__)?",
    "Tensor",
]
MARK: Final = "    # <operations>\n"
Argument = dict[str, Any]


def main() -> int:
    """Write the stubs, or compare them."""
    stubs = {"__init__.pyi": core_stub(), **{f"_{n}.pyi": namespace_stub(n) for n in NAMESPACES}}
    if "--check" not in sys.argv:
        TARGET.mkdir(exist_ok=True)
        for name, text in stubs.items():
            path = TARGET / name
            if not path.exists() or path.read_text() != text:  # an old time spares a build
                path.write_text(text)
        return 0
    stale = False
    for name, text in stubs.items():
        path = TARGET / name
        committed = path.read_text() if path.exists() else ""
        changes = difflib.unified_diff(
            committed.splitlines(), text.splitlines(), f"{name}, committed", f"{name}, made", n=1
        )
        for line in changes:
            stale = True
            print(line.rstrip())
    if stale:
        print(f"[make_stub] {TARGET} is stale: python tools/make_stub.py", file=sys.stderr)
    return int(stale) or stubtest()


def stubtest() -> int:
    """Let mypy compare the handwritten part with the module (operations are no functions to it)."""
    operations = [f"(Tensor\\.|_[a-z]+\\.)?{op['name']}" for op in _core._operations()]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as allowed:
        absent = [f"Tensor\\.{n}" for n in dir(_core.Tensor) if is_absent(_core.Tensor, n)]
        names = operations + absent + UNLIKE
        allowed.writelines(f"backprop_ext\\._core\\.{name}\n" for name in names)
        allowed.flush()
        command = [sys.executable, "-m", "mypy.stubtest", "backprop_ext._core", "--concise"]
        command += ["--allowlist", allowed.name, "--ignore-unused-allowlist"]
        command += ["--mypy-config-file", str(HERE.parent / "pyproject.toml")]
        environment = os.environ | {"MYPYPATH": str(TARGET.parent.parent)}
        done = subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE)
    if done.returncode:
        print(done.stdout, end="")
    return done.returncode


def core_stub() -> str:
    """The classes and functions of the module, and every operation."""
    operations = _core._operations()
    text = (HERE / "core.pyi.in").read_text()
    methods = "".join(
        definitions(op, indent="    ", method=True) for op in operations if op["method"]
    )
    functions = "".join(definitions(op) for op in operations if op["function"])
    head, found, tail = text.partition(MARK)
    if not found:
        raise ValueError(f"[make_stub] core.pyi.in has no line {MARK!r}")
    return f"{head}{methods}{tail}\n{functions}\n{listed(_core.__all__)}"


def namespace_stub(name: str) -> str:
    """The operations that live in one namespace alone."""
    head = (
        "# Made by tools/make_stub.py from the registry of operations.\n"
        "from collections.abc import Sequence\n"
        "from typing import overload\n\n"
        "from backprop_ext._return_types import ValuesIndices\n\n"
        "from . import Generator, Tensor, _bool, _DType, _int, _Operand\n\n"
    )
    functions = "".join(definitions(op) for op in _core._operations() if op["namespace"] == name)
    return f"{head}{functions}\n{listed(getattr(_core, '_' + name).__all__)}"


def listed(names: list[str]) -> str:
    """The assignment to __all__."""
    return "__all__ = [\n" + "".join(f'    "{name}",\n' for name in sorted(names)) + "]\n"


def definitions(op: dict[str, Any], *, indent: str = "", method: bool = False) -> str:
    """One `def` per way to call an operation."""
    ways: list[tuple[list[str], str]] = []
    all_ways = [way["arguments"] for way in op["overloads"]]
    if method:  # a number is no self
        all_ways = [[{**way[0], "type": "Tensor"}, *way[1:]] for way in all_ways]
    one_tensor = any([a["type"] for a in way] == ["Tensor"] for way in all_ways)
    for way, overload in zip(op["overloads"], all_ways, strict=True):
        if any(_covers(other, overload) for other in all_ways if other is not overload):
            continue
        result = RESULTS.get(way["returns"], way["returns"])
        if way["results"]:
            both = way["results"] == ["values", "indices"]
            several = ", ".join(["Tensor"] * len(way["results"]))
            result = "ValuesIndices" if both else f"tuple[{several}]"
        for variadic in (False, True):
            arguments = _arguments(overload, method, variadic)
            if arguments is None or (variadic and one_tensor and arguments[0][0] == "*"):
                continue  # atleast_1d(x) is not a tuple
            if op["function"] and not method:
                arguments = _shared_keywords(
                    arguments, not op["method"] and overload[-1]["name"] == "dtype", result
                )
            ways.append((arguments, result))
    decorator = f"{indent}@overload\n" if len(ways) > 1 else ""
    return "".join(
        decorator + _definition(op["name"], arguments, result, indent) for arguments, result in ways
    )


def _covers(wide: list[Argument], narrow: list[Argument]) -> bool:
    """Whether all that fits `narrow` fits `wide`, as var(x, 0, keepdim=True) its first way."""
    types = {a["name"]: a["type"] for a in wide}
    return types.keys() == {a["name"] for a in narrow} and all(
        types[a["name"]].startswith(a["type"]) for a in narrow
    )


def _arguments(overload: list[Argument], method: bool, variadic: bool) -> list[str] | None:
    """The parameters; with `variadic`, view(*size) for view(size), None where there is no such."""
    parts: list[str] = ["self"] if method else []
    positional = [a for a in overload if not a["keyword_only"]]
    listed = next((k for k in STARRED if positional and positional[-1]["type"] == k), None)
    if variadic and listed is None:
        return None
    if not variadic and positional and positional[-1]["one_by_one"]:
        return None
    if variadic and positional[-1]["default"] is not None:
        return None
    if variadic and listed != "Sequence[Tensor]" and len(positional) > 1 + method:
        return None
    starred = False
    for argument in overload[1:] if method else overload:
        if variadic and argument is positional[-1]:
            parts.append(f"*{argument['name']}: {STARRED[argument['type']]}")
            starred = True
            continue
        if argument["keyword_only"] and not starred:
            parts.append("*")
            starred = True
        optional = argument["type"].endswith(" | None")
        hint = TYPES[argument["type"].removesuffix(" | None")] + (" | None" if optional else "")
        default = argument["default"]
        if default is None and argument["type"].startswith("Generator"):
            default = "None"
        # uniform_(from, to): the name can be passed by position only.
        name = argument["name"] + "_" * keyword.iskeyword(argument["name"])
        text = f"{name}: {hint}"
        parts.append(text if default is None else f"{text} = {default}")
    return parts


def _shared_keywords(parts: list[str], creates: bool, result: str) -> list[str]:
    """`out`, and for what creates tensors `device` and `requires_grad`."""
    star = [] if any(part.startswith("*") for part in parts) else ["*"]
    extra = ["out: Tensor | None = None"] if result == "Tensor" else []
    if creates:
        extra += ["device: Any = None", "requires_grad: _bool = False"]
    return parts + star + extra if extra else parts


def _definition(name: str, parts: list[str], result: str, indent: str) -> str:
    line = f"{indent}def {name}({', '.join(parts)}) -> {result}: ...\n"
    if len(line) <= WIDTH:
        return line
    inner = f"{indent}    {', '.join(parts)}\n"
    if len(inner) > WIDTH:
        inner = "".join(f"{indent}    {part},\n" for part in parts)
    return f"{indent}def {name}(\n{inner}{indent}) -> {result}: ...\n"


if __name__ == "__main__":
    sys.exit(main())
