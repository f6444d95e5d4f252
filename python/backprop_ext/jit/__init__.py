"""TorchScript, of which only the marks are here: what is scripted or traced stays Python.

Models run as they are, with the same results; there is no program to save or to load.
Source of the names: https://docs.pytorch.org/docs/stable/jit.html
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._core import Tensor
from .._names import missing_from
from ..futures import Future
from ..nn.modules.module import Module

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Attribute",
    "Error",
    "Final",
    "ScriptFunction",
    "ScriptModule",
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


class ScriptModule(Module):
    """A Module, to derive from; forward is marked with script_method."""


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


def script(obj: Any, *args: Any, **options: Any) -> Any:
    """obj itself: a module, function or class. TypeError for what cannot be called."""
    return _callable("script", obj)


def trace(func: Any, example_inputs: Any = None, *args: Any, **options: Any) -> Any:
    """func itself, after a run on the examples: its `if` and loops stay alive."""
    _callable("trace", func)
    if isinstance(example_inputs, (Tensor, tuple, list)):
        func(*((example_inputs,) if isinstance(example_inputs, Tensor) else example_inputs))
    return func


def trace_module(mod: Any, inputs: Any, *args: Any, **options: Any) -> Any:
    """mod itself, as trace."""
    return _callable("trace_module", mod)


def freeze(mod: Module, *args: Any, **options: Any) -> Module:
    """mod itself. Raises RuntimeError for a module that trains."""
    if mod.training:
        raise RuntimeError("[jit.freeze] the module is in training mode; call eval() first")
    return mod


def optimize_for_inference(mod: Module, *args: Any, **options: Any) -> Module:
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


def _refuse(op: str, cure: str) -> Callable[..., Any]:
    def refuse(*args: Any, **options: Any) -> Any:
        raise NotImplementedError(f"[jit.{op}] there are no programs here; {cure}")

    refuse.__doc__ = f"Raises NotImplementedError; {cure}."
    return refuse


save = _refuse("save", "keep the weights with torch.save(model.state_dict(), f)")
load = _refuse("load", "build the model and load_state_dict(torch.load(f)) into it")

__getattr__ = missing_from("torch.jit", globals())
