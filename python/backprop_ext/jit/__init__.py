"""TorchScript, of which the marks are here: what is scripted or traced stays Python.

Models run as they are, with the same results; files hold their classes' names, and no programs.
Source of the names: https://docs.pytorch.org/docs/stable/jit.html
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._core import Tensor
from .._names import missing_from
from ..futures import Future
from ..nn.modules.module import Module
from ._script import (
    RecursiveScriptModule,
    ScriptModule,
    TopLevelTracedModule,
    load,
    save,
    view,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Attribute",
    "Error",
    "Final",
    "RecursiveScriptModule",
    "ScriptFunction",
    "ScriptModule",
    "TopLevelTracedModule",
    "TracerWarning",
    "annotate",
    "export",
    "fork",
    "freeze",
    "ignore",
    "interface",
    "is_scripting",
    "is_tracing",
    "isinstance",
    "load",
    "optimize_for_inference",
    "optimized_execution",
    "save",
    "script",
    "script_if_tracing",
    "script_method",
    "trace",
    "trace_module",
    "unused",
    "wait",
]

_isinstance = isinstance


class Error(RuntimeError):
    """What a program raises in PyTorch; here an exception keeps its class."""


class TracerWarning(Warning):
    """What a trace warns with in PyTorch, for filters to name."""


class ScriptFunction:
    """What no function is: libraries ask which are, to read their programs."""


class Attribute(NamedTuple):
    """A value and its type."""

    value: Any
    type: Any


def _callable(op: str, obj: Any) -> Any:
    if not callable(obj):
        raise TypeError(f"[jit.{op}] a {type(obj).__name__} cannot be called; pass a module")
    return obj


def _view(op: str, obj: Any, kind: type[ScriptModule]) -> Any:
    return view(obj, kind) if _isinstance(obj, Module) else _callable(op, obj)


def script(obj: Any, *args: Any, **options: Any) -> Any:
    """A ScriptModule that shares all with a module; a function or class itself.

    Raises TypeError for what cannot be called.
    """
    return _view("script", obj, RecursiveScriptModule)


def trace(func: Any, example_inputs: Any = None, *args: Any, **options: Any) -> Any:
    """As script, after a run on the examples: its `if` and loops stay alive."""
    _callable("trace", func)
    if _isinstance(example_inputs, (Tensor, tuple, list)):
        func(*((example_inputs,) if _isinstance(example_inputs, Tensor) else example_inputs))
    return _view("trace", func, TopLevelTracedModule)


def trace_module(mod: Any, inputs: Any, *args: Any, **options: Any) -> Any:
    """As trace, without a run."""
    return _view("trace_module", mod, TopLevelTracedModule)


def freeze(mod: ScriptModule, *args: Any, **options: Any) -> ScriptModule:
    """mod itself. Raises RuntimeError for what is no ScriptModule, and for one that trains."""
    if not _isinstance(mod, ScriptModule):
        raise RuntimeError(
            f"[jit.freeze] a {type(mod).__name__} is no ScriptModule; pass jit.script(...) of it"
        )
    if mod.training:
        raise RuntimeError("[jit.freeze] the module is in training mode; call eval() first")
    return mod


def optimize_for_inference(mod: ScriptModule, *args: Any, **options: Any) -> ScriptModule:
    """mod itself."""
    return mod


def _marked(fn: Any) -> Any:
    return fn


export = interface = script_method = script_if_tracing = unused = _marked
_overload = _overload_method = _script_if_tracing = _marked  # model files of libraries have these


def ignore(drop: Any = False, **options: Any) -> Any:
    """The decorated function itself, with or without options."""
    return drop if callable(drop) else _marked


def annotate(the_type: Any, the_value: Any) -> Any:
    """the_value."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Python's isinstance; of a type such as List[int], whether obj is a list."""
    kinds = target_type if _isinstance(target_type, tuple) else (target_type,)
    return _isinstance(obj, tuple(getattr(kind, "__origin__", kind) for kind in kinds))


def _unwrap_optional(x: Any) -> Any:
    """What is not None, as it is."""
    assert x is not None, "[_unwrap_optional] None; pass a value"
    return x


def is_scripting() -> bool:
    """False."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
    """A Future of func(...), which is run at once."""
    future: Future[Any] = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Future[Any]) -> Any:
    """The future's value."""
    return future.wait()


def optimized_execution(should_optimize: bool) -> AbstractContextManager[None]:
    """A context that changes nothing."""
    return nullcontext()


__getattr__ = missing_from("torch.jit", globals())
