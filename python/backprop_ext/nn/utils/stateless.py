"""A module as a function of its parameters."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._core import Tensor
    from ..modules.module import Module

__all__ = ["functional_call"]


def _places(module: Module) -> dict[str, tuple[Any, str]]:
    """{dotted name: (owner, attribute)} of all parameters and buffers."""
    found = {}
    for path, owner in module.named_modules(remove_duplicate=False):
        for name in (*owner._parameters, *owner._buffers):
            found[f"{path}.{name}" if path else name] = (owner, name)
    return found


@contextmanager
def _reparametrize_module(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    tie_weights: bool = False,
    strict: bool = False,
    stack_weights: bool = False,
) -> Iterator[None]:
    """A block in which the module has the tensors of the dict in the place of its own."""
    given = parameters_and_buffers
    places = _places(module)
    unknown = sorted(set(given) - set(places))
    missing = sorted(set(places) - set(given))
    if strict and (unknown or missing):
        raise RuntimeError(
            f"[functional_call] unexpected key(s): {unknown}, missing key(s): {missing}; pass what "
            "named_parameters() and named_buffers() list, or strict=False"
        )
    new = {name: value for name, value in given.items() if name in places}
    if tie_weights:
        shared: dict[int, Tensor] = {}
        for name, value in new.items():
            owner, last = places[name]
            if shared.setdefault(id(owner.__dict__[last]), value) is not value:
                raise ValueError(
                    f"[functional_call] {name!r} and another name of the same tensor were given "
                    "different values; give one, or pass tie_weights=False"
                )
        for name, (owner, last) in places.items():
            value = owner.__dict__[last]
            if name not in new and value is not None and id(value) in shared:
                new[name] = shared[id(value)]
    before = [(*places[name], places[name][0].__dict__[places[name][1]]) for name in new]
    try:
        for name, value in new.items():
            owner, last = places[name]
            owner.__dict__[last] = value
        yield
    finally:
        for owner, last, value in before:
            owner.__dict__[last] = value


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with the tensors of the dict in the place of its own of that name.

    With `tie_weights`, a tensor that has several names is replaced under all of them. Raises
    RuntimeError for a name that the module has not or (with `strict`) that is missing.
    """
    given = parameters_and_buffers
    if not isinstance(given, dict):
        raise AttributeError(
            f"[functional_call] parameters_and_buffers is a {type(given).__name__}; pass a dict"
        )
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    with _reparametrize_module(module, given, tie_weights, strict):
        return module(*arguments, **({} if kwargs is None else kwargs))
