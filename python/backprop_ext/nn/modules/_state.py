"""state_dict: a module's parameters and buffers by dotted name, out and in again."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from ..._core import Tensor
from ...autograd.grad_mode import no_grad
from ..parameter import Parameter
from ._tree import BUFFER, MODULE, PARAMETER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .module import Module

__all__ = ["LoadResult", "collect", "restore"]


class LoadResult(NamedTuple):
    """The keys that only one side has; both are empty after a strict load."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"LoadResult(missing={self.missing_keys}, unexpected={self.unexpected_keys})"


def _entries(module: Module, prefix: str) -> Iterator[tuple[str, Module, str, Tensor]]:
    """(key, owner, name, value): a module's parameters, its buffers, then its children's."""
    members = module.__dict__
    for wanted in (PARAMETER, BUFFER):
        for name, kind in module._kinds.items():
            if kind == wanted and members[name] is not None:
                yield prefix + name, module, name, members[name]
    for name, kind in module._kinds.items():
        if kind == MODULE and members[name] is not None:
            yield from _entries(members[name], f"{prefix}{name}.")


def collect(
    module: Module, destination: dict[str, Any] | None, prefix: str, keep_vars: bool
) -> dict[str, Any]:
    """{key: value}, values detached unless `keep_vars`; they share storage with the module."""
    found = OrderedDict() if destination is None else destination
    for key, _, _, value in _entries(module, prefix):
        found[key] = value if keep_vars else value.detach()
    return found


def restore(module: Module, state: Mapping[str, Any], strict: bool, assign: bool) -> LoadResult:
    """Copy (or, with `assign`, put) the values in; all is checked before anything changes."""
    own = {key: (owner, name, value) for key, owner, name, value in _entries(module, "")}
    result = LoadResult([k for k in own if k not in state], [k for k in state if k not in own])
    faults = []
    if strict:
        faults += [f"missing: {key}" for key in result.missing_keys]
        faults += [f"unexpected: {key}" for key in result.unexpected_keys]
    for key, (_, _, value) in own.items():
        new = state.get(key, value)
        if not isinstance(new, Tensor):
            faults.append(f"not a tensor: {key} is a {type(new).__name__} in the state_dict")
        elif new.shape != value.shape:
            faults.append(
                f"size mismatch: {key} is {tuple(value.shape)} here, "
                f"{tuple(new.shape)} in the state_dict"
            )
    if faults:
        lenient = ", or pass strict=False to load the keys that both have" if strict else ""
        raise RuntimeError(
            f"[load_state_dict] {type(module).__name__} and the state_dict differ, nothing was "
            f"loaded; load it into the module it was saved from{lenient}:\n    "
            + "\n    ".join(faults)
        )
    with no_grad():
        for key, (owner, name, value) in own.items():
            if key in state:
                _put(owner, name, value, state[key], assign)
    return result


def _put(owner: Module, name: str, old: Tensor, new: Tensor, assign: bool) -> None:
    if not assign:
        old.copy_(new)
    elif not isinstance(old, Parameter):
        setattr(owner, name, new)
    elif isinstance(new, Parameter):
        setattr(owner, name, new.requires_grad_(old.requires_grad))
    else:
        setattr(owner, name, Parameter(new, old.requires_grad))
