"""How graphs name functions, the package's as PyTorch does, and with which arguments.

PyTorch writes some functions in Python and some in C++; graphs tell: one in Python is recorded with
all of its arguments that have a default, by name.
"""

from __future__ import annotations

import builtins
from functools import cache
from inspect import Parameter, getsource, signature
from types import FunctionType, GenericAlias
from typing import TYPE_CHECKING, Any, Final

from .. import fft, linalg, nn, special, torch
from .._core import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["arguments", "in_package", "is_method", "name_of", "place", "python_functions", "shown"]

# Of nn.functional what is compiled in PyTorch, and where it is found; of torch what is not.
_COMPILED: Final = {
    "torch._C._nn": "avg_pool2d avg_pool3d elu_ gelu hardtanh_ leaky_relu_ linear log_sigmoid "
    "one_hot scaled_dot_product_attention softplus softshrink",
    "torch": "adaptive_avg_pool1d avg_pool1d bilinear celu_ channel_shuffle conv1d conv2d conv3d "
    "conv_transpose1d conv_transpose2d conv_transpose3d cosine_similarity hardshrink "
    "pairwise_distance pdist pixel_shuffle pixel_unshuffle prelu relu_ rrelu_ selu_ sigmoid tanh "
    "threshold_",
}
_IN_PYTHON: Final = (
    "atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors cartesian_prod cdist "
    "chain_matmul einsum lu meshgrid norm split tensordot unique unique_consecutive unravel_index"
)
_OWN: Final = __package__.partition(".")[0]


@cache
def _paths() -> dict[int, str]:
    found: dict[int, str] = {}

    def enter(prefix: str, space: Any, names: Any) -> None:
        for name in names:
            function = getattr(space, "logsigmoid" if name == "log_sigmoid" else name, None)
            if callable(function) and not isinstance(function, type):
                found.setdefault(id(function), prefix + name)

    for home, names in _COMPILED.items():
        enter(f"{home}.", nn.functional, names.split())
    enter("torch.functional.", torch, _IN_PYTHON.split())
    enter("torch.nn.functional.", nn.functional, nn.functional.__all__)
    enter("torch.", torch, [*torch.__all__, "_assert"])
    for space in (fft, linalg, special):
        last = space.__name__.rpartition(".")[2]
        enter(f"torch._C._{last}.{last}_", space, space.__all__)
    return found


@cache
def python_functions() -> frozenset[int]:
    """The ids of what is no operation here: a tracer must see to it that calls are noticed."""
    spaces = (torch, nn.functional, fft, linalg, special)
    functions = (value for space in spaces for value in vars(space).values())
    known = {id(f) for f in functions if isinstance(f, FunctionType) and id(f) in _paths()}
    return frozenset(known - {id(torch.is_tensor), id(torch.broadcast_shapes)})


def is_method(function: Any) -> bool:
    """Whether it is one of Tensor's."""
    name = getattr(function, "__name__", "")
    return any(vars(kind).get(name) is function for kind in Tensor.__mro__)


def place(module: str) -> str:
    """What PyTorch's programs call a module of the package."""
    first, dot, rest = module.partition(".")
    return f"torch{dot}{rest}" if first == _OWN else module


def in_package(thing: object) -> bool:
    """Whether a name of it needs no import but torch's."""
    module = getattr(thing, "__module__", None)
    return id(thing) in _paths() or (isinstance(module, str) and module.partition(".")[0] == _OWN)


def name_of(function: Any) -> str:
    """The name by which code finds a function: `torch.relu`. RuntimeError where there is none."""
    if id(function) in _paths():
        return _paths()[id(function)]
    name: str = function.__name__
    if getattr(builtins, name, None) is function:
        return name
    if is_method(function):
        return f"torch.Tensor.{name}"
    if name == "<lambda>":
        try:
            name = getsource(function).split("=")[0].strip()
        except OSError as error:
            raise RuntimeError(
                "[fx] a lambda without source has no name in code; define a function"
            ) from error
    if function.__module__ is None:
        raise RuntimeError(f"[fx] {function} is of no module; use a function that can be imported")
    return f"{place(function.__module__)}.{name}"


def shown(kind: Any) -> str:
    """A type as it is printed."""
    if isinstance(kind, type) and not isinstance(kind, GenericAlias):
        home = "" if kind.__module__ == "builtins" else f"{place(kind.__module__)}."
        return home + kind.__qualname__
    if kind is ...:
        return "..."
    if isinstance(kind, FunctionType):
        return kind.__name__
    return repr(kind).replace(f"{_OWN}.", "torch.")


def arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments as PyTorch records them."""
    path = _paths().get(id(function), "")
    if not path.startswith(("torch.nn.functional.", "torch.functional.")):
        return args, kwargs
    if path.endswith(".meshgrid"):
        return args, {"indexing": None, **kwargs}
    parameters = signature(function).parameters.values()
    try:
        given = signature(function).bind(*args, **kwargs).arguments
    except TypeError:
        return args, kwargs
    named = {p.name: given.get(p.name, p.default) for p in parameters if p.default is not p.empty}
    if path.endswith(".norm"):
        named = {"p": "fro", "dim": None, "keepdim": False, "out": None} | named
        if "p" not in given:
            named["p"] = "fro"
    if path.endswith(".normalize"):
        named.setdefault("out", None)
    if named.get("weight", function) is None and path.endswith(".l1_loss"):
        del named["weight"]
    placed = [p for p in parameters if p.default is p.empty]
    first: list[Any] = []
    for p in placed:
        if p.kind is Parameter.VAR_POSITIONAL:
            first += given.get(p.name, ())
        elif p.kind is not Parameter.VAR_KEYWORD:
            first.append(given[p.name])
    return tuple(first), named
