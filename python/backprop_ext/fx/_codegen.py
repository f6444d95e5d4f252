"""A graph as Python code."""

from __future__ import annotations

import builtins
import enum
import keyword
import math
import re
import types
import typing
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .. import torch
from .._core import Tensor
from .._device import device
from ..utils import _pytree as pytree
from . import _pytree as fx_pytree
from ._qualified import in_package, name_of, shown
from .node import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["CodeGen", "PythonCode"]

_BINARY: Final = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "floordiv": "//",
    "truediv": "/",
    "mod": "%",
    "pow": "**",
    "lshift": "<<",
    "rshift": ">>",
    "and_": "&",
    "or_": "|",
    "xor": "^",
    "matmul": "@",
}
_COMPARISONS: Final = {"eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">="}
reflectable_magic_methods: Final = {n: f"{{}} {sign} {{}}" for n, sign in _BINARY.items()} | {
    "getitem": "{}[{}]"
}
magic_methods: Final = {
    **{name: f"{{}} {sign} {{}}" for name, sign in _COMPARISONS.items()},
    **{"pos": "+{}", "neg": "-{}", "invert": "~{}"},
    **reflectable_magic_methods,
}
inplace_methods: Final = {f"i{n.strip('_')}": f"{{}} {s}= {{}}" for n, s in _BINARY.items()} | {
    "setitem": "{}[{}] = {}"
}

# What code may name without a qualified name, and how a file imports it.
_custom_builtins: Final[dict[str, tuple[str, Any]]] = {
    "inf": ("from math import inf", math.inf),
    "nan": ("from math import nan", math.nan),
    "NoneType": ("NoneType = type(None)", type(None)),
    "torch": (f"import {torch.__name__} as torch", torch),
    "device": (f"from {torch.__name__} import device", device),
    "fx_pytree": (f"import {fx_pytree.__name__} as fx_pytree", fx_pytree),
    "pytree": (f"import {pytree.__name__} as pytree", pytree),
}
_TAKEN: Final = {
    **{word: object() for word in keyword.kwlist},
    **vars(builtins),
    **{name: thing for name, (_, thing) in _custom_builtins.items()},
}
_TYPING: Final[dict[Any, Any]] = {
    **{list: typing.List, dict: typing.Dict, set: typing.Set, tuple: typing.Tuple},  # noqa: UP006
    frozenset: typing.FrozenSet,  # noqa: UP006
}
_SHORT: Final = {
    "float32": "f32",
    "float64": "f64",
    "float16": "f16",
    "bfloat16": "bf16",
    "complex64": "c64",
    "complex128": "c128",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "bool": "b8",
    "uint8": "u8",
}


class Namespace:
    """Names, each of one object, none of which hides a builtin."""

    def __init__(self) -> None:
        self._names: dict[Any, str] = {}
        self._used: set[str] = set()
        self._last: dict[str, int] = {}

    def create_name(self, candidate: str, obj: Any) -> str:
        """The object's name, of this form if it can be; for None always a new one."""
        if obj is not None and obj in self._names:
            return self._names[obj]
        candidate = re.sub("[^0-9a-zA-Z_]+", "_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = f"_{candidate}"
        match = re.match(r"^([a-zA-Z_][0-9a-zA-Z_]*?)(?:_(\d+))?$", candidate)
        assert match is not None
        base, number = match.groups()
        if number is None or candidate in self._used:
            last = self._last.get(base, 0)
            if _TAKEN.get(candidate, obj) is not obj:
                last += 1
                candidate = f"{base}_{last}"
        else:
            last = int(number)
        while candidate in self._used:
            last += 1
            candidate = f"{base}_{last}"
        self._used.add(candidate)
        self._last[base] = last
        if obj is not None:
            self._names[obj] = candidate
        return candidate


class PythonCode(NamedTuple):
    """The source of a function, and the objects that it names."""

    src: str
    globals: dict[str, Any]


class _PyTreeInfo(NamedTuple):
    orig_args: list[str]
    in_spec: pytree.TreeSpec
    out_spec: pytree.TreeSpec | None


def _attribute(base: str, target: str) -> str:
    """base.target, as code."""
    for name in target.split("."):
        base = f"{base}.{name}" if name.isidentifier() else f'getattr({base}, "{name}")'
    return base


def _shape(shape: Iterable[Any]) -> str:
    return f"[{', '.join(map(str, shape))}]"


class CodeGen:
    """How a graph is written; a subclass may write another head and another end."""

    def __init__(self) -> None:
        self._body_transformer: Callable[[list[str]], list[str]] | None = None
        self._func_name = "forward"

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str) -> str:
        """The head of the function."""
        if free_vars[:1] != ["self"]:
            free_vars.insert(0, "self")
        return f"def {self._func_name}({', '.join(free_vars)}){maybe_return_annotation}:"

    def generate_output(self, output_args: Any) -> str:
        """The end of the function."""
        return f"return {output_args!r}"

    def process_inputs(self, *args: Any) -> Any:
        """What the placeholders take of the arguments of a call."""
        return args

    def process_outputs(self, outputs: Any) -> Any:
        """What a call returns of the graph's output."""
        return outputs

    def additional_globals(self) -> list[tuple[str, Any]]:
        """(name, object) that the head and the end name."""
        return []

    def _gen_python_code(
        self, nodes: Sequence[Node], root_module: str, names: Namespace, verbose: bool = False
    ) -> PythonCode:
        writer = _Writer(root_module, names)
        dying: dict[Node, list[Node]] = {}
        seen: set[Node] = set()
        for node in reversed(nodes):
            for read in node.all_input_nodes:
                if read not in seen:
                    seen.add(read)
                    dying.setdefault(node, []).append(read)
        before = None
        for node in nodes:
            if verbose and node.op not in ("placeholder", "output"):
                comment = f"\n# {_place_of(node)}\n"
                if comment != before:
                    before = comment
                    writer.body.append(comment)
            if node.op == "output":
                if node.type is not None:
                    writer.returns = f" -> {writer.type_name(node.type)}"
                writer.body.append(self.generate_output(_Shown(writer, node.args[0])))
            else:
                writer.write(node, _annotation(node) if verbose else "")
            if node.op != "placeholder":
                dead = [*dying.get(node, ()), *([] if node.users else [node])]
                if node.op == "output" or not dead:
                    writer.body.append("\n")
                else:
                    writer.body.append(f";  {' = '.join(map(repr, dead))} = None\n")
        body = writer.body or ["pass\n"]
        wraps = ""
        if writer.wrapped:
            from ._symbolic_trace import wrap

            mark = writer.global_name(name_of(wrap), wrap)
            wraps = "\n".join(f'{mark}("{name}")' for name in writer.wrapped)
        if self._body_transformer:
            body = self._body_transformer(body)
        for name, value in self.additional_globals():
            writer.global_name(name, value)
        head = self.gen_fn_def(writer.free, writer.returns)
        lines = "".join(body).lstrip("\n").split("\n")
        code = "\n".join(f"    {line}" for line in lines)
        return PythonCode(f"\n{wraps}\n\n{head}\n{code}", writer.globals)


class _PyTreeCodeGen(CodeGen):
    """Of a graph whose placeholders are the leaves of the arguments."""

    def __init__(self, pytree_info: _PyTreeInfo) -> None:
        super().__init__()
        self.pytree_info = pytree_info

    def process_inputs(self, *inputs: Any) -> Any:
        return pytree.tree_leaves(inputs)

    def process_outputs(self, out: Any) -> Any:
        spec = self.pytree_info.out_spec
        if spec is None:
            return out
        return pytree.tree_unflatten(out if isinstance(out, (list, tuple)) else [out], spec)

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str) -> str:
        given = self.pytree_info.orig_args
        if given[:1] == ["self"]:
            free_vars.insert(0, "self")
        head = super().gen_fn_def([*given], maybe_return_annotation)
        if not free_vars:
            return head
        typed = "".join(f"{name}; " for name in free_vars if ":" in name)
        plain = ", ".join(name.split(":")[0].split("#")[0] for name in free_vars)
        leaves = f"fx_pytree.tree_flatten_spec([{', '.join(given)}], self._in_spec)"
        return f"{head}{typed and chr(10) + '    ' + typed + chr(10)}\n    {plain}, = {leaves}"

    def generate_output(self, output_args: Any) -> str:
        if self.pytree_info.out_spec is None:
            return super().generate_output(output_args)
        return f"return pytree.tree_unflatten({output_args!r}, self._out_spec)"


class _Shown:
    """An argument whose repr is code."""

    def __init__(self, writer: _Writer, value: Any) -> None:
        self.writer, self.value = writer, value

    def __repr__(self) -> str:
        return self.writer.code(self.value)


class _Writer:
    """The lines of a function, and what they name."""

    def __init__(self, root: str, names: Namespace) -> None:
        self.root, self.names = root, names
        self.body: list[str] = []
        self.free: list[str] = []
        self.globals: dict[str, Any] = {}
        self.wrapped: dict[str, None] = {}
        self.returns = ""
        for name, (_, thing) in _custom_builtins.items():
            self.global_name(name, thing)

    def global_name(self, hint: str, thing: Any) -> str:
        if thing is not device and in_package(thing):
            return name_of(thing)
        name = self.names.create_name(hint, thing)
        self.globals[name] = thing
        return name

    def type_name(self, kind: Any) -> str:
        if kind == ():
            return "()"
        if isinstance(kind, types.UnionType):
            return "|".join(map(self.type_name, typing.get_args(kind)))
        origin = getattr(kind, "__origin__", None)
        if origin is None:
            return self.global_name(shown(kind), kind)
        if isinstance(kind, typing._GenericAlias):  # type: ignore[attr-defined]
            origin = _TYPING.get(origin, origin)
        inner = ",".join(map(self.type_name, typing.get_args(kind)))
        name = self.global_name(shown(origin), origin)
        return f"{name}[{inner}]" if inner else name

    def code(self, value: Any) -> str:
        """A value as code."""
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            kind = self.global_name(name_of(type(value)), type(value))
            return f"{kind}({', '.join(map(self.code, value))}{',' * (len(value) == 1)})"
        if isinstance(value, enum.Enum):
            return f"{self.global_name(type(value).__name__, type(value))}.{value.name}"
        if isinstance(value, Tensor):
            return f"torch.Tensor(size={[*value.shape]}, dtype={str(value.dtype).split('.')[-1]})"
        if isinstance(value, tuple):
            return f"({', '.join(map(self.code, value))}{',' * (len(value) == 1)})"
        if isinstance(value, list):
            return f"[{', '.join(map(self.code, value))}]"
        if isinstance(value, slice):
            return f"slice({', '.join(map(self.code, (value.start, value.stop, value.step)))})"
        return repr(value)

    def write(self, node: Node, annotation: str) -> None:
        kind = annotation or ("" if node.type is None else f" : {self.type_name(node.type)}")
        if node.op == "placeholder":
            self.free.append(
                f"{node.target}{kind}" + (f" = {self.code(node.args[0])}" if node.args else "")
            )
            if (name := node.target.replace("*", "")) != repr(node):
                self.body.append(f"{node!r} = {name}\n")
            return
        if node.op == "get_attr":
            value = _attribute(self.root, node.target)
        elif node.op == "call_method":
            called = _attribute(self.code(node.args[0]), node.target)
            value = f"{called}({self.given(node.args[1:], node.kwargs)})"
        elif node.op == "call_module":
            called = _attribute(self.root, node.target)
            value = f"{called}({self.given(node.args, node.kwargs)})"
        else:
            value = self.call(node)
            if _operator_of(node) in inplace_methods:
                self.body.append(f"{value};  {node!r}{kind} = {self.code(node.args[0])}")
                return
        self.body.append(f"{node!r}{kind} = {value}")

    def call(self, node: Node) -> str:
        args, name = node.args, _operator_of(node)
        if form := magic_methods.get(name) or inplace_methods.get(name):
            return form.format(*map(self.code, args))
        called = self.global_name(name_of(node.target), node.target)
        if called == "getattr" and len(args) == 2 and str(args[1]).isidentifier():
            return _attribute(self.code(args[0]), args[1])
        if node.meta.get("is_wrapped"):
            self.wrapped[called] = None
        return f"{called}({self.given(args, node.kwargs)})"

    def given(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        named = (f"{key} = {self.code(value)}" for key, value in kwargs.items())
        return ", ".join([*map(self.code, args), *named])


def _operator_of(node: Node) -> str:
    """The name of Python's operator that a node applies, if it does."""
    return node.target.__name__ if getattr(node.target, "__module__", "") == "_operator" else ""


def _annotation(node: Node) -> str:
    """In print_readable, the type and shape that a run has noted."""
    known = (node.meta[key] for key in ("val", "tensor_meta", "example_value") if key in node.meta)
    value: Any = next(known, None)
    if not hasattr(value, "dtype"):
        return ""
    name = str(value.dtype).partition(".")[2]
    return f': "{_SHORT.get(name, name)}{_shape(value.shape)}"'


def _place_of(node: Node) -> str:
    """In print_readable, the line of the program that a node comes from."""
    lines = (node.stack_trace or "").strip().split("\n")
    for place, code in reversed([*pairwise(lines)]):
        if found := re.match(r'^File "(.+)", line (\d+), in (.+)$', place.strip()):
            file, line, name = found.groups()
            return f"File: {file}:{line} in {name}, code: {code.strip()}"
    return "No stacktrace found for following nodes"
